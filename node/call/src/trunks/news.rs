//! What calls tell of the trunks that they are sent to.

use std::net::SocketAddr;

use holdline_model::{Millis, Name};

/// Something that a call found out about a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkNews {
    /// Which trunk.
    pub trunk: Name,
    /// When the INVITE was sent that this is about.
    pub tried_at: Millis,
    /// Where it was sent.
    pub peer: SocketAddr,
    /// What was found out.
    pub heard: Heard,
}

/// What became of an INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The first answer came, of whatever kind; it took so long.
    First {
        /// From the INVITE to the answer, in milliseconds.
        after_ms: u64,
    },
    /// The callee rings, or has answered: the trunk works.
    Progress,
    /// A final answer that is no 2xx.
    Failed {
        /// Its status.
        status: u16,
        /// What its Retry-After says, in seconds.
        retry_after_s: Option<u32>,
    },
    /// Nothing came in time.
    Silent,
    /// The INVITE could not be sent.
    Unreachable,
    /// This address failed, and the call goes on to another one of the same trunk.
    OtherPlace,
}
