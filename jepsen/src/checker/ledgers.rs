//! The three ledgers: what the caller saw, what the callee saw, what is billed. A call that either
//! side did not get as it was due is lost, whatever the switch says.

use std::collections::BTreeMap;

use holdline_cluster_tests::cluster::CdrView;
use holdline_cluster_tests::reconcile::{Batch, Expect, Loss, Verdict as Reconciled, reconcile};
use holdline_cluster_tests::ua::Role;
use tokio::time::Instant;

use super::{Checker, Finding, Opinion};
use crate::fact::{Call, Heal, Inject, Run};
use crate::history::{History, Op, edn, ledger, pairs};

pub(super) const CHECKER: Checker = Checker {
    name: "ledgers",
    about: "no call is lost: the caller's, the callee's and the billing ledger agree",
    check,
};

/// Calls and losses of one phase under one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Calls placed.
    pub calls: usize,
    /// Calls lost.
    pub lost: usize,
    /// Ways in which they were lost, and how many.
    pub why: BTreeMap<String, usize>,
}

/// A call of the history and what became of it.
pub(super) struct Judged<'a> {
    pub(super) call: Call,
    pub(super) invoke: &'a Op,
    pub(super) verdict: Reconciled,
}

/// All calls, reconciled one by one.
pub(super) fn judged(history: &History) -> Vec<Judged<'_>> {
    let start = Instant::now();
    let caller = ledger(history, Role::Caller, start);
    let callee = ledger(history, Role::Callee, start);
    let mut cdrs: BTreeMap<String, Vec<CdrView>> = BTreeMap::new();
    for (_, cdr) in history.facts::<CdrView>("cdr") {
        cdrs.entry(cdr.number().to_owned()).or_default().push(cdr);
    }
    // A system without records is judged by what its users saw.
    let records = Run::of(history).is_none_or(|run| run.system != "kamailio");
    let judge = |pair: crate::history::Pair<'_>| {
        let call: Call = edn::from_value(&pair.invoke.value).ok()?;
        let expect = if call.expect == "canceled" { Expect::Canceled } else { Expect::Answered };
        let mut batch = Batch::new(vec![call.number.clone()], expect);
        batch.records = records;
        let of_call = cdrs.get(&call.number).map_or(&[][..], Vec::as_slice);
        Some((call, batch, of_call))
    };
    let lossy = lossy_times(history);
    pairs(history, &["call"])
        .into_iter()
        .filter_map(|pair| {
            let (invoke, end) = (pair.invoke, pair.end.map_or(u64::MAX, |end| end.time));
            let (call, batch, of_call) = judge(pair)?;
            let mut verdict = reconcile(&batch, &caller, &callee, of_call);
            if lossy.iter().any(|(from, to)| *from < end && *to > invoke.time) {
                verdict.lost.retain(|(_, loss)| *loss != Loss::NoAck);
            }
            Some(Judged { call, invoke, verdict })
        })
        .collect()
}

/// When the network may have lost the only ACK of a call that was hung up before the callee could
/// ask for another one: no switch can help that, and the callee has its BYE.
fn lossy_times(history: &History) -> Vec<(u64, u64)> {
    let healed: BTreeMap<u64, u64> =
        history.facts::<Heal>("healed").map(|(op, heal)| (heal.id, op.time)).collect();
    let lossy = |(op, inject): (&Op, Inject)| {
        let to = healed.get(&inject.id).copied().unwrap_or(u64::MAX);
        LOSSY.contains(&inject.fault.as_str()).then_some((op.time, to))
    };
    history.facts::<Inject>("inject").filter_map(lossy).collect()
}

/// Faults that lose frames between nodes and agents.
const LOSSY: [&str; 3] = ["loss", "isolate", "mute-kill"];

/// Losses by fault and phase; the fault of calls that no fault was aimed at is `none`.
#[must_use]
pub fn losses(history: &History) -> BTreeMap<(String, String), Losses> {
    let faults: BTreeMap<u64, String> =
        history.facts::<Inject>("inject").map(|(_, inject)| (inject.id, inject.fault)).collect();
    let mut table: BTreeMap<(String, String), Losses> = BTreeMap::new();
    for judged in judged(history) {
        let fault = judged.call.under.and_then(|id| faults.get(&id)).cloned();
        let key = (fault.unwrap_or_else(|| "none".into()), judged.call.phase.clone());
        let cell = table.entry(key).or_default();
        cell.calls += 1;
        if let Some((_, loss)) = judged.verdict.lost.first() {
            cell.lost += 1;
            *cell.why.entry(loss.to_string()).or_default() += 1;
        }
    }
    table
}

fn check(history: &History) -> Opinion {
    let all = judged(history);
    if all.is_empty() {
        return Opinion::idle(CHECKER.name, "no calls");
    }
    let mut findings = Vec::new();
    for judged in &all {
        for (number, loss) in &judged.verdict.lost {
            let call = &judged.call;
            let under = call.under.map(|id| format!(", fault {id}")).unwrap_or_default();
            let what = format!("call {number} ({}{under}): {loss}", call.phase);
            findings.push(Finding::new(what, &lines_of(history, number, judged.invoke)));
        }
    }
    let summary = format!("{} calls, {} lost", all.len(), findings.len());
    Opinion::of(CHECKER.name, summary, findings)
}

/// Lines that speak of a number.
pub(super) fn lines_of<'a>(history: &'a History, number: &str, invoke: &'a Op) -> Vec<&'a Op> {
    let mut lines = vec![invoke];
    let about = |op: &&Op| {
        op.index != invoke.index
            && matches!(op.value.field("number"), Some(edn::Value::Text(text)) if text == number)
    };
    lines.extend(history.ops.iter().filter(about));
    lines
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    fn history(without: &[&str]) -> History {
        let forge = Forge::default().inject(1, "pause").call(1, "100", Some(1));
        forge.ledgers("100", 1000, without).cdr("5.0", "100", 1000).done()
    }

    #[test]
    fn a_call_that_all_three_saw_is_valid() {
        assert_eq!(check(&history(&[])).verdict, Verdict::Valid);
    }

    #[test]
    fn whatever_either_side_missed_is_a_loss() {
        for missing in ["caller 200 INVITE", "callee ACK", "caller over", "callee over"] {
            let opinion = check(&history(&[missing]));
            assert_eq!(opinion.verdict, Verdict::Invalid, "{missing}");
            assert!(opinion.findings[0].lines.len() >= 3, "{:?}", opinion.findings);
        }
        let unbilled = Forge::default().call(1, "100", None).ledgers("100", 1000, &[]).done();
        assert_eq!(check(&unbilled).verdict, Verdict::Invalid);
    }

    #[test]
    fn losses_are_counted_by_fault_and_phase() {
        let table = losses(&history(&["callee ACK"]));
        let cell = &table[&("pause".to_owned(), "talking".to_owned())];
        assert_eq!((cell.calls, cell.lost, cell.why.len()), (1, 1, 1));
    }

    #[test]
    fn without_calls_there_is_no_opinion() {
        assert_eq!(check(&Forge::default().done()).verdict, Verdict::Idle);
    }
}
