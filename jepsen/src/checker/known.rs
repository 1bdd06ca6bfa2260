//! No 481: whatever becomes of a node, nobody is told that a call does not exist.

use holdline_cluster_tests::ua::Role;

use super::{Checker, Finding, Opinion};
use crate::history::{EntryRecord, History, StrayRecord, witness_word};

pub(super) const CHECKER: Checker = Checker {
    name: "no-481",
    about: "nobody is told that his call does not exist, and nobody gets what is no call of his",
    check,
};

fn check(history: &History) -> Opinion {
    let mut findings = Vec::new();
    let mut calls = 0;
    for role in [Role::Caller, Role::Callee] {
        for (op, entry) in history.facts::<EntryRecord>(witness_word(role)) {
            calls += 1;
            for anomaly in entry.anomalies.iter().filter(|a| a.starts_with("does-not-exist")) {
                let what = format!("call {}, {role:?}: {anomaly}", entry.number);
                findings.push(Finding::new(what, &[op]));
            }
        }
    }
    for (op, stray) in history.facts::<StrayRecord>("stray") {
        let what =
            format!("the {} got {} of no call (Call-ID {})", stray.side, stray.kind, stray.call_id);
        findings.push(Finding::new(what, &[op]));
    }
    if calls == 0 {
        return Opinion::idle(CHECKER.name, "no calls");
    }
    Opinion::of(CHECKER.name, format!("{calls} ledger entries"), findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    fn entry(anomalies: &[&str]) -> EntryRecord {
        EntryRecord {
            number: "1".into(),
            call_id: "c".into(),
            over: true,
            anomalies: anomalies.iter().map(|&a| a.to_owned()).collect(),
            events: Vec::new(),
        }
    }

    #[test]
    fn a_481_or_a_stray_is_found() {
        let with = |anomalies: &[&str]| Forge::default().fact("caller-call", &entry(anomalies));
        assert_eq!(check(&with(&[]).done()).verdict, Verdict::Valid);
        assert_eq!(check(&with(&["does-not-exist: BYE"]).done()).verdict, Verdict::Invalid);
        let stray =
            StrayRecord { side: "callee".into(), at: 1, kind: "BYE".into(), call_id: "x".into() };
        assert_eq!(check(&with(&[]).fact("stray", &stray).done()).verdict, Verdict::Invalid);
    }
}
