//! `Early`: the last provisional answer is kept, so that it can be relayed again. One without SDP
//! never replaces one with SDP: the caller already has a session to listen to.

use holdline_model::{CallRecord, Early, Rejection, Reply, limits};

use crate::Outcome;

pub(crate) fn apply(record: &mut CallRecord, early: &Early) -> Outcome {
    if early.response.len() > limits::MAX_MESSAGE_BYTES {
        return Err(Rejection::OutOfBounds { what: "size of the answer".to_owned() });
    }
    if !record.round().contains(&early.attempt) {
        return Err(Rejection::OutOfBounds { what: "index of the target".to_owned() });
    }
    let reliable = record.session.as_ref().map_or(0, |state| state.reliable.len());
    if early.rseq.is_some() && reliable >= limits::MAX_RELIABLE {
        return Err(Rejection::OutOfBounds { what: "number of reliable answers".to_owned() });
    }
    record.early_came(early);
    Ok(Reply::Done)
}
