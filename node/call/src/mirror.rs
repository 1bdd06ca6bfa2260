//! What a committed command does to our copy of the call's record.
//!
//! Not the authority: that is `raft/apply`, which knows slots, epochs and CDRs. A test applies the
//! same commands on both sides and compares the records.
//!
//! Invariant: called only for commands that the replicated state answered with success.

use bytes::Bytes;
use holdline_model::{
    Admit, CallChange, CallCommand, CallId, CallRecord, CdrId, End, EndState, Epoch, HangupBy,
    Millis, Phase, Step,
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
        CallChange::Attempt(attempt) => record.attempted(attempt),
        CallChange::Early(early) => record.early_came(early),
        CallChange::BranchOver(change) => record.branch_over(change),
        CallChange::Settled => record.settled(),
        CallChange::Asked(change) => record.asked(change),
        CallChange::Cancel(cancel) => {
            record.cancel.get_or_insert(cancel.cause);
        }
        CallChange::Answer(answer) => record.answered(answer, command.at),
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
        CallChange::Fail(fail) => record.failed(fail, command.at, cdr.unwrap_or_default()),
        CallChange::End(end) => apply_end(record, end, command.at, cdr),
    }
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
