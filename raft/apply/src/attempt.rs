//! `Attempt`: the next target is tried; what the last one said no longer counts. The call counts among
//! those of the target's trunk from then on, unless that has too many: then nothing is changed, and
//! the proposer goes on to the target after it.

use holdline_limit::LimitState;
use holdline_model::{Attempt, CallRecord, Rejection, Reply};

use crate::Outcome;

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    record: &mut CallRecord,
    attempt: Attempt,
) -> Result<Outcome, S::Error> {
    if usize::from(attempt.index) >= record.targets.len() || attempt.index <= record.attempt {
        return Ok(Err(Rejection::OutOfBounds { what: "index of the target".to_owned() }));
    }
    if let Some(refusal) = state.limits(|table| table.attempt(record, attempt.index))? {
        return Ok(Ok(Reply::Refused(refusal)));
    }
    record.attempt = attempt.index;
    record.early = None;
    record.forget_callee();
    state.limits(|table| table.call_up(record))?;
    Ok(Ok(Reply::Done))
}
