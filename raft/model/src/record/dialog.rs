//! One of the two dialogs of an answered call (RFC 3261 section 12), as our side of it sees it.

use serde::{Deserialize, Serialize};

use crate::Hop;

/// One of the two parties of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Who sent the INVITE.
    Caller,
    /// Whom we sent it to.
    Callee,
}

impl Side {
    /// The other party.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// What is needed to send a request within a dialog, and to judge one received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Call-ID of this dialog.
    pub call_id: String,
    /// Our identity with our tag: the From value of requests that we send.
    pub local: String,
    /// The peer's identity with its tag: the To value of requests that we send.
    pub remote: String,
    /// CSeq number of the last request that we sent.
    pub local_cseq: u32,
    /// CSeq number of the last request that the peer sent; 0 if it sent none.
    pub remote_cseq: u32,
    /// The peer's Contact URI: the Request-URI of requests that we send.
    pub remote_target: String,
    /// Route header values in the order of sending, each a name-addr.
    pub route_set: Vec<String>,
    /// How requests to the peer go: to where, and from the address of ours that the peer knows.
    pub hop: Hop,
}
