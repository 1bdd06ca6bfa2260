//! Linearizability of the admin API's registers, by the log: each write says which entry it is, and
//! that settles the order. In linear time.
//!
//! Of two writes, one of which had ended before the other began, the first has the lower entry, or the
//! same one, since an entry holds a batch of commands; and a read whose state goes up to entry `i`
//! sees the last write up to `i` (one of them, if an entry holds several), or one that timed out and
//! does not say where it is.

use std::collections::BTreeMap;

use super::{Checker, Finding, Opinion};
use crate::fact::Register;
use crate::history::{History, Op, OpType, Pair, edn, pairs};

pub(super) const CHECKER: Checker = Checker {
    name: "log-index",
    about: "the admin API's writes and reads follow the log (entries name the order)",
    check,
};

/// The writes of one register, by their entries.
type Writes<'a> = BTreeMap<u64, Vec<(bool, &'a Op)>>;

fn check(history: &History) -> Opinion {
    let all = pairs(history, &["write", "read"]);
    let mut writes: BTreeMap<u64, Writes<'_>> = BTreeMap::new();
    let mut lost: Vec<(u64, bool, u64)> = Vec::new();
    let mut ended: Vec<(u64, u64, &Op)> = Vec::new();
    for pair in all.iter().filter(|pair| pair.invoke.f == "write") {
        let Some(tried) = register(pair.invoke) else { continue };
        let done = pair.end.filter(|end| end.ty == OpType::Ok);
        let index = done.and_then(|end| register(end)?.index);
        match (done, index, tried.value) {
            (Some(end), Some(index), Some(value)) => {
                let of_key = writes.entry(tried.key).or_default();
                of_key.entry(index).or_default().push((value, end));
                ended.push((end.time, index, end));
            }
            (_, _, Some(value)) if pair.outcome() != OpType::Fail => {
                lost.push((tried.key, value, pair.invoke.time));
            }
            _ => {}
        }
    }
    if ended.is_empty() {
        return Opinion::idle(CHECKER.name, "no write names its entry");
    }
    let mut findings = order(&all, &mut ended);
    let mut read = 0;
    for pair in all.iter().filter(|pair| pair.invoke.f == "read") {
        let Some(end) = pair.end.filter(|end| end.ty == OpType::Ok) else { continue };
        let Some(Register { key, value: Some(value), index: Some(upto), .. }) = register(end)
        else {
            continue;
        };
        read += 1;
        let last = writes.get(&key).and_then(|of_key| of_key.range(..=upto).next_back());
        let last = last.map_or(&[][..], |(_, all)| all.as_slice());
        // The register is false when the cluster is formed.
        let fits = last.iter().any(|(written, _)| *written == value) || last.is_empty() && !value;
        let maybe = lost.iter().any(|(k, v, from)| *k == key && *v == value && *from < end.time);
        if !fits && !maybe {
            let what = format!("register {key} reads {value} at entry {upto}");
            let lines: Vec<&Op> = last.iter().map(|(_, op)| *op).chain([end]).collect();
            findings.push(Finding::new(what, &lines));
        }
    }
    Opinion::of(CHECKER.name, format!("{} writes, {read} reads", ended.len()), findings)
}

fn register(op: &Op) -> Option<Register> {
    edn::from_value(&op.value).ok()
}

/// Writes that had ended before another one began, and have the higher entry.
fn order(all: &[Pair<'_>], ended: &mut [(u64, u64, &Op)]) -> Vec<Finding> {
    ended.sort_unstable_by_key(|(time, ..)| *time);
    let mut findings = Vec::new();
    let mut next = ended.iter().peekable();
    let mut highest: Option<(u64, &Op)> = None;
    for pair in all.iter().filter(|pair| pair.invoke.f == "write") {
        while let Some((_, index, op)) = next.next_if(|(time, ..)| *time < pair.invoke.time) {
            if highest.is_none_or(|(known, _)| known < *index) {
                highest = Some((*index, op));
            }
        }
        let Some(end) = pair.end.filter(|end| end.ty == OpType::Ok) else { continue };
        let index = register(end).and_then(|it| it.index);
        if let (Some(index), Some((earlier, op))) = (index, highest)
            && index < earlier
        {
            let what = format!("a write is entry {index}, one that had ended before is {earlier}");
            findings.push(Finding::new(what, &[op, end]));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;
    use OpType::{Info, Invoke, Ok};

    fn write(forge: Forge, process: u64, value: bool, index: u64) -> Forge {
        forge.write(Invoke, process, value, None).write(Ok, process, value, Some(index))
    }

    fn verdict(forge: Forge) -> Verdict {
        check(&forge.done()).verdict
    }

    #[test]
    fn reads_are_held_against_the_log() {
        let written = || write(write(Forge::default(), 1, true, 5), 1, false, 9);
        assert_eq!(verdict(written().read(2, false, 9).read(2, true, 8)), Verdict::Valid);
        assert_eq!(verdict(written().read(2, false, 4)), Verdict::Valid);
        assert_eq!(verdict(written().read(2, true, 9)), Verdict::Invalid);
        assert_eq!(verdict(Forge::default().read(2, true, 9)), Verdict::Idle);
    }

    #[test]
    fn an_order_against_time_is_found() {
        let backwards = write(write(Forge::default(), 1, true, 9), 1, false, 5);
        assert_eq!(verdict(backwards), Verdict::Invalid);
    }

    #[test]
    fn of_two_writes_in_one_entry_either_may_be_the_last() {
        let both = || write(write(Forge::default(), 1, true, 9), 1, false, 9);
        assert_eq!(verdict(both().read(2, true, 9)), Verdict::Valid);
        assert_eq!(verdict(both().read(2, false, 9)), Verdict::Valid);
        let same = || write(write(Forge::default(), 1, true, 9), 1, true, 9);
        assert_eq!(verdict(same().read(2, false, 9)), Verdict::Invalid);
    }

    #[test]
    fn a_write_that_timed_out_explains_what_is_read_after_it() {
        let lost = |forge: Forge| forge.write(Invoke, 2, true, None).write(Info, 2, true, None);
        let written = write(Forge::default(), 1, false, 5);
        assert_eq!(verdict(lost(written).read(3, true, 7)), Verdict::Valid);
        let before = write(Forge::default(), 1, false, 5).read(3, true, 7);
        assert_eq!(verdict(lost(before)), Verdict::Invalid);
    }
}
