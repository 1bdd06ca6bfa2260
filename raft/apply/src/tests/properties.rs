//! Whatever is proposed, in whatever order and however often: one CDR per call, and the same tables
//! on every replica.

use std::collections::BTreeMap;

use bytes::Bytes;
use holdline_model::{
    AckSeen, Asked, BranchOver, CallChange, Cancel, CancelCause, Command, Counted, Disposition,
    Early, Epoch, HangupBy, Millis, NodeId, Phase, Side, SlotId, SlotMove, TransferReason,
    TransferSlots,
};
use proptest::prelude::*;

use super::calls::{answer, attempt, end, fail};
use super::{Cluster, admit, call_command, node_up};
use crate::Action;

fn change() -> impl Strategy<Value = CallChange> {
    prop_oneof![
        Just(admit()),
        (0u16..3).prop_map(attempt),
        (0u16..3).prop_map(|attempt| CallChange::BranchOver(Box::new(BranchOver {
            attempt,
            best: None
        }))),
        Just(CallChange::Settled),
        (1u32..99, 0u32..9)
            .prop_map(|(cseq, seen)| { CallChange::Asked(Asked { to: Side::Callee, cseq, seen }) }),
        Just(CallChange::Early(Early {
            attempt: 0,
            status: 180,
            response: Bytes::new(),
            rseq: None
        })),
        Just(CallChange::Cancel(Cancel { cause: CancelCause::Caller })),
        Just(answer()),
        Just(CallChange::AckSeen(AckSeen { ack: Bytes::new() })),
        (0u32..3_000, any::<bool>()).prop_map(|(cseq, caller)| {
            let from = if caller { Side::Caller } else { Side::Callee };
            CallChange::Counted(Counted { from, cseq })
        }),
        (0u32..9, 1u16..7).prop_map(|(cseq, class)| super::session::reinvited(cseq, class * 100)),
        Just(CallChange::ReinviteAcked(AckSeen { ack: Bytes::from_static(b"ACK") })),
        Just(fail(486, Disposition::Busy)),
        Just(end(HangupBy::Caller)),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => (0u64..2, 1u64..4, 1u32..8, change()).prop_map(|(nonce, epoch, step, change)| {
            let call = holdline_model::CallId { slot: SlotId(0), nonce };
            call_command(call, epoch, step, 2_000 + u64::from(step), change)
        }),
        1 => (1u64..4, 1u64..4).prop_map(|(expected, to)| {
            Command::TransferSlots(TransferSlots {
                moves: vec![SlotMove { slot: SlotId(0), expected: Epoch(expected), to: NodeId(to) }],
                reason: TransferReason::Failure,
                at: Millis(4_000),
            })
        }),
        1 => (1u64..4, 1u64..3).prop_map(|(node, run)| node_up(NodeId(node), run)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_call_is_billed_at_most_once_and_replicas_agree(
        commands in prop::collection::vec(command(), 1..120),
    ) {
        let mut one = Cluster::new();
        let mut other = Cluster::new();
        let mut epoch = Epoch(1);
        for command in &commands {
            let reply = one.run(command);
            prop_assert_eq!(&reply, &other.run(command));
            let now = one.state.slots[&SlotId(0)].epoch;
            prop_assert!(now >= epoch, "epochs never go back");
            epoch = now;
        }
        prop_assert_eq!(&one.state, &other.state);
        let mut billed = BTreeMap::new();
        for cdr in &one.state.cdrs {
            *billed.entry(cdr.call).or_insert(0) += 1;
        }
        prop_assert!(billed.values().all(|count| *count == 1));
        for record in one.state.calls.values() {
            let finished = record.phase == Phase::Finished;
            prop_assert_eq!(finished, billed.contains_key(&record.call));
            prop_assert_eq!(finished, record.end.is_some());
        }
        let ended =
            one.actions.iter().filter(|action| matches!(action, Action::CallEnded(..))).count();
        prop_assert_eq!(ended, one.state.cdrs.len());
    }
}
