//! Memory and file descriptors are back to where they were.

use super::{Checker, Finding, Opinion};
use crate::fact::Resources;
use crate::history::History;

/// What the log and its cache may add, whatever happens.
const RSS_SLACK_KIB: u64 = 128 * 1024;
/// Files that the storage may have open more, and connections to clients that ask just then.
const FD_SLACK: u64 = 40;

pub(super) const CHECKER: Checker = Checker {
    name: "resources",
    about: "memory (to 128 MiB) and file descriptors (to 40) are back to where they were",
    check,
};

fn check(history: &History) -> Opinion {
    let all: Vec<_> = history.facts::<Resources>("resources").collect();
    let mut findings = Vec::new();
    let mut compared = 0;
    for (before_op, before) in all.iter().filter(|(_, it)| it.when == "before") {
        let after = all.iter().find(|(_, it)| it.when == "after" && it.node == before.node);
        let Some((after_op, after)) = after else { continue };
        compared += 1;
        for (what, was, is, slack) in [
            ("KiB of memory", before.rss_kib, after.rss_kib, RSS_SLACK_KIB),
            ("file descriptors", before.fds, after.fds, FD_SLACK),
        ] {
            if is > was + slack {
                let what = format!("node {}: {was} {what} before, {is} after", before.node);
                findings.push(Finding::new(what, &[before_op, after_op]));
            }
        }
    }
    if compared == 0 {
        return Opinion::idle(CHECKER.name, "not measured before and after");
    }
    let worst = |of: fn(&Resources) -> u64, when: &str| {
        all.iter().filter(|(_, it)| it.when == when).map(|(_, it)| of(it)).max().unwrap_or(0)
    };
    let summary = format!(
        "at most {} → {} MiB, {} → {} descriptors",
        worst(|it| it.rss_kib, "before") / 1024,
        worst(|it| it.rss_kib, "after") / 1024,
        worst(|it| it.fds, "before"),
        worst(|it| it.fds, "after"),
    );
    Opinion::of(CHECKER.name, summary, findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    #[test]
    fn a_leak_is_found() {
        let at = |when: &str, rss_kib, fds| Resources {
            node: 1,
            when: when.into(),
            rss_kib,
            fds,
            calls: 0,
        };
        let with = |after: Resources| {
            let forge = Forge::default().fact("resources", &at("before", 100_000, 50));
            check(&forge.fact("resources", &after).done()).verdict
        };
        assert_eq!(with(at("after", 110_000, 55)), Verdict::Valid);
        assert_eq!(with(at("after", 500_000, 55)), Verdict::Invalid);
        assert_eq!(with(at("after", 100_000, 500)), Verdict::Invalid);
        assert_eq!(with(at("before", 1, 1)), Verdict::Idle);
    }
}
