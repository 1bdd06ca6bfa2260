//! Commands for the tests: forming the cluster, admitting and failing calls.

use std::net::SocketAddr;

use bytes::Bytes;
use holdline_model::limit::Demand;
use holdline_model::{
    Admit, CallChange, CallCommand, CallId, Cause, ClusterId, Command, Disposition, Epoch, Fail,
    FormCluster, HangupBy, Hop, Millis, NodeId, SessionTimer, SlotId, Step,
};

pub(super) const CLUSTER: ClusterId = ClusterId(77);
pub(super) const SLOTS: u16 = 8;

pub(super) fn form(members: impl IntoIterator<Item = NodeId>) -> Command {
    let members = members.into_iter().collect();
    Command::FormCluster(FormCluster { cluster: CLUSTER, slots: SLOTS, members, at: Millis(1) })
}

/// The call with that number; calls are dealt out to the slots in turn.
pub(super) fn call(number: u64) -> CallId {
    CallId { slot: SlotId(u16::try_from(number % u64::from(SLOTS)).unwrap()), nonce: number }
}

pub(super) fn admit(number: u64) -> Command {
    let address = SocketAddr::from(([127, 0, 0, 1], 5060));
    let admit = Admit {
        tenant: "t".into(),
        trunk: "a".into(),
        from: "sip:a@example.org".to_owned(),
        to: "sip:b@example.org".to_owned(),
        call_id: format!("c{number}"),
        from_tag: "tag".to_owned(),
        cseq: 1,
        branch: "z9hG4bK1".to_owned(),
        hop: Hop::udp(address, address),
        invite: Bytes::from_static(&[b'i'; 600]),
        targets: Vec::new(),
        answer_by: Millis(60_000),
        demand: Demand::default(),
        timer: SessionTimer::default(),
        advertised: Vec::new(),
    };
    change(number, 1, CallChange::Admit(Box::new(admit)))
}

pub(super) fn fail(number: u64) -> Command {
    let fail = Fail {
        attempt: 0,
        by: HangupBy::Callee,
        cause: Cause { status: 486, text: "Busy Here".into() },
        disposition: Disposition::Busy,
        response: Bytes::new(),
        late_answer: None,
    };
    change(number, 2, CallChange::Fail(Box::new(fail)))
}

fn change(number: u64, step: u32, change: CallChange) -> Command {
    // The first owner of a slot has epoch 1.
    let (call, epoch, step) = (call(number), Epoch(1), Step(step));
    Command::Call(CallCommand { call, epoch, step, at: Millis(1_000 + number), change })
}
