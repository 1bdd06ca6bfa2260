//! `BranchOver` and `Settled`: what becomes of targets that are tried together.

use holdline_model::{BranchOver, CallRecord, Rejection, Reply, limits};

use crate::Outcome;

pub(crate) fn apply(record: &mut CallRecord, change: &BranchOver) -> Outcome {
    if !record.round().contains(&change.attempt) {
        return Err(Rejection::OutOfBounds { what: "index of the target".to_owned() });
    }
    let best = change.best.as_ref().map_or(0, |best| best.response.len());
    if best > limits::MAX_MESSAGE_BYTES {
        return Err(Rejection::OutOfBounds { what: "size of the answer".to_owned() });
    }
    record.branch_over(change);
    Ok(Reply::Done)
}

pub(crate) fn settled(record: &mut CallRecord) -> Outcome {
    record.settled();
    Ok(Reply::Done)
}
