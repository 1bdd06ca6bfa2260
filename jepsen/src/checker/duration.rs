//! The billed duration against the watches of caller and callee.
//!
//! What is billed begins when the answer is committed: after the callee has sent it, before the
//! caller has it. It ends when the BYE is committed: after it was first sent, before it is
//! answered. Whatever breaks meanwhile, the bill lies between those two durations, to a second.

use std::collections::HashMap;

use holdline_cluster_tests::cluster::CdrView;
use holdline_cluster_tests::ua::Role;

use super::{Checker, Finding, Opinion};
use crate::history::{EntryRecord, History, Op, entries};

/// How far a record may be off.
const LIMIT_MS: u64 = 1000;

pub(super) const CHECKER: Checker =
    Checker { name: "duration", about: "the billed duration is that of the call, to 1 s", check };

fn check(history: &History) -> Opinion {
    let by_number = |role| -> HashMap<String, EntryRecord> {
        entries(history, role).map(|entry| (entry.number.clone(), entry)).collect()
    };
    let (callers, callees) = (by_number(Role::Caller), by_number(Role::Callee));
    let mut worst = 0;
    let mut judged = 0;
    let mut findings = Vec::new();
    for (op, cdr) in history.facts::<CdrView>("cdr") {
        let sides = callers.get(cdr.number()).zip(callees.get(cdr.number()));
        let Some((least, most)) = sides.and_then(|(caller, callee)| bounds(caller, callee)) else {
            continue;
        };
        judged += 1;
        let billed = cdr.duration_ms;
        let error = least.saturating_sub(billed).max(billed.saturating_sub(most));
        worst = worst.max(error);
        if error > LIMIT_MS {
            let number = cdr.number();
            let what = format!("call {number}: billed {billed} ms, it lasted {least} to {most} ms");
            findings.push(Finding::new(what, &lines(history, number, op)));
        }
    }
    if judged == 0 {
        return Opinion::idle(CHECKER.name, "no records of calls that were hung up");
    }
    Opinion::of(CHECKER.name, format!("{judged} records, worst: {worst} ms off"), findings)
}

/// The shortest and the longest time that the call can have lasted, in ms; `None` if no side hung
/// up, or its BYE was never answered.
fn bounds(caller: &EntryRecord, callee: &EntryRecord) -> Option<(u64, u64)> {
    let sent = callee.first(true, "200 INVITE")?;
    let received = caller.first(false, "200 INVITE")?;
    let end =
        |entry: &EntryRecord| Some((entry.first(true, "BYE")?, entry.first(false, "200 BYE")?));
    let (asked, answered) = match (end(caller), end(callee)) {
        (Some((a, b)), Some((c, d))) => (a.min(c), b.max(d)),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return None,
    };
    Some((super::ms(asked.saturating_sub(received)), super::ms(answered.saturating_sub(sent))))
}

fn lines<'a>(history: &'a History, number: &str, record: &'a Op) -> Vec<&'a Op> {
    let about = |op: &&Op| matches!(op.value.field("number"), Some(crate::history::edn::Value::Text(text)) if text == number);
    std::iter::once(record).chain(history.ops.iter().filter(about)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    #[test]
    fn a_wrong_duration_is_found() {
        let billed = |ms| {
            let forge = Forge::default().call(1, "100", None).ledgers("100", 5000, &[]);
            check(&forge.cdr("5.0", "100", ms).done()).verdict
        };
        assert_eq!(billed(5100), Verdict::Valid);
        assert_eq!(billed(6500), Verdict::Invalid);
        assert_eq!(billed(3900), Verdict::Invalid);
        assert_eq!(billed(0), Verdict::Invalid);
    }
}
