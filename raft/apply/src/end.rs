//! `End`: an answered call is over. One entry writes the CDR and the tombstone, and says who is owed
//! a BYE, so that the next owner can send it if this one did not.

use bytes::Bytes;
use holdline_limit::LimitState;
use holdline_model::{
    CallRecord, Disposition, End, EndState, HangupBy, Millis, Phase, Reply, Side, SlotRecord,
    limits, mutant,
};

use crate::cdr::{self, Ending};
use crate::{Action, Outcome, Position};

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    position: Position,
    mut record: CallRecord,
    slot: &SlotRecord,
    at: Millis,
    end: &End,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    let ending = Ending { at, by: end.by, cause: &end.cause, disposition: Disposition::Answered };
    let cdr = cdr::compose(position, &record, slot, &ending);
    let elsewhere = || mutant::node().is_some_and(|node| node != slot.owner.0);
    if !(mutant::is("cdr-on-the-owner-only") && elsewhere()) {
        state.put_cdr(&cdr)?;
    }
    state.put_expiry(at.plus_ms(limits::TOMBSTONE_MS), record.call)?;
    state.limits(|table| table.call_over(record.call))?;
    // A caller that has not acknowledged its answer may not even have it, and takes no BYE before
    // (RFC 3261 section 15): what it is answered with stays.
    let is_answer_owed = record.phase == Phase::Answered && end.bye_caller;
    record.phase = Phase::Finished;
    if !is_answer_owed {
        record.invite = Bytes::new();
    }
    if let Some(answer) = &mut record.answer {
        // `answer.ack` stays: the callee may still ask for its ACK, and gets the same one again.
        if !is_answer_owed {
            answer.response = Bytes::new();
        }
        if let (Some(side), Some(cseq)) = (hung_up(end.by), end.bye_cseq) {
            match side {
                Side::Caller => answer.caller.remote_cseq = cseq,
                Side::Callee => answer.callee.remote_cseq = cseq,
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
        cdr: cdr.id,
    }));
    if mutant::is("no-tombstone") {
        state.delete_call(record.call)?;
    } else {
        state.put_call(record)?;
    }
    actions.push(Action::CallEnded(cdr.id, cdr.disposition));
    Ok(Ok(Reply::Ended(cdr.id)))
}

const fn hung_up(by: HangupBy) -> Option<Side> {
    match by {
        HangupBy::Caller => Some(Side::Caller),
        HangupBy::Callee => Some(Side::Callee),
        HangupBy::Admin | HangupBy::Timer | HangupBy::Switch => None,
    }
}
