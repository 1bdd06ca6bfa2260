//! Changes of the session of a call: an INVITE or UPDATE within its dialogs.
//!
//! A request that goes through is a function of the dialogs and of the request, so its sender's
//! repetitions are all that the next owner needs to go on with it. These commands hold what stands
//! once a peer has heard an answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::Side;
use crate::{Hop, Millis};

/// An INVITE within the dialogs was passed on, and takes long. Committed before any provisional
/// answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reinviting {
    /// Who sent it.
    pub from: Side,
    /// Its CSeq number.
    pub cseq: u32,
    /// How it came.
    pub hop: Hop,
    /// As received.
    pub request: Bytes,
}

/// An INVITE within the dialogs has its final answer. Committed before that is relayed, and before
/// its ACK to who gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reinvited {
    /// Who sent the INVITE.
    pub from: Side,
    /// Its CSeq number.
    pub cseq: u32,
    /// How it came.
    pub hop: Hop,
    /// As received.
    pub request: Bytes,
    /// Status of the answer.
    pub status: u16,
    /// The answer as received.
    pub response: Bytes,
    /// Where the caller wants its requests from now on, if that changed.
    pub caller_target: Option<NewTarget>,
    /// Where the callee wants its requests from now on, if that changed.
    pub callee_target: Option<NewTarget>,
    /// When the session expires unless it is refreshed again; a failure changes nothing.
    pub session_by: Option<Millis>,
}

/// An UPDATE was answered with a 2xx. Committed before that is relayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updated {
    /// Who sent the UPDATE.
    pub from: Side,
    /// Its CSeq number.
    pub cseq: u32,
    /// Where the caller wants its requests from now on, if that changed.
    pub caller_target: Option<NewTarget>,
    /// Where the callee wants its requests from now on, if that changed.
    pub callee_target: Option<NewTarget>,
    /// When the session expires unless it is refreshed again.
    pub session_by: Option<Millis>,
}

/// A reliable provisional answer was acknowledged, and that was confirmed by who gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pracked {
    /// Our RSeq of it.
    pub rseq: u32,
}

/// Requests went through. Committed before the numbers that they took run more than
/// [`crate::limits::CSEQ_AHEAD`] ahead of what is committed, so that a request of the next owner's
/// own never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Who sent them.
    pub from: Side,
    /// The highest CSeq number among them.
    pub cseq: u32,
}

/// A request of our own goes to one side within its dialog. Committed before it is sent, so that what the
/// other side asks from then on goes out with higher numbers, whoever passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Whom.
    pub to: Side,
    /// Its CSeq number.
    pub cseq: u32,
    /// The highest CSeq number that the other side is known to have sent.
    pub seen: u32,
}

/// A peer's Contact, and the way there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTarget {
    /// The URI.
    pub uri: String,
    /// How requests go there.
    pub hop: Hop,
}
