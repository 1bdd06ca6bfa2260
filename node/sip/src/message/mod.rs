//! SIP messages: one zero-copy parser, typed views of what the switch acts on, and a builder
//! (RFC 3261 sections 7, 8.2.6, 18.2, 18.3, 20 and 25; RFC 3581; RFC 4475).
//!
//! ```
//! use bytes::Bytes;
//! use holdline_sip::message::{Builder, HeaderName, Message, Start};
//!
//! let datagram = Bytes::from_static(b"OPTIONS sip:switch SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
//!     f: <sip:a@a>;tag=1\r\nt: <sip:switch>\r\ni: x@a\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n");
//! let message = Message::parse(datagram).unwrap();
//! assert!(matches!(message.start(), Start::Request { uri: "sip:switch", .. }));
//! assert_eq!(message.top_via().branch, Some("z9hG4bK1"));
//! let answer = Builder::response_to(&message, 200, "")
//!     .with_source("192.0.2.1:5062".parse().unwrap())
//!     .to_tag("hl1")
//!     .header(HeaderName::Allow, "INVITE, ACK, BYE, CANCEL, OPTIONS")
//!     .finish();
//! assert!(answer.starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1\r\n"));
//! ```
//!
//! What it is not: it keeps no state, knows no transaction and no dialog, and decides nothing about
//! a message that is well formed (an unknown extension in Require, a scheme that is not routed, a
//! Max-Forwards of 0 are the switch's to answer).
//!
//! **Lenient** as RFC 4475 asks: leading line ends, LF line ends, folded lines, compact and unknown
//! header names, white space before the colon, several values on a line, quoted display names,
//! IPv6, any scheme, method and transport, bytes that are not UTF-8 where we do not act on them.
//!
//! **Strict** where two elements could read one message differently: repeated or missing headers,
//! lone carriage returns, mixed line ends, blank continuation lines, unbalanced quotes, repeated
//! parameters, numbers that overflow, a CSeq of another method, a request line with spare spaces.
//! Such a request is answered with [`Builder::answer`]; a response or an ACK is dropped.
//!
//! Invariant: what is not acted on passes byte for byte. [`Message::bytes`] is the message as
//! received; header values are as received but for folds, each of whose line ends is two spaces
//! (one, where lines end with LF). So no value holds a CR or LF.
//!
//! Invariant: no view fails. Everything that a view returns was checked by [`Message::parse`].
//!
//! Only this module names `rsip`: as the vocabulary of reason phrases, and in tests and measurements
//! as the second opinion about messages that it can read.
#![deny(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::string_slice)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::string_slice, reason = "tests may panic")
)]

mod address;
mod answerable;
mod builder;
mod cseq;
mod error;
mod header_name;
mod identity;
mod lexer;
pub mod limits;
mod method;
mod parse;
mod reason;
#[cfg(feature = "second-opinion")]
pub mod second_opinion;
mod span;
mod spans;
mod start;
#[cfg(test)]
mod tests;
mod text;
mod uri;
mod via;
mod view;

use bytes::Bytes;

pub use address::{Address, AddressError};
pub use answerable::Answerable;
pub use builder::Builder;
pub use cseq::{CSeq, RAck};
pub use error::{ParseError, ParseErrorKind};
pub use header_name::HeaderName;
pub use identity::Identity;
pub use method::Method;
pub use reason::reason_phrase;
pub use start::Start;
pub use text::SyntaxError;
pub use uri::{Uri, UriError};
pub use via::{BRANCH_COOKIE, Rport, Via, ViaError};
pub use view::Header;

use lexer::Field;
use span::Span;
use spans::{IdentitySpans, ViaSpans};
use start::StartLine;

/// A SIP message as received: its bytes, and where in them what the switch acts on lies.
///
/// Cloning shares the bytes and copies the offsets. Two messages are equal if their bytes are.
#[derive(Clone)]
pub struct Message {
    /// From the start line to the end of the body, as received.
    bytes: Bytes,
    /// Start line and header fields without folds, at the same offsets as in `bytes`, if there are
    /// folds.
    unfolded: Option<Bytes>,
    start: StartLine,
    fields: Vec<Field>,
    method: Method,
    cseq: u32,
    call_id: Span,
    from: IdentitySpans,
    to: IdentitySpans,
    via: ViaSpans,
    contact: Option<Span>,
    max_forwards: Option<u32>,
    body_start: usize,
}

impl Message {
    /// Reads one datagram as one message.
    ///
    /// The body has as many bytes as Content-Length says, and what follows is ignored; without
    /// Content-Length it is the rest of the datagram.
    ///
    /// # Errors
    /// [`ParseError`], if the datagram is a keepalive, is no SIP message, or is one that two
    /// elements could read differently.
    pub fn parse(datagram: Bytes) -> Result<Self, ParseError> {
        parse::parse(&datagram)
    }

    /// What spans of the head refer to.
    fn head(&self) -> &[u8] {
        self.unfolded.as_ref().unwrap_or(&self.bytes)
    }
}
