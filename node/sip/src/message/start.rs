//! The start line: request line or status line (RFC 3261 sections 7.1 and 7.2).
//!
//! Strict, as RFC 4475 section 3.1.2 allows: exactly one space between the parts, none elsewhere.

use super::error::{Fault, ParseErrorKind as Kind};
use super::method::Method;
use super::reason::reason_phrase;
use super::span::Span;
use super::text::{number, split_when};
use super::uri::Uri;

/// The start line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// A request.
    Request {
        /// Its method.
        method: &'a Method,
        /// Its Request-URI; [`Uri::parse`] takes it apart and never fails on it.
        uri: &'a str,
    },
    /// A response.
    Response {
        /// Its status, from 100 to 699.
        status: u16,
        /// Its reason phrase; where that is not UTF-8, the usual one of its status.
        reason: &'a str,
    },
}

/// The start line as the message keeps it.
#[derive(Clone, Debug)]
pub(super) enum StartLine {
    Request { method: Method, uri: Span },
    Response { status: u16, reason: Span },
}

impl StartLine {
    /// Reads the start line that is the part `line` of `head`.
    pub(super) fn parse(head: &[u8], line: Span) -> Result<Self, Fault> {
        let line = line.bytes(head);
        match line.get(..4) {
            Some(start) if start.eq_ignore_ascii_case(b"SIP/") => Self::parse_status(head, line),
            _ => Self::parse_request(head, line),
        }
    }

    fn parse_request(head: &[u8], line: &[u8]) -> Result<Self, Fault> {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let version = words.next_back().unwrap_or_default();
        if !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return Err(Fault::new(Kind::NotSip, "Not a SIP message"));
        }
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(Fault::new(Kind::BadVersion, "Version Not Supported"));
        }
        let (method, rest) = split_when(line, |byte| byte == b' ');
        let (uri, rest) = split_when(rest.get(1..).unwrap_or_default(), |byte| byte == b' ');
        // The version is the last word, so anything else here is a space too many or a third word.
        if rest.get(1..) != Some(version) {
            return Err(Fault::new(Kind::BadStartLine, "Bad white space in the request line"));
        }
        let method = Method::from_bytes(method)
            .ok_or_else(|| Fault::new(Kind::BadStartLine, "The method is not a token"))?;
        Self::check_uri(uri)?;
        Ok(Self::Request { method, uri: Span::of(head, uri) })
    }

    fn check_uri(uri: &[u8]) -> Result<(), Fault> {
        let bad = |cause: String| Fault::new(Kind::BadRequestUri, format!("Request-URI: {cause}"));
        let uri = std::str::from_utf8(uri).map_err(|_| bad("it is not UTF-8".to_owned()))?;
        let uri = Uri::parse(uri).map_err(|error| bad(error.to_string()))?;
        if uri.headers.is_some() {
            // RFC 3261 section 19.1.1: not allowed in a Request-URI.
            return Err(bad("it has header fields in it".to_owned()));
        }
        Ok(())
    }

    fn parse_status(head: &[u8], line: &[u8]) -> Result<Self, Fault> {
        let (version, rest) = split_when(line, |byte| byte == b' ');
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(Fault::new(Kind::BadVersion, "Version Not Supported"));
        }
        let (status, reason) = split_when(rest.get(1..).unwrap_or_default(), |byte| byte == b' ');
        let status = number(status)
            .filter(|_| status.len() == 3)
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (100..700).contains(status))
            .ok_or_else(|| Fault::new(Kind::BadStatus, "Status out of range"))?;
        Ok(Self::Response { status, reason: Span::of(head, reason.get(1..).unwrap_or_default()) })
    }

    /// The view of it.
    pub(super) fn view<'a>(&'a self, head: &'a [u8]) -> Start<'a> {
        match self {
            Self::Request { method, uri } => Start::Request { method, uri: uri.text(head) },
            Self::Response { status, reason } => {
                let reason = std::str::from_utf8(reason.bytes(head))
                    .unwrap_or_else(|_| reason_phrase(*status));
                Start::Response { status: *status, reason }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[u8]) -> Result<StartLine, Kind> {
        StartLine::parse(line, Span::new(0, line.len())).map_err(|fault| fault.kind)
    }

    #[test]
    fn reads_request_lines() {
        let line = b"NEWMETHOD tel:+1 sip/2.0";
        let method = Method::Other("NEWMETHOD".into());
        assert_eq!(
            parse(line).unwrap().view(line),
            Start::Request { method: &method, uri: "tel:+1" }
        );
    }

    #[test]
    fn reads_status_lines() {
        for (line, status, reason) in [
            (&b"SIP/2.0 200 OK"[..], 200, "OK"),
            (b"SIP/2.0 183 = 2**3 * 5", 183, "= 2**3 * 5"),
            (b"SIP/2.0 100 ", 100, ""),
            (b"SIP/2.0 100", 100, ""),
            (b"SIP/2.0 486 Bel\xe9gt", 486, "Busy Here"),
        ] {
            assert_eq!(parse(line).unwrap().view(line), Start::Response { status, reason });
        }
    }

    #[test]
    fn refuses_the_rest() {
        for (line, kind) in [
            (&b""[..], Kind::NotSip),
            (b"GET / HTTP/1.1", Kind::NotSip),
            (b"INVITE sip:a@b", Kind::NotSip),
            (b"INVITE sip:a@b SIP/3.0", Kind::BadVersion),
            (b"INVITE sip:a@b SIP/2.0 ", Kind::BadStartLine),
            (b"INVITE  sip:a@b SIP/2.0", Kind::BadStartLine),
            (b"INVITE sip:a@b  SIP/2.0", Kind::BadStartLine),
            (b"INVITE sip:a@b; lr SIP/2.0", Kind::BadStartLine),
            (b" INVITE sip:a@b SIP/2.0", Kind::BadStartLine),
            (b"INVITE SIP/2.0", Kind::BadStartLine),
            (b"INV\"ITE sip:a@b SIP/2.0", Kind::BadStartLine),
            (b"INVITE\tsip:a@b SIP/2.0", Kind::BadStartLine),
            (b"INVITE <sip:a@b> SIP/2.0", Kind::BadRequestUri),
            (b"INVITE sip:a@b?x=y SIP/2.0", Kind::BadRequestUri),
            (b"INVITE sip:\xff@b SIP/2.0", Kind::BadRequestUri),
            (b"SIP/1.0 200 OK", Kind::BadVersion),
            (b"SIP/2.0 4294967301 x", Kind::BadStatus),
            (b"SIP/2.0 099 x", Kind::BadStatus),
            (b"SIP/2.0 700 x", Kind::BadStatus),
            (b"SIP/2.0  200 OK", Kind::BadStatus),
            (b"SIP/2.0 OK", Kind::BadStatus),
        ] {
            assert_eq!(parse(line).map(|_| ()), Err(kind), "{}", String::from_utf8_lossy(line));
        }
    }
}
