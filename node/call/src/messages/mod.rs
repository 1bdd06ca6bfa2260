//! The messages we send, one pure function each. What may have to be sent again by another owner is
//! a function of the call's record alone; answers to single requests are functions of the request.
//!
//! | file | messages |
//! |---|---|
//! | `reply` | answers to a single request: 200, refusals |
//! | `to_caller` | answers to the caller's INVITE: 100, 18x, 2xx, failures |
//! | `invite` | INVITE and CANCEL to a target, ACK of its failure |
//! | `in_dialog` | ACK of a 2xx, BYE |
//! | `probe` | OPTIONS to a trunk |
//! | `registrar` | challenges, the 200 to a REGISTER |
//! | `through` | requests within a dialog that go through, and their answers |
//! | `pass` | which header fields go through, and which are ours |
//!
//! Invariant: branch, tags, Call-ID and CSeq are derived as docs/architecture.md, section 1, says.

mod in_dialog;
mod invite;
mod pass;
mod probe;
mod registrar;
mod reply;
pub(crate) mod through;
mod to_caller;

use std::fmt;
use std::net::SocketAddr;

use holdline_sip::message::{Message, Method, Rport, Start, Via, reason_phrase};

pub(crate) use in_dialog::{
    Question, ack, bye, bye_again, bye_cseq, fork_ack, fork_branch, fork_bye, question,
};
pub(crate) use invite::{cancel, failure_ack, invite, invite_cseq};
pub(crate) use probe::probe;
pub(crate) use registrar::{challenge, has_bad_registration_extension, registered};
pub(crate) use reply::{Refuse, has_bad_extension, malformed, ok, options, refuse};
pub(crate) use to_caller::{answer, failure, provisional, trying};

use holdline_model::{Hop, Side, Transport};

/// The branches of our requests, apart from the mark and the call.
mod suffix {
    use super::Side;
    use crate::nonce::fnv;

    pub(super) fn invite(attempt: u16) -> String {
        format!("i{attempt}")
    }

    pub(super) fn ack(attempt: u16) -> String {
        format!("a{attempt}")
    }

    /// Of a request that goes through to one side; `number` is the CSeq number that it came with.
    pub(super) fn through(to: Side, number: u32) -> String {
        format!("p{}{number}", side(to))
    }

    /// Of the ACK of the 2xx of an INVITE that goes through.
    pub(super) fn through_ack(to: Side, number: u32) -> String {
        format!("k{}{number}", side(to))
    }

    const fn side(side: Side) -> char {
        match side {
            Side::Caller => 'a',
            Side::Callee => 'b',
        }
    }

    pub(super) const fn bye(side: Side) -> &'static str {
        match side {
            Side::Caller => "ya",
            Side::Callee => "yb",
        }
    }

    /// Of a request of our own.
    pub(super) fn own(to: Side, cseq: u32) -> String {
        format!("q{}{cseq}", side(to))
    }

    /// Of a BYE that is sent once more, with credentials.
    pub(super) fn bye_again(side: Side) -> String {
        format!("{}1", bye(side))
    }

    /// Of requests to a fork that is not the call's: they differ by the fork's tag.
    pub(super) fn fork(kind: char, attempt: u16, tag: &str) -> String {
        // A SIP token whatever the tag is.
        let hash = fnv(tag.as_bytes());
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
    /// A request that went through to this side, by the CSeq number that it came with.
    Through(Side, u32),
    /// A request of our own to this side, by its CSeq number.
    Own(Side, u32),
}

impl Answered {
    /// Reads what follows the call in a branch of ours.
    pub(crate) fn from_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "ya" | "ya1" => Some(Self::Bye(Side::Caller)),
            "yb" | "yb1" => Some(Self::Bye(Side::Callee)),
            _ if suffix.starts_with('y') => Some(Self::Fork),
            _ if suffix.starts_with('p') => {
                let (to, number) = to_side(suffix.strip_prefix('p')?)?;
                Some(Self::Through(to, number))
            }
            _ if suffix.starts_with('q') => {
                let (to, number) = to_side(suffix.strip_prefix('q')?)?;
                Some(Self::Own(to, number))
            }
            _ => suffix.strip_prefix('i')?.parse().ok().map(Self::Invite),
        }
    }
}

/// The side and the number in a suffix, after its kind.
fn to_side(text: &str) -> Option<(Side, u32)> {
    let side = match text.get(..1)? {
        "a" => Side::Caller,
        "b" => Side::Callee,
        _ => return None,
    };
    Some((side, text.get(1..)?.parse().ok()?))
}

/// How answers to a request go (RFC 3261 section 18.2.2, RFC 3581 section 4): over the connection it
/// came on; over UDP to the address it came from, at the port it came from if the sender asked for
/// that, else at the port in its Via.
pub(crate) fn reply_hop(request: &Message, hop: Hop) -> Hop {
    via_hop(&request.top_via(), hop)
}

/// The same, by the top Via.
pub(crate) fn via_hop(via: &Via<'_>, hop: Hop) -> Hop {
    match via.rport {
        _ if hop.transport.is_reliable() => hop,
        Rport::Requested | Rport::Port(_) => hop,
        Rport::Absent => {
            let port = via.port.unwrap_or(hop.transport.default_port());
            hop.to(SocketAddr::new(hop.peer.ip(), port))
        }
    }
}

/// The value of our Via on a hop.
pub(crate) struct OurVia<'a>(pub(crate) Hop, pub(crate) &'a str);

impl fmt::Display for OurVia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {};branch={}", self.0.transport, self.0.local, self.1)
    }
}

/// The value of our Contact on a hop: how the peer reaches us. `secure`: the dialog was asked for
/// with a `sips:` URI, and stays secure.
pub(crate) struct OurContact {
    pub(crate) hop: Hop,
    pub(crate) secure: bool,
}

impl fmt::Display for OurContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hop { transport, local, .. } = self.hop;
        match (transport, self.secure && transport.is_secure()) {
            (Transport::Udp, _) => write!(f, "<sip:{local}>"),
            (Transport::Tls, true) => write!(f, "<sips:{local}>"),
            // RFC 7118 section 5.2: one parameter for both; the scheme tells them apart.
            (Transport::Wss, true) => write!(f, "<sips:{local};transport=ws>"),
            (Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss, _) => {
                write!(f, "<sip:{local};transport={}>", transport.param())
            }
        }
    }
}

/// Whether a URI asks for security on every hop (RFC 3261 section 26.2.2).
pub(crate) fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
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
