//! Linearizability of the admin API's registers, by search: is there an order of the operations,
//! each at one moment between its beginning and its end, in which every read sees the last write?
//!
//! The search is that of Wing and Gong with Lowe's memory of the states seen, per key, since
//! registers are independent (Herlihy and Wing: linearizability is local). It is our own because
//! the crate todc-utils (last released in 2023) wants every operation to end; a write that timed
//! out never does, and may take effect at any later time, or not at all.

use std::collections::{BTreeMap, HashSet};

use super::{Checker, Finding, Opinion, Verdict};
use crate::fact::Register;
use crate::history::{History, Op, OpType, edn, pairs};

/// States looked at before the search gives up: then the answer is unknown.
const STATES: usize = 2_000_000;

pub(super) const CHECKER: Checker = Checker {
    name: "linearizable",
    about: "the admin API's writes and reads are linearizable (search per key)",
    check,
};

/// An operation on one register.
#[derive(Clone, Copy, Debug)]
struct Try<'a> {
    op: &'a Op,
    from: u64,
    /// When it had happened for certain; never, if it need not have happened at all.
    to: Option<u64>,
    write: bool,
    value: bool,
}

enum Search {
    Found,
    /// The first operations, by their ends, that fit nowhere.
    Impossible,
    GaveUp,
}

fn check(history: &History) -> Opinion {
    let mut keys: BTreeMap<u64, Vec<Try<'_>>> = BTreeMap::new();
    for pair in pairs(history, &["write", "read"]) {
        let (invoke, outcome) = (pair.invoke, pair.outcome());
        let write = invoke.f == "write";
        let known = if write { Some(invoke) } else { pair.end };
        let Some(register) = known.and_then(|op| edn::from_value::<Register>(&op.value).ok())
        else {
            continue;
        };
        let to = pair.end.filter(|_| outcome == OpType::Ok).map(|end| end.time);
        // A read that nobody got and a write that certainly did not happen say nothing.
        let counts = if write { outcome != OpType::Fail } else { outcome == OpType::Ok };
        if let Some(value) = register.value.filter(|_| counts) {
            let one = Try { op: invoke, from: invoke.time, to, write, value };
            keys.entry(register.key).or_default().push(one);
        }
    }
    if keys.is_empty() {
        return Opinion::idle(CHECKER.name, "no admin writes");
    }
    let mut findings = Vec::new();
    let mut unknown = false;
    let count: usize = keys.values().map(Vec::len).sum();
    for (key, tries) in &keys {
        match search(tries) {
            Search::Found => {}
            Search::Impossible => findings.push(shortest(*key, tries)),
            Search::GaveUp => unknown = true,
        }
    }
    let mut opinion =
        Opinion::of(CHECKER.name, format!("{count} operations on {} keys", keys.len()), findings);
    if unknown && opinion.verdict == Verdict::Valid {
        opinion.verdict = Verdict::Unknown;
        opinion.summary.push_str(", too many orders to try them all");
    }
    opinion
}

/// The shortest beginning of the history that is impossible: its last operation is the proof.
fn shortest(key: u64, tries: &[Try<'_>]) -> Finding {
    let mut ends: Vec<u64> = tries.iter().filter_map(|one| one.to).collect();
    ends.sort_unstable();
    let impossible = |end: &u64| {
        let early: Vec<Try<'_>> = tries
            .iter()
            .filter(|one| one.from < *end)
            .map(|one| Try { to: one.to.filter(|to| to <= end), ..*one })
            // A read that ends later need not have happened yet.
            .filter(|one| one.write || one.to.is_some())
            .collect();
        matches!(search(&early), Search::Impossible)
    };
    let place = ends.partition_point(|end| !impossible(end));
    let end = ends.get(place).copied().unwrap_or(u64::MAX);
    let near: Vec<&Op> = tries
        .iter()
        .filter(|one| one.from <= end && one.to.is_none_or(|to| to + NEAR_NS > end))
        .map(|one| one.op)
        .collect();
    Finding::new(
        format!("register {key}: no order explains what was seen up to {} ms", end / 1_000_000),
        &near,
    )
}

/// Operations so long before an impossible one are shown with it.
const NEAR_NS: u64 = 2_000_000_000;

fn search(tries: &[Try<'_>]) -> Search {
    let words = tries.len().div_ceil(64);
    let mut seen: HashSet<(Vec<u64>, bool)> = HashSet::new();
    // The register is false when the cluster is formed.
    let mut stack = vec![(vec![0_u64; words], false)];
    while let Some((done, value)) = stack.pop() {
        let is_done =
            |place: usize| done.get(place / 64).is_some_and(|w| w >> (place % 64) & 1 == 1);
        let open = || tries.iter().enumerate().filter(|(place, _)| !is_done(*place));
        // Whoever has ended before another begins comes first.
        let Some(limit) = open().filter_map(|(_, one)| one.to).min() else { return Search::Found };
        for (place, one) in open().filter(|(_, one)| one.from <= limit) {
            if !one.write && one.value != value {
                continue;
            }
            let mut next = done.clone();
            if let Some(word) = next.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
            let state = (next, if one.write { one.value } else { value });
            if seen.insert(state.clone()) {
                stack.push(state);
            }
        }
        if seen.len() > STATES {
            return Search::GaveUp;
        }
    }
    Search::Impossible
}

#[cfg(test)]
mod tests {
    use super::super::forge::Forge;
    use super::*;
    use OpType::{Fail, Info, Invoke, Ok};

    fn verdict(forge: Forge) -> Verdict {
        check(&forge.done()).verdict
    }

    fn written(value: bool) -> Forge {
        Forge::default().write(Invoke, 1, value, None).write(Ok, 1, value, None)
    }

    #[test]
    fn reads_see_the_last_write() {
        assert_eq!(verdict(written(true).read(2, true, 1)), Verdict::Valid);
        assert_eq!(verdict(written(true).read(2, false, 1)), Verdict::Invalid);
        assert_eq!(verdict(Forge::default()), Verdict::Idle);
    }

    #[test]
    fn a_write_that_timed_out_may_happen_later_or_never() {
        let lost = || written(false).write(Invoke, 1, true, None).write(Info, 1, true, None);
        assert_eq!(verdict(lost().read(2, false, 1).read(2, true, 1)), Verdict::Valid);
        assert_eq!(verdict(lost().read(2, false, 1)), Verdict::Valid);
        // But only once.
        let back = lost().read(2, true, 1).write(Invoke, 3, false, None).write(Ok, 3, false, None);
        assert_eq!(verdict(back.read(2, false, 1).read(2, true, 1)), Verdict::Invalid);
    }

    #[test]
    fn a_write_that_failed_never_happened() {
        let failed = || written(false).write(Invoke, 1, true, None).write(Fail, 1, true, None);
        assert_eq!(verdict(failed().read(2, false, 1)), Verdict::Valid);
        assert_eq!(verdict(failed().read(2, true, 1)), Verdict::Invalid);
    }

    #[test]
    fn concurrent_writes_may_come_in_either_order() {
        let both = || {
            let begun = Forge::default().write(Invoke, 1, true, None).write(Invoke, 2, false, None);
            begun.write(Ok, 1, true, None).write(Ok, 2, false, None)
        };
        assert_eq!(verdict(both().read(3, true, 1)), Verdict::Valid);
        assert_eq!(verdict(both().read(3, false, 1)), Verdict::Valid);
        assert_eq!(verdict(both().read(3, false, 1).read(3, true, 1)), Verdict::Invalid);
    }

    #[test]
    fn long_histories_are_searched_quickly() {
        let mut forge = Forge::default();
        for round in 0..200 {
            forge = forge.write(Invoke, 1, round % 2 == 0, None).write(Invoke, 2, true, None);
            forge = forge.write(Ok, 1, round % 2 == 0, None).write(Ok, 2, true, None);
            forge = forge.read(3, true, 1);
        }
        assert_eq!(verdict(forge), Verdict::Valid);
    }
}
