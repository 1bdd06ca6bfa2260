//! What each change does to a call.

use bytes::Bytes;
use holdline_model::{
    AckSeen, Answer, Attempt, CallChange, Cancel, CancelCause, Cause, CdrId, Command, Dialog,
    Disposition, Early, End, Fail, HangupBy, Millis, Name, Phase, Rejection, Reply, Shift, Sweep,
    limits,
};

use super::{CALL, Cluster, admit, hop};
use crate::Action;

pub(super) fn dialog(tag: &str) -> Dialog {
    Dialog {
        call_id: format!("call-{tag}"),
        local: "<sip:us@127.0.0.11>;tag=hl".to_owned(),
        remote: format!("<sip:{tag}@127.0.0.31>;tag={tag}"),
        local_cseq: 1,
        shift: Shift::of(0),
        remote_cseq: 1,
        remote_target: format!("sip:{tag}@127.0.0.31"),
        route_set: Vec::new(),
        hop: hop("127.0.0.31:5060"),
    }
}

pub(super) fn answer() -> CallChange {
    CallChange::Answer(Box::new(Answer {
        attempt: 0,
        response: Bytes::from_static(b"SIP/2.0 200 OK"),
        caller: dialog("alice"),
        callee: dialog("bob"),
        end_by: Some(Millis(100_000)),
        session_by: None,
    }))
}

pub(super) fn attempt(index: u16) -> CallChange {
    CallChange::Attempt(Box::new(Attempt { index, targets: Vec::new(), best: None }))
}

pub(super) fn end(by: HangupBy) -> CallChange {
    CallChange::End(End {
        by,
        cause: Cause { status: 200, text: Name::from("Normal call clearing") },
        bye_caller: by != HangupBy::Caller,
        bye_callee: by != HangupBy::Callee,
        bye_cseq: Some(2),
        caller_cseq: 7,
        callee_cseq: 8,
    })
}

pub(super) fn fail(status: u16, disposition: Disposition) -> CallChange {
    CallChange::Fail(Box::new(Fail {
        attempt: 0,
        by: HangupBy::Callee,
        cause: Cause { status, text: Name::from("because") },
        disposition,
        response: Bytes::from_static(b"SIP/2.0 486 Busy Here"),
        late_answer: None,
    }))
}

#[test]
fn an_answered_call_is_billed_from_answer_to_end_by_the_ending_entry() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.call(1, 1, 2_000, admit()), Reply::Done);
    assert_eq!(cluster.call(1, 2, 5_000, answer()), Reply::Done);
    assert_eq!(
        cluster.call(1, 3, 5_100, CallChange::AckSeen(AckSeen { ack: Bytes::new() })),
        Reply::Done
    );
    assert!(cluster.state.cdrs.is_empty());
    let ended = CdrId { index: cluster.index + 1, position: 0 };
    assert_eq!(cluster.call(1, 4, 65_321, end(HangupBy::Caller)), Reply::Ended(ended));

    let cdr = &cluster.state.cdrs[0];
    assert_eq!(cdr.id, ended);
    assert_eq!(cdr.duration_ms, 60_321);
    assert_eq!(cdr.disposition, Disposition::Answered);
    assert_eq!(cdr.hangup_by, HangupBy::Caller);
    assert_eq!(cdr.trunk_out, Some(Name::from("out-1")));
    assert_eq!(
        (cdr.started_at, cdr.answered_at, cdr.ended_at),
        (Millis(2_000), Some(Millis(5_000)), Millis(65_321))
    );
    assert_eq!(cdr.callee_call_id, "hl00000000000000000abcc");
    assert_eq!(cdr.takeovers, 0);
    assert_eq!(cdr.owners.len(), 1);
    assert_eq!(cluster.actions, [Action::CallEnded(ended, Disposition::Answered)]);

    let record = &cluster.state.calls[&CALL];
    assert_eq!(record.phase, Phase::Finished);
    let end = record.end.as_ref().expect("it ended");
    assert!(end.bye_callee && !end.bye_caller);
    assert_eq!(record.answer.as_ref().expect("it was answered").caller.remote_cseq, 2);
}

#[test]
fn a_failed_call_is_billed_with_no_duration() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    assert!(matches!(cluster.call(1, 2, 3_000, fail(486, Disposition::Busy)), Reply::Ended(_)));
    let cdr = &cluster.state.cdrs[0];
    assert_eq!((cdr.duration_ms, cdr.answered_at), (0, None));
    assert_eq!((cdr.disposition.as_str(), cdr.cause.status), ("BUSY", 486));
}

#[test]
fn the_next_target_forgets_what_the_last_one_said() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    let ringing =
        CallChange::Early(Early { attempt: 0, status: 180, response: Bytes::new(), rseq: None });
    assert_eq!(cluster.call(1, 2, 2_100, ringing), Reply::Done);
    assert_eq!(cluster.call(1, 3, 2_200, attempt(1)), Reply::Done);
    let record = &cluster.state.calls[&CALL];
    assert_eq!((record.attempt, record.early.is_empty()), (1, true));
    for index in [0, 1, 2] {
        let again = cluster.call(1, 4, 2_300, attempt(index));
        assert!(matches!(again, Reply::Rejected(Rejection::OutOfBounds { .. })), "{index}");
    }
}

#[test]
fn a_provisional_without_sdp_does_not_replace_early_media() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    let media = Bytes::from_static(b"SIP/2.0 183 ...");
    cluster.call(
        1,
        2,
        2_100,
        CallChange::Early(Early { attempt: 0, status: 183, response: media.clone(), rseq: None }),
    );
    cluster.call(
        1,
        3,
        2_200,
        CallChange::Early(Early { attempt: 0, status: 180, response: Bytes::new(), rseq: None }),
    );
    let early = cluster.state.calls[&CALL].early[0].clone();
    assert_eq!((early.status, early.response), (180, media));
}

#[test]
fn log_order_decides_between_cancel_and_answer() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    let cancel = CallChange::Cancel(Cancel { cause: CancelCause::Caller });
    assert_eq!(cluster.call(1, 2, 3_000, cancel.clone()), Reply::Done);
    let late = cluster.call(1, 3, 3_001, answer());
    assert_eq!(late, Reply::Rejected(Rejection::WrongPhase { call: CALL, phase: Phase::Inviting }));
    assert!(matches!(cluster.call(1, 3, 3_002, fail(487, Disposition::Canceled)), Reply::Ended(_)));

    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    assert_eq!(cluster.call(1, 2, 3_000, answer()), Reply::Done);
    let late = cluster.call(1, 3, 3_001, cancel);
    assert_eq!(late, Reply::Rejected(Rejection::WrongPhase { call: CALL, phase: Phase::Answered }));
}

#[test]
fn the_ack_lets_go_of_what_would_repeat_the_answer() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    cluster.call(1, 2, 3_000, answer());
    assert!(!cluster.state.calls[&CALL].invite.is_empty());
    let ack = Bytes::from_static(b"ACK with SDP");
    cluster.call(1, 3, 3_100, CallChange::AckSeen(AckSeen { ack: ack.clone() }));
    let record = &cluster.state.calls[&CALL];
    let answer = record.answer.as_ref().expect("it was answered");
    assert_eq!((record.invite.len(), answer.response.len(), &answer.ack), (0, 0, &ack));
}

/// RFC 3261 section 15: the callee may hang up before the caller's ACK came; the caller still gets its
/// answer, and its BYE only then. A caller that hangs up itself needs neither.
#[test]
fn a_call_that_ends_before_its_ack_keeps_the_answer_that_the_caller_is_owed() {
    for (by, kept) in [(HangupBy::Callee, true), (HangupBy::Timer, true), (HangupBy::Caller, false)]
    {
        let mut cluster = Cluster::new();
        cluster.call(1, 1, 2_000, admit());
        cluster.call(1, 2, 3_000, answer());
        cluster.call(1, 3, 3_010, end(by));
        let record = &cluster.state.calls[&CALL];
        let response = &record.answer.as_ref().expect("answered").response;
        assert_eq!((!record.invite.is_empty(), !response.is_empty()), (kept, kept), "{by:?}");
    }
}

#[test]
fn a_late_offers_ack_outlives_the_call() {
    let mut cluster = Cluster::new();
    let ack = Bytes::from_static(b"ACK ...");
    cluster.call(1, 1, 2_000, admit());
    cluster.call(1, 2, 3_000, answer());
    cluster.call(1, 3, 3_100, CallChange::AckSeen(AckSeen { ack: ack.clone() }));
    cluster.call(1, 4, 9_000, end(HangupBy::Callee));
    let record = &cluster.state.calls[&CALL];
    assert!(record.invite.is_empty());
    let answer = record.answer.as_ref().expect("answered");
    assert_eq!((answer.response.is_empty(), &answer.ack), (true, &ack));
}

#[test]
fn tombstones_stay_for_32_seconds() {
    let mut cluster = Cluster::new();
    cluster.call(1, 1, 2_000, admit());
    cluster.call(1, 2, 3_000, fail(486, Disposition::Busy));
    let due = 3_000 + limits::TOMBSTONE_MS;
    assert_eq!(cluster.run(&Command::Sweep(Sweep { up_to: Millis(due - 1) })), Reply::Count(0));
    assert!(cluster.state.calls.contains_key(&CALL));
    assert_eq!(cluster.run(&Command::Sweep(Sweep { up_to: Millis(due) })), Reply::Count(1));
    assert!(cluster.state.calls.is_empty() && cluster.state.expiry.is_empty());
    assert_eq!(cluster.state.cdrs.len(), 1);
}
