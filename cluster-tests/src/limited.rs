//! What the tests of limits share: how limits are set, and whether what was admitted kept to them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use tokio::time::Instant;

use crate::cluster::Cluster;

/// From when to when something may have been admitted, in milliseconds: by a record a moment, by its
/// caller the time from the request to the answer.
pub type Span = (u64, u64);

/// The worst window: by how much more than rate × time + burst was surely admitted within it, in calls;
/// nothing or less is well. Two clocks that times were taken by may be `apart_ms` from one another.
///
/// # Panics
/// If there is nothing to judge.
#[must_use]
pub fn excess(spans: &[Span], rate: u64, burst: u64, apart_ms: u64) -> i64 {
    let mut by_end = spans.to_vec();
    by_end.sort_unstable_by_key(|(_, end)| *end);
    let window = |begin: u64| {
        let within = by_end.iter().filter(move |(from, _)| *from >= begin);
        (1..).zip(within).map(move |(count, (_, end))| {
            let allowed = rate * (end - begin + apart_ms) / 1_000 + burst;
            count - i64::try_from(allowed).unwrap()
        })
    };
    spans.iter().flat_map(|(begin, _)| window(*begin)).max().unwrap()
}

/// Milliseconds from `begun` to `at`.
///
/// # Panics
/// If `at` is more than a few hundred million years later.
#[must_use]
pub fn ms_since(begun: Instant, at: Instant) -> u64 {
    u64::try_from(at.duration_since(begun).as_millis()).unwrap()
}

/// A tree of one class, which admits `rate` per second.
#[must_use]
pub fn one_class(rate: u32, burst: u32) -> String {
    format!("[[class]]\nname = \"all\"\nassured = \"{rate}/s\"\nburst = {burst}\n")
}

/// Replaces the limits, by the command line, as an operator does.
///
/// # Panics
/// If they are refused.
pub fn set_limits(cluster: &Cluster, text: &str) {
    let file = cluster.folder().join("limits.toml");
    std::fs::write(&file, text).unwrap();
    let set = cluster.operator(&["limit", "set", &file.display().to_string()]).output().unwrap();
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_as_may_be_is_no_excess_and_one_more_is() {
        let moments = |times: &[u64]| times.iter().map(|at| (*at, *at)).collect::<Vec<_>>();
        assert_eq!(excess(&moments(&[0, 0, 1_000, 2_000]), 1, 2, 0), 0);
        assert_eq!(excess(&moments(&[0, 0, 999, 2_000]), 1, 2, 0), 1);
        assert_eq!(excess(&moments(&[0, 0, 999, 2_000]), 1, 2, 1), 0);
        assert_eq!(
            excess(&[(0, 0), (0, 0), (0, 1_000)], 1, 2, 0),
            0,
            "it may have come at the end"
        );
        assert_eq!(excess(&[(0, 500), (100, 600), (50, 999)], 1, 2, 0), 1, "whenever they came");
    }
}
