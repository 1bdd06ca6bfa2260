//! `Answer`: billing starts, at the time that the proposer stamped.

use holdline_model::{Answer, AnswerState, CallRecord, Millis, Phase, Rejection, Reply, limits};

use crate::Outcome;

pub(crate) fn apply(record: &mut CallRecord, answer: &Answer, at: Millis) -> Outcome {
    if record.cancel.is_some() {
        // By log order the cancellation came first: the callee is to be hung up by `Fail`.
        return Err(Rejection::WrongPhase { call: record.call, phase: record.phase });
    }
    if answer.response.len() > limits::MAX_MESSAGE_BYTES {
        return Err(Rejection::OutOfBounds { what: "size of the answer".to_owned() });
    }
    record.phase = Phase::Answered;
    record.early = None;
    record.answer = Some(Box::new(AnswerState {
        at,
        response: answer.response.clone(),
        caller: answer.caller.clone(),
        callee: answer.callee.clone(),
        end_by: answer.end_by,
        session_by: answer.session_by,
        ack: bytes::Bytes::new(),
    }));
    Ok(Reply::Done)
}
