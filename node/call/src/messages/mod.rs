//! The messages we send, one pure function each. What may have to be sent again by another owner is
//! a function of the call's record alone; answers to single requests are functions of the request.
//!
//! | file | messages |
//! |---|---|
//! | `reply` | answers to a single request: 200, refusals |
//! | `to_caller` | answers to the caller's INVITE: 100, 18x, 2xx, failures |
//! | `invite` | INVITE and CANCEL to a target, ACK of its failure |
//! | `in_dialog` | ACK of a 2xx, BYE |
//! | `pass` | which header fields go through, and which are ours |
//!
//! Invariant: branch, tags, Call-ID and CSeq are derived as docs/architecture.md, section 1, says.

mod in_dialog;
mod invite;
mod pass;
mod reply;
mod to_caller;

use std::net::SocketAddr;

use holdline_sip::message::{Message, Method, Rport, Start, Via, reason_phrase};

pub(crate) use in_dialog::{ack, bye, fork_ack, fork_branch, fork_bye};
pub(crate) use invite::{cancel, failure_ack, invite};
pub(crate) use reply::{Refuse, has_bad_extension, malformed, ok, options, refuse};
pub(crate) use to_caller::{answer, failure, provisional, trying};

use holdline_model::Side;

/// The branches of our requests, apart from the mark and the call.
mod suffix {
    use super::Side;

    pub(super) fn invite(attempt: u16) -> String {
        format!("i{attempt}")
    }

    pub(super) fn ack(attempt: u32) -> String {
        format!("a{attempt}")
    }

    pub(super) const fn bye(side: Side) -> &'static str {
        match side {
            Side::Caller => "ya",
            Side::Callee => "yb",
        }
    }

    /// Of requests to a fork that is not the call's: they differ by the fork's tag.
    pub(super) fn fork(kind: char, attempt: u16, tag: &str) -> String {
        // FNV-1a: short, the same everywhere, and a SIP token whatever the tag is.
        let hash = tag.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{kind}{attempt}.{hash:016x}")
    }
}

/// What an answer of a peer's is for, by the branch that it brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Our INVITE or CANCEL to a target.
    Invite(u16),
    /// Our BYE to one side.
    Bye(Side),
    /// Our BYE to a fork; the branch tells which.
    Fork,
}

impl Answered {
    /// Reads what follows the call in a branch of ours.
    pub(crate) fn from_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "ya" => Some(Self::Bye(Side::Caller)),
            "yb" => Some(Self::Bye(Side::Callee)),
            _ if suffix.starts_with('y') => Some(Self::Fork),
            _ => suffix.strip_prefix('i')?.parse().ok().map(Self::Invite),
        }
    }
}

/// Where answers to a request go (RFC 3261 section 18.2.2, RFC 3581 section 4): to the address it
/// came from, at the port it came from if the sender asked for that, else at the port in its Via.
pub(crate) fn reply_address(request: &Message, peer: SocketAddr) -> SocketAddr {
    via_address(&request.top_via(), peer)
}

/// The same, by the top Via.
pub(crate) fn via_address(via: &Via<'_>, peer: SocketAddr) -> SocketAddr {
    match via.rport {
        Rport::Requested | Rport::Port(_) => peer,
        Rport::Absent => SocketAddr::new(peer.ip(), via.port.unwrap_or(5060)),
    }
}

/// The status of an answer; 0 for a request, which callers have ruled out.
pub(crate) fn status_of(message: &Message) -> u16 {
    message.status().unwrap_or(0)
}

/// The reason phrase of an answer, or the usual one if it has none.
pub(crate) fn reason_of(message: &Message) -> &str {
    match message.start() {
        Start::Response { status, reason: "" } => reason_phrase(status),
        Start::Response { reason, .. } => reason,
        Start::Request { .. } => "",
    }
}

/// The name of a method for counters: never a text that a peer made up.
pub(crate) fn label(method: &Method) -> &'static str {
    Method::KNOWN.iter().find(|known| *known == method).map_or("OTHER", |known| known.as_str())
}
