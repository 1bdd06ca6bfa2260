//! `Attempt`: the next target is tried; what the last one said no longer counts.

use holdline_model::{Attempt, CallRecord, Rejection, Reply};

use crate::Outcome;

pub(crate) fn apply(record: &mut CallRecord, attempt: Attempt) -> Outcome {
    if usize::from(attempt.index) >= record.targets.len() || attempt.index <= record.attempt {
        return Err(Rejection::OutOfBounds { what: "index of the target".to_owned() });
    }
    record.attempt = attempt.index;
    record.early = None;
    record.forget_callee();
    Ok(Reply::Done)
}
