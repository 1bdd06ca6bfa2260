//! `AckSeen`: the caller has the answer, so the messages that would repeat it are let go.

use bytes::Bytes;
use holdline_model::{AckSeen, CallRecord, Phase, Rejection, Reply, limits};

use crate::Outcome;

pub(crate) fn apply(record: &mut CallRecord, seen: &AckSeen) -> Outcome {
    if seen.ack.len() > limits::MAX_MESSAGE_BYTES {
        return Err(Rejection::OutOfBounds { what: "size of the ACK".to_owned() });
    }
    record.phase = Phase::Confirmed;
    record.invite = Bytes::new();
    if let Some(answer) = &mut record.answer {
        answer.response = Bytes::new();
        answer.ack = seen.ack.clone();
    }
    Ok(Reply::Done)
}
