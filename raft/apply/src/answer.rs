//! `Answer`: billing starts, at the time that the proposer stamped.

use holdline_model::{Answer, CallRecord, Millis, Rejection, Reply, limits};

use crate::Outcome;

pub(crate) fn apply(record: &mut CallRecord, answer: &Answer, at: Millis) -> Outcome {
    if record.cancel.is_some() {
        // By log order the cancellation came first: the callee is to be hung up by `Fail`.
        return Err(Rejection::WrongPhase { call: record.call, phase: record.phase });
    }
    if answer.response.len() > limits::MAX_MESSAGE_BYTES {
        return Err(Rejection::OutOfBounds { what: "size of the answer".to_owned() });
    }
    if !record.round().contains(&answer.attempt) {
        return Err(Rejection::OutOfBounds { what: "index of the target".to_owned() });
    }
    record.answered(answer, at);
    Ok(Reply::Done)
}
