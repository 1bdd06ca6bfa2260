//! Exactly one call detail record per call: no id twice, no call twice, no call without.

use std::collections::{BTreeMap, BTreeSet};

use holdline_cluster_tests::cluster::CdrView;
use holdline_cluster_tests::ua::Role;

use super::{Checker, Finding, Opinion};
use crate::fact::Run;
use crate::history::{History, Op, entries};

pub(super) const CHECKER: Checker =
    Checker { name: "cdr-once", about: "every answered call is billed exactly once", check };

fn check(history: &History) -> Opinion {
    if Run::of(history).is_some_and(|run| run.system == "kamailio") {
        return Opinion::idle(CHECKER.name, "the system writes no records");
    }
    let mut ids: BTreeMap<String, Vec<&Op>> = BTreeMap::new();
    let mut calls: BTreeMap<String, Vec<&Op>> = BTreeMap::new();
    let mut billed = BTreeSet::new();
    for (op, cdr) in history.facts::<CdrView>("cdr") {
        if cdr.disposition == "ANSWERED" {
            billed.insert(cdr.number().to_owned());
        }
        ids.entry(cdr.id).or_default().push(op);
        calls.entry(cdr.call).or_default().push(op);
    }
    let answered: BTreeSet<String> = entries(history, Role::Callee)
        .filter(|entry| entry.over && entry.first(true, "200 INVITE").is_some())
        .filter(|entry| entry.first(false, "ACK").is_some())
        .map(|entry| entry.number)
        .collect();
    if ids.is_empty() && answered.is_empty() {
        return Opinion::idle(CHECKER.name, "no calls");
    }
    let mut findings = Vec::new();
    for (what, map) in [("record", &ids), ("call", &calls)] {
        for (id, ops) in map.iter().filter(|(_, ops)| ops.len() > 1) {
            findings.push(Finding::new(format!("{what} {id} is billed {} times", ops.len()), ops));
        }
    }
    for number in answered.difference(&billed) {
        findings.push(Finding::new(format!("call {number} was answered and is not billed"), &[]));
    }
    let summary = format!("{} records, {} answered calls", ids.len(), answered.len());
    Opinion::of(CHECKER.name, summary, findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    fn call() -> Forge {
        Forge::default().ledgers("100", 10, &[])
    }

    #[test]
    fn too_many_or_too_few_records_are_found() {
        assert_eq!(check(&call().cdr("5.0", "100", 10).done()).verdict, Verdict::Valid);
        assert_eq!(check(&call().done()).verdict, Verdict::Invalid);
        let twice = call().cdr("5.0", "100", 10).cdr("6.0", "100", 10).done();
        assert_eq!(check(&twice).verdict, Verdict::Invalid);
        let same = call().cdr("5.0", "100", 10).cdr("5.0", "101", 10).done();
        assert_eq!(check(&same).verdict, Verdict::Invalid);
    }
}
