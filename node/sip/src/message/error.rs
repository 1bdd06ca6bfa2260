//! Why a datagram was not taken as a message, and how to answer it where that can be done.

use std::borrow::Cow;
use std::fmt;

use super::answerable::Answerable;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// What is wrong with a datagram: a label for counters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ParseErrorKind {
            $($(#[$doc])* $name,)*
        }

        impl ParseErrorKind {
            /// Every kind, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label for counters: lower case with underscores.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The status that a request with this fault is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }
        }
    };
}

kinds! {
    /// The datagram is empty.
    Empty = "empty", 400;
    /// The datagram is a keepalive: line ends only (RFC 5626 section 3.5.1). Not a fault.
    KeepAlive = "keep_alive", 400;
    /// The datagram is longer than [`super::limits::MAX_MESSAGE_BYTES`].
    TooLarge = "too_large", 513;
    /// The first line is neither a request line nor a status line.
    NotSip = "not_sip", 400;
    /// The version is not SIP/2.0.
    BadVersion = "bad_version", 505;
    /// The request line has not exactly two spaces, or the method is no token.
    BadStartLine = "bad_start_line", 400;
    /// The status is not a number from 100 to 699.
    BadStatus = "bad_status", 400;
    /// The Request-URI is no URI, or has header fields embedded.
    BadRequestUri = "bad_request_uri", 400;
    /// The start line is longer than [`super::limits::MAX_START_LINE_BYTES`].
    StartLineTooLong = "start_line_too_long", 414;
    /// A header field is longer than [`super::limits::MAX_HEADER_BYTES`].
    HeaderTooLong = "header_too_long", 513;
    /// There are more header fields than [`super::limits::MAX_HEADERS`].
    TooManyHeaders = "too_many_headers", 513;
    /// A list has more values than [`super::limits::MAX_LIST_VALUES`].
    TooManyValues = "too_many_values", 513;
    /// A carriage return stands alone before the body.
    BareCr = "bare_cr", 400;
    /// Some lines before the body end with CR LF and some with LF alone.
    MixedLineEnds = "mixed_line_ends", 400;
    /// A continuation line continues nothing, or is blank.
    BadFold = "bad_fold", 400;
    /// A header line has no colon, or its name is no token.
    BadHeaderName = "bad_header_name", 400;
    /// There is no empty line after the header fields.
    NoEndOfHead = "no_end_of_head", 400;
    /// A header that every message must carry is absent.
    MissingHeader = "missing_header", 400;
    /// A header that may stand once stands twice.
    RepeatedHeader = "repeated_header", 400;
    /// A Via is at fault.
    BadVia = "bad_via", 400;
    /// From is at fault.
    BadFrom = "bad_from", 400;
    /// To is at fault.
    BadTo = "bad_to", 400;
    /// A Contact is at fault.
    BadContact = "bad_contact", 400;
    /// A Route or Record-Route is at fault.
    BadRoute = "bad_route", 400;
    /// The Call-ID is empty or holds what none may.
    BadCallId = "bad_call_id", 400;
    /// CSeq is not a number that fits 32 bits and a method.
    BadCSeq = "bad_cseq", 400;
    /// The method in CSeq is not the method of the request.
    MethodMismatch = "method_mismatch", 400;
    /// Max-Forwards is not a number from 0 to 255.
    BadMaxForwards = "bad_max_forwards", 400;
    /// Content-Length is not a number that fits 32 bits.
    BadContentLength = "bad_content_length", 400;
    /// Content-Length names more bytes than the datagram has.
    BodyTruncated = "body_truncated", 400;
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A datagram is not a message that the switch takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{explanation}")]
pub struct ParseError {
    /// The label for counters.
    pub kind: ParseErrorKind,
    /// What is wrong, in English, naming the header. It quotes nothing from the datagram, so it may
    /// be logged and sent as a reason phrase.
    pub explanation: Cow<'static, str>,
    /// What is needed to answer it; `None` for what must not or cannot be answered: responses,
    /// ACKs, noise, and requests without a readable top Via.
    pub answerable: Option<Box<Answerable>>,
}

/// A fault before it is known whether it can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: ParseErrorKind,
    pub(super) explanation: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(kind: ParseErrorKind, explanation: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, explanation: explanation.into() }
    }

    pub(super) fn into_error(self, datagram: &[u8]) -> ParseError {
        let never = matches!(
            self.kind,
            ParseErrorKind::Empty | ParseErrorKind::KeepAlive | ParseErrorKind::NotSip
        );
        let answerable = (!never)
            .then(|| Answerable::extract(datagram, self.kind.status()))
            .flatten()
            .map(Box::new);
        ParseError { kind: self.kind, explanation: self.explanation, answerable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_fit_for_counters() {
        let mut labels: Vec<_> = ParseErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert!(
            labels.iter().all(|label| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), ParseErrorKind::ALL.len());
    }
}
