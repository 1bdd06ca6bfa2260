//! What must not happen on the wire even to a call that survives: a request repeated otherwise
//! than byte for byte, a second transaction for one request, a CSeq that goes back, an answer from
//! another address, a request that nobody answers.

use holdline_cluster_tests::ua::Role;

use super::{Checker, Finding, Opinion};
use crate::history::{EntryRecord, History, witness_word};

pub(super) const CHECKER: Checker = Checker {
    name: "protocol",
    about: "retransmissions are byte for byte the same, no second INVITE or BYE, CSeq never goes back",
    check,
};

fn check(history: &History) -> Opinion {
    let mut findings = Vec::new();
    let mut messages = 0;
    for role in [Role::Caller, Role::Callee] {
        for (op, entry) in history.facts::<EntryRecord>(witness_word(role)) {
            messages += entry.events.len();
            for anomaly in entry.anomalies.iter().filter(|a| !a.starts_with("does-not-exist")) {
                let what = format!("call {}, {role:?}: {anomaly}", entry.number);
                findings.push(Finding::new(what, &[op]));
            }
        }
    }
    if messages == 0 {
        return Opinion::idle(CHECKER.name, "no messages");
    }
    Opinion::of(CHECKER.name, format!("{messages} messages"), findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;
    use crate::history::EventRecord;

    #[test]
    fn an_anomaly_is_found() {
        let event = EventRecord { at: 0, sent: true, kind: "INVITE".into(), again: false };
        let entry = |anomalies: Vec<String>| EntryRecord {
            number: "1".into(),
            call_id: "c".into(),
            over: true,
            anomalies,
            events: vec![event.clone()],
        };
        let with = |entry| check(&Forge::default().fact("callee-call", &entry).done()).verdict;
        assert_eq!(with(entry(vec![])), Verdict::Valid);
        assert_eq!(with(entry(vec!["altered: BYE".into()])), Verdict::Invalid);
    }
}
