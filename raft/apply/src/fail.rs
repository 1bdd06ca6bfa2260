//! `Fail`: a call ends before an answer. One entry writes the CDR and the tombstone.

use holdline_limit::LimitState;
use holdline_model::{CallRecord, Fail, Millis, Rejection, Reply, SlotRecord, limits};

use crate::cdr::{self, Ending};
use crate::{Action, Outcome, Position};

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    position: Position,
    mut record: CallRecord,
    slot: &SlotRecord,
    at: Millis,
    fail: &Fail,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    if fail.response.len() > limits::MAX_MESSAGE_BYTES {
        return Ok(Err(Rejection::OutOfBounds { what: "size of the answer".to_owned() }));
    }
    if usize::from(fail.attempt) >= record.targets.len().max(1) {
        return Ok(Err(Rejection::OutOfBounds { what: "index of the target".to_owned() }));
    }
    let ending = Ending { at, by: fail.by, cause: &fail.cause, disposition: fail.disposition };
    let cdr = cdr::compose(position, &record, slot, &ending);
    state.put_cdr(&cdr)?;
    state.put_expiry(at.plus_ms(limits::TOMBSTONE_MS), record.call)?;
    state.limits(|table| table.call_over(record.call))?;
    record.failed(fail, at, cdr.id);
    state.put_call(record)?;
    actions.push(Action::CallEnded(cdr.id, cdr.disposition));
    Ok(Ok(Reply::Ended(cdr.id)))
}
