//! Commit before you speak: a node that has lost its majority says nothing to new calls, neither
//! to the caller nor to the callee, until it has a majority again; nor does it hang up those that
//! have lasted as long as they may.

use std::collections::HashMap;

use holdline_cluster_tests::ua::Role;

use super::{Checker, Finding, Opinion};
use crate::fact::{Call, Effect, Heal, Inject};
use crate::history::{EntryRecord, History, edn, pairs, witness_word};

/// The fault under which no node has a majority.
pub const FAULT: &str = "majority-gone";
/// The same, while calls come to their end by a timer.
pub const TIMER_FAULT: &str = "majority-gone-timer";
/// The phase of calls that a timer is about to end.
pub const PHASE: &str = "expiring";

pub(super) const CHECKER: Checker = Checker {
    name: "rule-one",
    about: "a node without a majority answers no new call and calls nobody",
    check,
};

fn check(history: &History) -> Opinion {
    let gone: HashMap<u64, u64> = history
        .facts::<Inject>("inject")
        .filter(|(_, inject)| inject.fault == FAULT || inject.fault == TIMER_FAULT)
        .map(|(_, inject)| (inject.id, u64::MAX))
        .collect();
    let mut windows: HashMap<u64, (u64, u64)> = HashMap::new();
    for (op, effect) in history.facts::<Effect>("effect") {
        if effect.took_effect && gone.contains_key(&effect.id) {
            windows.insert(effect.id, (op.time, u64::MAX));
        }
    }
    for (op, heal) in history.facts::<Heal>("heal") {
        if let Some(window) = windows.get_mut(&heal.id) {
            window.1 = window.1.min(op.time);
        }
    }
    let mut silent: HashMap<String, (u64, u64, bool)> = HashMap::new();
    for pair in pairs(history, &["call"]) {
        let Ok(call) = edn::from_value::<Call>(&pair.invoke.value) else { continue };
        let window = call.under.and_then(|id| windows.get(&id));
        let expiring = call.phase == PHASE;
        if let Some((from, to)) = window.filter(|window| pair.invoke.time > window.0 || expiring) {
            silent.insert(call.number, (*from, *to, expiring));
        }
    }
    if silent.is_empty() {
        return Opinion::idle(CHECKER.name, "no call was placed while the majority was gone");
    }
    let mut findings = Vec::new();
    for role in [Role::Caller, Role::Callee] {
        for (op, entry) in history.facts::<EntryRecord>(witness_word(role)) {
            let Some((from, to, expiring)) = silent.get(&entry.number) else { continue };
            let early = |e: &&crate::history::EventRecord| {
                let spoken = !*expiring || e.kind == "BYE";
                !e.sent && e.at > *from && e.at < *to && spoken
            };
            if let Some(event) = entry.events.iter().find(early) {
                let what =
                    format!("call {}: the {role:?} got {} too soon", entry.number, event.kind);
                findings.push(Finding::new(what, &[op]));
            }
        }
    }
    let summary = format!("{} calls placed or ending while the majority was gone", silent.len());
    Opinion::of(CHECKER.name, summary, findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;
    use crate::history::EventRecord;

    fn history(answered_at_ms: u64) -> History {
        let event = EventRecord {
            at: answered_at_ms * 1_000_000,
            sent: false,
            kind: "100 INVITE".into(),
            again: false,
        };
        let entry = EntryRecord {
            number: "1".into(),
            call_id: "c".into(),
            over: true,
            anomalies: Vec::new(),
            events: vec![event],
        };
        Forge::default()
            .inject(1, FAULT)
            .fact("effect", &Effect { id: 1, took_effect: true, evidence: String::new() })
            .call(1, "1", Some(1))
            .fact("heal", &Heal { id: 1 })
            .fact("caller-call", &entry)
            .done()
    }

    #[test]
    fn a_bye_that_no_majority_knows_of_is_found() {
        let with = |kind: &str| {
            let event = EventRecord { at: 3_500_000, sent: false, kind: kind.into(), again: false };
            let entry = EntryRecord {
                number: "1".into(),
                call_id: "c".into(),
                over: true,
                anomalies: Vec::new(),
                events: vec![event],
            };
            let call = Call {
                number: "1".into(),
                phase: PHASE.into(),
                via: 1,
                expect: "answered".into(),
                under: Some(1),
            };
            let history = Forge::default()
                .op(crate::history::OpType::Invoke, 1, "call", &call)
                .inject(1, TIMER_FAULT)
                .fact("effect", &Effect { id: 1, took_effect: true, evidence: String::new() })
                .fact("caller-call", &entry)
                .fact("heal", &Heal { id: 1 });
            check(&history.done()).verdict
        };
        assert_eq!(with("BYE"), Verdict::Invalid);
        assert_eq!(with("200 INVITE"), Verdict::Valid);
    }

    #[test]
    fn an_answer_before_the_majority_is_back_is_found() {
        assert_eq!(check(&history(3)).verdict, Verdict::Invalid);
        assert_eq!(check(&history(9)).verdict, Verdict::Valid);
        assert_eq!(check(&Forge::default().done()).verdict, Verdict::Idle);
    }
}
