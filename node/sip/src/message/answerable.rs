//! What is left of a request that could not be read, enough to answer it (RFC 3261 section 8.2.6).
//!
//! This reads less than the parser and forgives more, and it is used for nothing but the answer: the
//! values are copied as they stand. It stops at the parser's limits.

use super::header_name::HeaderName;
use super::limits::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_LIST_VALUES, MAX_START_LINE_BYTES};
use super::method::Method;
use super::text::{List, is_space, split_when, trim};
use super::via::Via;

/// The parts of a faulty request that its answer repeats. See [`super::Builder::answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answerable {
    /// The method; never ACK.
    pub method: Method,
    /// The status to answer with.
    pub status: u16,
    /// The Via values, the top one first; there is at least one, and the first can be read.
    pub vias: Vec<Vec<u8>>,
    /// The first From value, if there is one.
    pub from: Option<Vec<u8>>,
    /// The first To value, if there is one.
    pub to: Option<Vec<u8>>,
    /// The first Call-ID value, if there is one.
    pub call_id: Option<Vec<u8>>,
    /// The first CSeq value, if there is one.
    pub cseq: Option<Vec<u8>>,
}

impl Answerable {
    /// Reads what an answer needs; `None` if there is nothing to answer or no way to.
    pub(super) fn extract(datagram: &[u8], status: u16) -> Option<Self> {
        let mut lines = datagram
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .skip_while(|line| line.is_empty());
        let method = request_method(lines.next()?)?;
        if method == Method::Ack {
            return None;
        }
        let mut found = Self {
            method,
            status,
            vias: Vec::new(),
            from: None,
            to: None,
            call_id: None,
            cseq: None,
        };
        let mut field: Vec<u8> = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()).take(MAX_HEADERS) {
            if line.first().is_some_and(|byte| is_space(*byte)) {
                if field.len().saturating_add(line.len()) <= MAX_HEADER_BYTES {
                    field.extend_from_slice(line);
                }
                continue;
            }
            found.take_field(&field);
            field.clear();
            field.extend_from_slice(line.get(..MAX_HEADER_BYTES.min(line.len()))?);
        }
        found.take_field(&field);
        let top = found.vias.first()?;
        Via::parse_any_version(top).is_ok().then_some(found)
    }

    fn take_field(&mut self, field: &[u8]) {
        let (name, rest) = split_when(field, |byte| byte == b':');
        let Some(value) = rest.strip_prefix(b":").map(trim) else { return };
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other header is repeated")]
        let slot = match HeaderName::from_bytes(trim(name)) {
            HeaderName::Via => {
                let room = MAX_LIST_VALUES.saturating_sub(self.vias.len());
                self.vias.extend(List::new(value).flatten().take(room).map(<[u8]>::to_vec));
                return;
            }
            HeaderName::From => &mut self.from,
            HeaderName::To => &mut self.to,
            HeaderName::CallId => &mut self.call_id,
            HeaderName::CSeq => &mut self.cseq,
            _ => return,
        };
        if slot.is_none() {
            *slot = Some(value.to_vec());
        }
    }
}

/// The method, if the line looks like a request line: a token first and a SIP version last.
fn request_method(line: &[u8]) -> Option<Method> {
    let line = line.get(..MAX_START_LINE_BYTES.saturating_mul(2).min(line.len()))?;
    let (method, rest) = split_when(line, is_space);
    let version = trim(rest).rsplit(|byte| is_space(*byte)).next()?;
    if !version.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    Method::from_bytes(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_of_each_and_all_vias() {
        let datagram = b"\r\nINVITE  x SIP/2.0 \r\nv: SIP/2.0/UDP a;branch=1 ,\r\n SIP/2.0/UDP b\r\n\
            From: f1\r\nFrom: f2\r\nt : t1\r\ni: c\r\nCSeq:\r\n 1 INVITE\r\nVia: SIP/2.0/UDP c\r\n\r\nTo: x\r\n";
        let found = Answerable::extract(datagram, 400).unwrap();
        assert_eq!(found.method, Method::Invite);
        let vias: Vec<_> = found.vias.iter().map(|via| String::from_utf8_lossy(via)).collect();
        assert_eq!(vias, ["SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP b", "SIP/2.0/UDP c"]);
        assert_eq!(found.from.as_deref(), Some(&b"f1"[..]));
        assert_eq!(found.to.as_deref(), Some(&b"t1"[..]));
        assert_eq!(found.call_id.as_deref(), Some(&b"c"[..]));
        assert_eq!(found.cseq.as_deref(), Some(&b"1 INVITE"[..]));
    }

    #[test]
    fn finds_nothing_where_no_answer_may_go() {
        for datagram in [
            "",
            "noise",
            "ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n",
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n\r\n",
            "INVITE sip:a@b SIP/2.0\r\nTo: a\r\n\r\n",
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n\r\n",
            "INVITE sip:a@b HTTP/1.1\r\nVia: SIP/2.0/UDP a\r\n\r\n",
        ] {
            assert_eq!(Answerable::extract(datagram.as_bytes(), 400), None, "{datagram}");
        }
    }
}
