//! What a committed command does to our copy of the call's record.
//!
//! Not the authority: that is `raft/apply`, which knows slots, epochs and CDRs. A test applies the
//! same commands on both sides and compares the records.
//!
//! Invariant: called only for commands that the replicated state answered with success.

use bytes::Bytes;
use holdline_model::{
    Admit, Answer, AnswerState, CallChange, CallCommand, CallId, CallRecord, CdrId, Early,
    EarlyState, End, EndState, Epoch, Fail, HangupBy, Millis, Phase, Step,
};

/// The record that an admission makes, at step 0: it is not committed yet.
pub(crate) fn admitted(call: CallId, epoch: Epoch, at: Millis, admit: &Admit) -> CallRecord {
    CallRecord::admitted(call, Step(0), epoch, at, admit)
}

/// Carries a committed command out on the record. `cdr` is what the reply named.
pub(crate) fn apply(record: &mut CallRecord, command: &CallCommand, cdr: Option<CdrId>) {
    record.step = command.step;
    record.epoch = command.epoch;
    match &command.change {
        // The record was made from it by `admitted`.
        CallChange::Admit(_) => {}
        CallChange::Attempt(attempt) => {
            record.attempt = attempt.index;
            record.early = None;
            record.forget_callee();
        }
        CallChange::Early(early) => apply_early(record, early),
        CallChange::Cancel(cancel) => {
            record.cancel.get_or_insert(cancel.cause);
        }
        CallChange::Answer(answer) => apply_answer(record, answer, command.at),
        CallChange::AckSeen(seen) => {
            record.phase = Phase::Confirmed;
            record.invite = Bytes::new();
            if let Some(answer) = &mut record.answer {
                answer.response = Bytes::new();
                answer.ack = seen.ack.clone();
            }
        }
        CallChange::Reinviting(change) => {
            record.reinviting(change.from, change.cseq, change.hop, &change.request);
        }
        CallChange::Reinvited(change) => record.reinvited(change, command.at),
        CallChange::ReinviteAcked(change) => record.reinvite_acked(&change.ack),
        CallChange::Updated(change) => record.updated(change),
        CallChange::Counted(change) => record.count(change.from, change.cseq),
        CallChange::Pracked(change) => record.pracked(change.rseq),
        CallChange::Fail(fail) => apply_fail(record, fail, command.at, cdr),
        CallChange::End(end) => apply_end(record, end, command.at, cdr),
    }
}

fn apply_early(record: &mut CallRecord, early: &Early) {
    let response = match &record.early {
        Some(before) if early.response.is_empty() => before.response.clone(),
        Some(_) | None => early.response.clone(),
    };
    record.reliable_came(early);
    record.early = Some(EarlyState { status: early.status, response });
}

fn apply_answer(record: &mut CallRecord, answer: &Answer, at: Millis) {
    record.phase = Phase::Answered;
    record.early = None;
    record.answer = Some(Box::new(AnswerState {
        at,
        response: answer.response.clone(),
        caller: answer.caller.clone(),
        callee: answer.callee.clone(),
        end_by: answer.end_by,
        session_by: answer.session_by,
        ack: Bytes::new(),
    }));
}

fn apply_fail(record: &mut CallRecord, fail: &Fail, at: Millis, cdr: Option<CdrId>) {
    record.phase = Phase::Finished;
    record.early = None;
    record.end = Some(Box::new(EndState {
        at,
        by: fail.by,
        cause: fail.cause.clone(),
        response: fail.response.clone(),
        bye_caller: false,
        bye_callee: fail.late_answer.is_some(),
        late_answer: fail.late_answer.clone(),
        cdr: cdr.unwrap_or_default(),
    }));
}

fn apply_end(record: &mut CallRecord, end: &End, at: Millis, cdr: Option<CdrId>) {
    let is_answer_owed = record.phase == Phase::Answered && end.bye_caller;
    record.phase = Phase::Finished;
    if !is_answer_owed {
        record.invite = Bytes::new();
    }
    if let Some(answer) = &mut record.answer {
        if !is_answer_owed {
            answer.response = Bytes::new();
        }
        if let Some(cseq) = end.bye_cseq {
            match end.by {
                HangupBy::Caller => answer.caller.remote_cseq = cseq,
                HangupBy::Callee => answer.callee.remote_cseq = cseq,
                HangupBy::Admin | HangupBy::Timer | HangupBy::Switch => {}
            }
        }
    }
    record.ending(end);
    record.end = Some(Box::new(EndState {
        at,
        by: end.by,
        cause: end.cause.clone(),
        response: Bytes::new(),
        bye_caller: end.bye_caller,
        bye_callee: end.bye_callee,
        late_answer: None,
        cdr: cdr.unwrap_or_default(),
    }));
}
