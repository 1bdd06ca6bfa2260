//! The judge is judged: each loss is staged and must be seen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;
use crate::ua::{CalleeScript, CallerPlan, Endpoint, Order, Tell};

const CALLER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const CALLEE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2);
const TALK: Duration = Duration::from_secs(5);

/// A call between two agents, without a switch: up for five seconds, then hung up by the caller.
/// Datagrams that begin with `lost` from then on do not arrive.
fn call(lost: &str) -> (Ledger, Ledger) {
    let mut now = Instant::now();
    let (mut caller, mut heard) = (Endpoint::new(CALLER, 1), Ledger::default());
    let (mut callee, mut told) = (Endpoint::new(CALLEE, 2), Ledger::default());
    let script = Order::Script("1".into(), CalleeScript::answer_after_ms(0));
    callee.order(now, &mut told, script);
    caller.order(now, &mut heard, Order::Place(CallerPlan::hold("100", CALLEE)));
    for round in 0..2 {
        loop {
            let (from, datagram) = match (caller.poll(), callee.poll()) {
                (Some(datagram), _) => (CALLER, datagram),
                (None, Some(datagram)) => (CALLEE, datagram),
                (None, None) => break,
            };
            if round == 1 && !lost.is_empty() && datagram.bytes.starts_with(lost.as_bytes()) {
                continue;
            }
            match from {
                CALLER => callee.receive(now, &mut told, from, &datagram.bytes),
                _ => caller.receive(now, &mut heard, from, &datagram.bytes),
            }
        }
        now += TALK;
        caller.order(now, &mut heard, Order::Tell("100".into(), Tell::HangUp));
    }
    (heard, told)
}

fn record(disposition: &str, duration_ms: u64) -> CdrView {
    let text = format!(
        r#"{{"id": "1.0", "call": "x", "to": "sip:100@h", "caller_call_id": "a",
            "callee_call_id": "b", "disposition": "{disposition}", "hangup_by": "caller",
            "status": 200, "started_at": "", "admitted_at": "", "answered_at": null, "ended_at": "",
            "duration_ms": {duration_ms}, "owners": [], "takeovers": 0}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn judged(ledgers: &(Ledger, Ledger), cdrs: &[CdrView]) -> Verdict {
    let batch = Batch::new(vec!["100".into()], Expect::Answered);
    reconcile(&batch, &ledgers.0, &ledgers.1, cdrs)
}

#[test]
fn a_call_that_went_well_is_clean() {
    let verdict = judged(&call(""), &[record("ANSWERED", 5020)]);
    assert!(verdict.clean(), "{verdict:?}");
    assert_eq!(verdict.duration_error, Duration::from_millis(20));
}

#[test]
fn a_bye_that_never_came_through_is_a_loss_for_both() {
    let verdict = judged(&call("BYE"), &[record("ANSWERED", 5000)]);
    assert_eq!(verdict.lost, [("100".into(), Loss::NotEnded(Side::Caller))]);
    let verdict = judged(&call("SIP/2.0 200"), &[record("ANSWERED", 5000)]);
    assert_eq!(verdict.lost, [("100".into(), Loss::NotEnded(Side::Caller))]);
}

#[test]
fn billing_faults_are_seen() {
    let ledgers = call("");
    assert_eq!(judged(&ledgers, &[]).lost, [("100".into(), Loss::NoCdr)]);
    let wrong = judged(&ledgers, &[record("FAILED", 0)]);
    assert_eq!(wrong.lost, [("100".into(), Loss::WrongCdr("FAILED".into()))]);
    let twice = judged(&ledgers, &[record("ANSWERED", 5000), record("ANSWERED", 5000)]);
    assert_eq!((twice.cdr_duplicates, twice.clean()), (1, false));
    let long = judged(&ledgers, &[record("ANSWERED", 9000)]);
    assert_eq!(long.duration_error, Duration::from_secs(4));
}

#[test]
fn a_call_that_nobody_answered_or_placed_is_a_loss() {
    let (heard, _) = call("");
    let unreached = judged(&(heard, Ledger::default()), &[record("ANSWERED", 5000)]);
    assert_eq!(unreached.lost, [("100".into(), Loss::NotReached)]);
    let unplaced = judged(&(Ledger::default(), Ledger::default()), &[]);
    assert_eq!(unplaced.lost, [("100".into(), Loss::NotPlaced)]);
}

#[test]
fn another_end_than_expected_is_a_loss() {
    let ledgers = call("");
    let batch = Batch::new(vec!["100".into()], Expect::Canceled);
    let verdict = reconcile(&batch, &ledgers.0, &ledgers.1, &[record("ANSWERED", 5000)]);
    let loss = Loss::WrongAnswer { side: Side::Caller, found: Some(200), expected: 487 };
    assert_eq!(verdict.lost, [("100".into(), loss)]);
}

#[test]
fn an_answer_that_no_majority_stood_behind_is_not_clean() {
    let mut batch = Batch::new(vec!["100".into()], Expect::Answered);
    batch.spoke_too_soon = batch.numbers.clone();
    let (heard, told) = call("");
    assert!(!reconcile(&batch, &heard, &told, &[record("ANSWERED", 5000)]).clean());
}

#[test]
fn percentiles_are_nearest_rank() {
    assert_eq!(percentile::<u8>(&[], 50), None);
    assert_eq!(percentile(&[1, 2, 3, 4], 50), Some(2));
    assert_eq!(percentile(&[1, 2, 3, 4], 99), Some(4));
    assert_eq!(percentile(&[7], 1), Some(7));
}
