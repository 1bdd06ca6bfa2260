//! What changes of the session do to a call.

use bytes::Bytes;
use holdline_model::{
    AckSeen, CallChange, Counted, Early, HangupBy, Hop, Millis, NewTarget, Phase, Pracked,
    Reinvited, Reinviting, Rejection, Reply, Side, Updated,
};

use super::calls::{answer, end};
use super::{CALL, Cluster, admit};

fn target(port: u16) -> NewTarget {
    let hop = Hop::udp(([127, 0, 0, 11], 5060).into(), ([127, 0, 0, 31], port).into());
    NewTarget { uri: format!("sip:alice@127.0.0.31:{port}"), hop }
}

pub(super) fn reinvited(cseq: u32, status: u16) -> CallChange {
    CallChange::Reinvited(Box::new(Reinvited {
        from: Side::Caller,
        cseq,
        hop: target(5060).hop,
        request: Bytes::from_static(b"INVITE ..."),
        status,
        response: Bytes::from_static(b"SIP/2.0 200 OK"),
        caller_target: Some(target(5070)),
        callee_target: None,
        session_by: Some(Millis(90_000)),
    }))
}

/// A call that is answered: two steps.
fn answered() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    assert_eq!(cluster.call(1, 2, 3_000, answer()), Reply::Done);
    cluster
}

#[test]
fn a_change_moves_the_targets_and_counts_the_numbers_on() {
    let mut cluster = answered();
    assert_eq!(cluster.call(1, 3, 4_000, reinvited(9, 200)), Reply::Done);
    let record = &cluster.state.calls[&CALL];
    let dialogs = record.answer.as_ref().expect("answered");
    assert_eq!(dialogs.caller.remote_target, "sip:alice@127.0.0.31:5070");
    assert_eq!((dialogs.caller.remote_cseq, dialogs.callee.local_cseq), (9, 9));
    assert_eq!(dialogs.session_by, Some(Millis(90_000)));
    let reinvite = record.session.as_ref().and_then(|state| state.reinvite.as_ref());
    let reinvite = reinvite.expect("it is kept until its ACK");
    assert_eq!((reinvite.status, reinvite.answered_at.0, reinvite.acked), (200, 4_000, false));
}

#[test]
fn its_ack_lets_go_of_what_would_repeat_it_and_a_late_offers_stays() {
    let mut cluster = answered();
    cluster.call(1, 3, 4_000, reinvited(9, 200));
    let ack = Bytes::from_static(b"ACK with SDP");
    cluster.call(1, 4, 4_100, CallChange::ReinviteAcked(AckSeen { ack: ack.clone() }));
    let state = cluster.state.calls[&CALL].session.clone().expect("changed");
    let reinvite = state.reinvite.expect("known");
    assert_eq!((reinvite.request.len(), reinvite.response.len(), reinvite.ack), (0, 0, ack));
}

#[test]
fn the_next_change_keeps_the_last_one_for_a_lost_ack() {
    let mut cluster = answered();
    cluster.call(1, 3, 4_000, reinvited(9, 200));
    let pending = Reinviting {
        from: Side::Callee,
        cseq: 101,
        hop: target(5080).hop,
        request: Bytes::from_static(b"INVITE ..."),
    };
    cluster.call(1, 4, 4_100, CallChange::Reinviting(Box::new(pending)));
    let state = cluster.state.calls[&CALL].session.clone().expect("changed");
    let (before, now) = (state.before.expect("kept"), state.reinvite.expect("pending"));
    assert_eq!((before.cseq, before.status, before.request.len()), (9, 200, 0));
    assert!(now.is_pending() && now.from == Side::Callee);
}

#[test]
fn an_update_before_the_answer_keeps_the_callers_target() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    let change = Updated {
        from: Side::Caller,
        cseq: 2,
        caller_target: Some(target(5070)),
        callee_target: None,
        session_by: None,
    };
    assert_eq!(cluster.call(1, 2, 2_100, CallChange::Updated(Box::new(change))), Reply::Done);
    let state = cluster.state.calls[&CALL].session.clone().expect("changed");
    assert_eq!(state.caller_target, Some(target(5070)));
}

#[test]
fn reliable_answers_are_numbered_and_remember_their_acknowledgement() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    let early = |text: &'static [u8]| {
        let response = Bytes::from_static(text);
        CallChange::Early(Early { attempt: 0, status: 183, response, rseq: Some(77) })
    };
    cluster.call(1, 2, 2_100, early(b"183 first"));
    cluster.call(1, 3, 2_200, early(b"183 second"));
    cluster.call(1, 4, 2_300, CallChange::Pracked(Pracked { rseq: 2 }));
    let record = &cluster.state.calls[&CALL];
    let (ours, second) = record.reliable(b"183 second").expect("known");
    assert_eq!((ours, second.rseq, second.acked), (2, 77, true));
    assert_eq!(
        record.reliable(b"183 first").map(|(ours, first)| (ours, first.acked)),
        Some((1, false))
    );
}

#[test]
fn an_end_says_which_numbers_our_byes_have() {
    let mut cluster = answered();
    cluster.call(1, 3, 4_000, CallChange::Counted(Counted { from: Side::Callee, cseq: 5 }));
    cluster.call(1, 4, 5_000, end(HangupBy::Admin));
    let dialogs = cluster.state.calls[&CALL].answer.clone().expect("answered");
    assert_eq!((dialogs.caller.local_cseq, dialogs.callee.local_cseq), (6, 7));
}

#[test]
fn nothing_changes_before_the_answer_or_after_the_end() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    let early = cluster.call(1, 2, 2_100, reinvited(9, 200));
    let phase = Phase::Inviting;
    assert_eq!(early, Reply::Rejected(Rejection::WrongPhase { call: CALL, phase }));
    cluster.call(1, 2, 3_000, answer());
    cluster.call(1, 3, 4_000, end(HangupBy::Caller));
    let late = cluster.call(1, 4, 4_100, reinvited(9, 200));
    let phase = Phase::Finished;
    assert_eq!(late, Reply::Rejected(Rejection::WrongPhase { call: CALL, phase }));
}
