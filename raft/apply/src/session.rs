//! `Reinviting`, `Reinvited`, `ReinviteAcked`, `Updated`, `Counted`, `Pracked`: what changes of the session leave
//! behind. The records change as `holdline_model` says, here and in the owner's copy alike.

use holdline_model::{
    AckSeen, Asked, CallRecord, Counted, Millis, Pracked, Reinvited, Reinviting, Rejection, Reply,
    Updated, limits,
};

use crate::Outcome;

pub(crate) fn reinviting(record: &mut CallRecord, change: &Reinviting) -> Outcome {
    bounded(change.request.len(), "size of the INVITE")?;
    record.reinviting(change.from, change.cseq, change.hop, &change.request);
    Ok(Reply::Done)
}

pub(crate) fn reinvited(record: &mut CallRecord, change: &Reinvited, at: Millis) -> Outcome {
    bounded(change.request.len(), "size of the INVITE")?;
    bounded(change.response.len(), "size of the answer")?;
    record.reinvited(change, at);
    Ok(Reply::Done)
}

pub(crate) fn reinvite_acked(record: &mut CallRecord, change: &AckSeen) -> Outcome {
    bounded(change.ack.len(), "size of the ACK")?;
    record.reinvite_acked(&change.ack);
    Ok(Reply::Done)
}

pub(crate) fn updated(record: &mut CallRecord, change: &Updated) -> Outcome {
    record.updated(change);
    Ok(Reply::Done)
}

pub(crate) fn counted(record: &mut CallRecord, change: Counted) -> Outcome {
    record.count(change.from, change.cseq);
    Ok(Reply::Done)
}

pub(crate) fn pracked(record: &mut CallRecord, change: Pracked) -> Outcome {
    record.pracked(change.rseq);
    Ok(Reply::Done)
}

pub(crate) fn asked(record: &mut CallRecord, change: Asked) -> Outcome {
    record.asked(&change);
    Ok(Reply::Done)
}

fn bounded(len: usize, what: &str) -> Result<(), Rejection> {
    if len > limits::MAX_MESSAGE_BYTES {
        return Err(Rejection::OutOfBounds { what: what.to_owned() });
    }
    Ok(())
}
