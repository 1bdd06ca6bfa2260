//! Builds messages. Names go out in their long form, Content-Length is always right and last.
//!
//! No value can break out of its line: a CR or LF in it becomes a space. What is put in is
//! otherwise not checked; values come from a parsed message or from our own code.

use std::fmt::{self, Display, Write};
use std::net::SocketAddr;
use std::ops::Range;

use bytes::Bytes;
use memchr::memchr2;

use super::Message;
use super::answerable::Answerable;
use super::header_name::HeaderName;
use super::method::Method;
use super::reason::reason_phrase;
use super::text::{Params, is_token, split_when};
use super::via::{Rport, Via};

/// Room that most messages of ours fit into.
const USUAL_BYTES: usize = 1024;

/// A message in the making. Each header goes out in the order in which it was added, the Vias of a
/// response first.
#[derive(Clone, Debug)]
pub struct Builder {
    /// What goes out, in order, as far as it is known.
    out: Vec<u8>,
    /// Where in it the value of a response's top Via is, for [`Builder::with_source`].
    top_via: Option<Range<usize>>,
    /// Where in it the value of a response's To is, for [`Builder::to_tag`].
    to: Option<Range<usize>>,
}

impl Builder {
    /// A request without any header.
    #[must_use]
    pub fn request(method: &Method, uri: &str) -> Self {
        let mut out = Vec::with_capacity(USUAL_BYTES);
        out.extend_from_slice(method.as_str().as_bytes());
        out.push(b' ');
        push_one_line(&mut out, uri.as_bytes());
        out.extend_from_slice(b" SIP/2.0\r\n");
        Self { out, top_via: None, to: None }
    }

    /// A response without any header. An empty reason stands for the usual one of the status.
    #[must_use]
    pub fn response(status: u16, reason: &str) -> Self {
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let mut out = Vec::with_capacity(USUAL_BYTES);
        out.extend_from_slice(b"SIP/2.0 ");
        push_display(&mut out, status);
        out.push(b' ');
        push_one_line(&mut out, reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        Self { out, top_via: None, to: None }
    }

    /// A response to a request, with its Vias, From, To, Call-ID and CSeq (RFC 3261 section
    /// 8.2.6.2). An empty reason stands for the usual one of the status.
    ///
    /// Follow it by [`Builder::with_source`] unless the request came over a reliable transport,
    /// and by [`Builder::to_tag`] for every status but 100.
    #[must_use]
    pub fn response_to(request: &Message, status: u16, reason: &str) -> Self {
        let cseq = request.header(HeaderName::CSeq).unwrap_or_default();
        let vias = request.vias();
        Self::response(status, reason).copying(
            vias.iter().map(|via| via.as_bytes()),
            Some(request.from().raw),
            Some(request.to().raw),
            Some(request.call_id().as_bytes()),
            Some(cseq),
        )
    }

    /// The answer to a request that could not be read. The reason phrase is the explanation, as
    /// RFC 3261 section 21.4.1 asks. `None` if it must not or cannot be answered.
    #[must_use]
    pub fn answer(error: &super::ParseError) -> Option<Self> {
        let Answerable { status, vias, from, to, call_id, cseq, method: _ } =
            error.answerable.as_deref()?;
        Some(Self::response(*status, &error.explanation).copying(
            vias.iter().map(Vec::as_slice),
            from.as_deref(),
            to.as_deref(),
            call_id.as_deref(),
            cseq.as_deref(),
        ))
    }

    fn copying<'a>(
        mut self,
        mut vias: impl Iterator<Item = &'a [u8]>,
        from: Option<&[u8]>,
        to: Option<&[u8]>,
        call_id: Option<&[u8]>,
        cseq: Option<&[u8]>,
    ) -> Self {
        self.top_via = vias.next().map(|via| self.push(HeaderName::Via, via));
        for via in vias {
            self.push(HeaderName::Via, via);
        }
        for (name, value) in
            [(HeaderName::From, from), (HeaderName::CallId, call_id), (HeaderName::CSeq, cseq)]
        {
            if let Some(value) = value {
                self.push(name, value);
            }
        }
        self.to = to.map(|to| self.push(HeaderName::To, to));
        self
    }

    /// Adds a header field; returns where its value is.
    fn push(&mut self, name: HeaderName, value: &[u8]) -> Range<usize> {
        push_field(&mut self.out, name.as_str(), value);
        let end = self.out.len() - LINE_END.len();
        end - value.len()..end
    }

    /// Says in the top Via of a response where the request came from: `received`, if sent-by names
    /// another host or the sender asked for `rport` (RFC 3261 section 18.2.1), and `rport`, if it
    /// asked for it (RFC 3581 section 4). What the sender put there itself is replaced.
    #[must_use]
    pub fn with_source(mut self, source: SocketAddr) -> Self {
        let raw = self.top_via.clone().and_then(|at| Some((self.out.get(at.clone())?, at)));
        let new = raw.and_then(|(raw, at)| Some((via_with_source(raw, source)?, at)));
        if let Some((via, at)) = new {
            let end = at.start + via.len();
            // The To comes after the Via, and moves by as much as the Via grows or shrinks.
            self.to = self.to.map(|to| to.start - at.end + end..to.end - at.end + end);
            self.top_via = Some(at.start..end);
            self.out.splice(at, via);
        }
        self
    }

    /// Adds our tag to the To of a response, unless it has one.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        let Some(at) = self.to.clone() else { return self };
        let to = self.out.get(at.clone()).unwrap_or_default();
        // A To that could not be read is repeated as it stands, without a tag of ours.
        if super::Identity::parse(to).is_ok_and(|to| to.tag.is_none()) {
            let rest = self.out.split_off(at.end);
            self.out.extend_from_slice(b";tag=");
            push_one_line(&mut self.out, tag.as_bytes());
            self.to = Some(at.start..self.out.len());
            self.out.extend_from_slice(&rest);
        }
        self
    }

    /// Copies the Record-Route values of a request, as a response that makes a dialog does
    /// (RFC 3261 section 12.1.1).
    #[must_use]
    pub fn record_routes_of(mut self, request: &Message) -> Self {
        for value in request.header_values(HeaderName::RecordRoute) {
            self.push(HeaderName::RecordRoute, value);
        }
        self
    }

    /// Adds a header field. Content-Length is ignored: [`Builder::body`] writes it.
    /// [`HeaderName::Other`] names nothing and is ignored too; see [`Builder::header_named`].
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        if !matches!(name, HeaderName::ContentLength | HeaderName::Other) {
            self.push(name, value.as_ref());
        }
        self
    }

    /// Adds a header field whose value is put together here, without a string in between:
    /// `builder.header_display(HeaderName::CSeq, format_args!("{number} {method}"))`.
    #[must_use]
    pub fn header_display(mut self, name: HeaderName, value: impl Display) -> Self {
        if !matches!(name, HeaderName::ContentLength | HeaderName::Other) {
            self.out.extend_from_slice(name.as_str().as_bytes());
            self.out.extend_from_slice(b": ");
            push_display(&mut self.out, value);
            self.out.extend_from_slice(LINE_END);
        }
        self
    }

    /// Adds a header field under any name: as it stands if [`HeaderName`] does not have it, else in
    /// its long form. A name that is not a token is ignored.
    #[must_use]
    pub fn header_named(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let known = HeaderName::from_bytes(name.as_bytes());
        if known != HeaderName::Other {
            return self.header(known, value);
        }
        if is_token(name.as_bytes()) {
            push_field(&mut self.out, name, value.as_ref());
        }
        self
    }

    /// The message without a body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.body(b"")
    }

    /// The message with a body. Its Content-Type is a header like others.
    #[must_use]
    pub fn body(self, body: &[u8]) -> Bytes {
        let mut this = self;
        let length = HeaderName::ContentLength.as_str().as_bytes();
        this.out.extend_from_slice(length);
        this.out.extend_from_slice(b": ");
        push_display(&mut this.out, body.len());
        this.out.extend_from_slice(b"\r\n\r\n");
        this.out.extend_from_slice(body);
        // What a transaction keeps is the message, not the room that it was written in. Copied, not
        // shrunk: the room goes back to the allocator whole, and is what the next message gets.
        Bytes::copy_from_slice(&this.out)
    }
}

const LINE_END: &[u8] = b"\r\n";

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    push_one_line(out, value);
    out.extend_from_slice(LINE_END);
}

/// Appends what must not hold a line end; one that it holds becomes a space.
fn push_one_line(out: &mut Vec<u8>, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(text);
    if memchr2(b'\r', b'\n', text).is_none() {
        return;
    }
    for byte in out.iter_mut().skip(start) {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
}

fn push_display(out: &mut Vec<u8>, value: impl Display) {
    // Nothing here can fail; a value whose own Display fails is cut off there.
    let _ = write!(OneLine(out), "{value}");
}

/// Text that must not hold a line end.
struct OneLine<'a>(&'a mut Vec<u8>);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_one_line(self.0, text.as_bytes());
        Ok(())
    }
}

/// The Via with `received` and `rport` as RFC 3261 section 18.2.1 and RFC 3581 section 4 want them;
/// `None` if it stays as it is, or cannot be read, which the callers have checked.
fn via_with_source(raw: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let (via, _) = Via::parse_any_version(raw).ok()?;
    let wants_rport = via.rport != Rport::Absent;
    // A socket for both families shows IPv4 sources as mapped addresses; no Via names those.
    let address = source.ip().to_canonical();
    let wants_received = wants_rport || via.host_ip() != Some(address);
    if !wants_received && via.received.is_none() {
        return None;
    }
    let (sent_by, params) = split_when(raw, |byte| byte == b';');
    let mut out = sent_by.to_vec();
    for param in Params::new(params) {
        let param = param.ok()?;
        if param.is("received") || param.is("rport") {
            continue;
        }
        out.push(b';');
        out.extend_from_slice(param.name);
        if let Some(value) = param.value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
    if wants_received {
        push_display(&mut out, format_args!(";received={address}"));
    }
    if wants_rport {
        push_display(&mut out, format_args!(";rport={}", source.port()));
    }
    Some(out)
}
