//! `Attempt`: the next target is tried; what the last one said no longer counts. The call counts among
//! those of the target's trunk from then on, unless that has too many: then nothing is changed, and
//! the proposer goes on to the target after it.

use holdline_limit::LimitState;
use holdline_model::{Attempt, CallRecord, Rejection, Reply, limits};

use crate::Outcome;

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    record: &mut CallRecord,
    attempt: &Attempt,
) -> Result<Outcome, S::Error> {
    let index = usize::from(attempt.index);
    let count = record.targets.len().saturating_add(attempt.targets.len());
    if index >= count || index > record.targets.len() || attempt.index <= record.attempt {
        return Ok(Err(Rejection::OutOfBounds { what: "index of the target".to_owned() }));
    }
    if count > limits::MAX_TARGETS {
        return Ok(Err(Rejection::OutOfBounds { what: "number of targets".to_owned() }));
    }
    let fields = attempt.targets.iter().map(|target| target.fields.len()).max().unwrap_or(0);
    if fields > limits::MAX_TARGET_FIELDS {
        let what = "number of header fields of a target".to_owned();
        return Ok(Err(Rejection::OutOfBounds { what }));
    }
    let best = attempt.best.as_ref().map_or(0, |best| best.response.len());
    if best > limits::MAX_MESSAGE_BYTES {
        return Ok(Err(Rejection::OutOfBounds { what: "size of the answer".to_owned() }));
    }
    let mut next = record.clone();
    next.attempted(attempt);
    if let Some(refusal) = state.limits(|table| table.attempt(&next, attempt.index))? {
        return Ok(Ok(Reply::Refused(refusal)));
    }
    *record = next;
    state.limits(|table| table.call_up(record))?;
    Ok(Ok(Reply::Done))
}
