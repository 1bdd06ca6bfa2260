//! Epochs fence, steps make idempotent.

use holdline_model::{
    CallId, Command, Epoch, HangupBy, Millis, NodeId, Phase, Rejection, Reply, SlotId, SlotMove,
    Step, TransferReason, TransferSlots,
};

use super::calls::{answer, end};
use super::{CALL, Cluster, admit, call_command};

fn take_over(cluster: &mut Cluster, expected: u64, to: u64) -> Reply {
    cluster.run(&Command::TransferSlots(TransferSlots {
        moves: vec![SlotMove { slot: CALL.slot, expected: Epoch(expected), to: NodeId(to) }],
        reason: TransferReason::Failure,
        at: Millis(4_000),
    }))
}

#[test]
fn a_deposed_owner_changes_nothing() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    cluster.call(1, 2, 3_000, answer());
    assert_eq!(take_over(&mut cluster, 1, 2), Reply::Count(1));
    let before = cluster.state.clone();
    let stale = cluster.call(1, 3, 5_000, end(HangupBy::Caller));
    let expected = Rejection::StaleEpoch {
        slot: CALL.slot,
        named: Epoch(1),
        current: Epoch(2),
        owner: NodeId(2),
    };
    assert_eq!(stale, Reply::Rejected(expected));
    assert_eq!(cluster.state, before);
    assert!(matches!(cluster.call(2, 3, 6_000, end(HangupBy::Caller)), Reply::Ended(_)));
    let cdr = &cluster.state.cdrs[0];
    assert_eq!(cdr.takeovers, 1);
    let owners: Vec<_> = cdr.owners.iter().map(|span| (span.node.0, span.epoch.0)).collect();
    assert_eq!(owners, [(1, 1), (2, 2)]);
}

#[test]
fn an_admission_in_an_old_epoch_is_refused() {
    let mut cluster = Cluster::new();
    take_over(&mut cluster, 1, 2);
    assert!(matches!(
        cluster.call(1, 1, 2_000, admit()),
        Reply::Rejected(Rejection::StaleEpoch { .. })
    ));
    assert!(cluster.state.calls.is_empty());
}

#[test]
fn a_repeated_step_gets_its_first_reply_and_changes_nothing() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    assert_eq!(cluster.call(1, 1, 2_500, admit()), Reply::Done);
    cluster.call(1, 2, 3_000, answer());
    let first = cluster.call(1, 3, 5_000, end(HangupBy::Callee));
    let before = cluster.state.clone();
    assert_eq!(cluster.call(1, 3, 9_000, end(HangupBy::Callee)), first);
    assert_eq!(cluster.state, before, "one CDR, the same times");
}

#[test]
fn a_step_that_does_not_follow_is_refused() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    let gap = Rejection::StepGap { call: CALL, committed: Step(1), named: Step(3) };
    assert_eq!(cluster.call(1, 3, 3_000, answer()), Reply::Rejected(gap));
}

#[test]
fn unknown_calls_and_slots_are_refused() {
    let mut cluster = Cluster::new();
    let unknown = cluster.call(1, 2, 3_000, answer());
    assert_eq!(unknown, Reply::Rejected(Rejection::UnknownCall { call: CALL }));
    let elsewhere = CallId { slot: SlotId(99), nonce: 1 };
    let reply = cluster.run(&call_command(elsewhere, 1, 1, 2_000, admit()));
    assert_eq!(reply, Reply::Rejected(Rejection::UnknownSlot { slot: SlotId(99) }));
}

#[test]
fn a_call_ends_once() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    cluster.call(1, 2, 3_000, answer());
    cluster.call(1, 3, 5_000, end(HangupBy::Caller));
    let again = cluster.call(1, 4, 6_000, end(HangupBy::Callee));
    let expected = Rejection::WrongPhase { call: CALL, phase: Phase::Finished };
    assert_eq!(again, Reply::Rejected(expected));
    assert_eq!(cluster.state.cdrs.len(), 1);
}
