//! Builds messages. Names go out in their long form, Content-Length is always right and last.
//!
//! No value can break out of its line: a CR or LF in it becomes a space. What is put in is
//! otherwise not checked; values come from a parsed message or from our own code.

use std::net::SocketAddr;

use bytes::Bytes;

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
    start_line: Vec<u8>,
    /// The top Via of a response, kept apart for [`Builder::with_source`].
    top_via: Option<Vec<u8>>,
    /// The other Vias, From, Call-ID and CSeq of a response.
    copied: Vec<u8>,
    /// The To of a response, kept apart for [`Builder::to_tag`].
    to: Option<Vec<u8>>,
    headers: Vec<u8>,
}

impl Builder {
    /// A request without any header.
    #[must_use]
    pub fn request(method: &Method, uri: &str) -> Self {
        let mut start_line = Vec::with_capacity(uri.len() + 32);
        start_line.extend_from_slice(method.as_str().as_bytes());
        start_line.push(b' ');
        push_one_line(&mut start_line, uri.as_bytes());
        start_line.extend_from_slice(b" SIP/2.0");
        Self::starting_with(start_line)
    }

    /// A response without any header. An empty reason stands for the usual one of the status.
    #[must_use]
    pub fn response(status: u16, reason: &str) -> Self {
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let mut start_line = format!("SIP/2.0 {status} ").into_bytes();
        push_one_line(&mut start_line, reason.as_bytes());
        Self::starting_with(start_line)
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

    fn starting_with(start_line: Vec<u8>) -> Self {
        let headers = Vec::with_capacity(USUAL_BYTES);
        Self { start_line, top_via: None, copied: Vec::new(), to: None, headers }
    }

    fn copying<'a>(
        mut self,
        mut vias: impl Iterator<Item = &'a [u8]>,
        from: Option<&[u8]>,
        to: Option<&[u8]>,
        call_id: Option<&[u8]>,
        cseq: Option<&[u8]>,
    ) -> Self {
        self.top_via = vias.next().map(<[u8]>::to_vec);
        self.to = to.map(<[u8]>::to_vec);
        for via in vias {
            push_field(&mut self.copied, HeaderName::Via.as_str(), via);
        }
        for (name, value) in
            [(HeaderName::From, from), (HeaderName::CallId, call_id), (HeaderName::CSeq, cseq)]
        {
            if let Some(value) = value {
                push_field(&mut self.copied, name.as_str(), value);
            }
        }
        self
    }

    /// Says in the top Via of a response where the request came from: `received`, if sent-by names
    /// another host or the sender asked for `rport` (RFC 3261 section 18.2.1), and `rport`, if it
    /// asked for it (RFC 3581 section 4). What the sender put there itself is replaced.
    #[must_use]
    pub fn with_source(mut self, source: SocketAddr) -> Self {
        self.top_via = self.top_via.map(|raw| via_with_source(&raw, source).unwrap_or(raw));
        self
    }

    /// Adds our tag to the To of a response, unless it has one.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        if let Some(to) = &mut self.to {
            // A To that could not be read is repeated as it stands, without a tag of ours.
            if super::Identity::parse(to).is_ok_and(|to| to.tag.is_none()) {
                to.extend_from_slice(b";tag=");
                push_one_line(to, tag.as_bytes());
            }
        }
        self
    }

    /// Copies the Record-Route values of a request, as a response that makes a dialog does
    /// (RFC 3261 section 12.1.1).
    #[must_use]
    pub fn record_routes_of(mut self, request: &Message) -> Self {
        for value in request.header_values(HeaderName::RecordRoute) {
            push_field(&mut self.headers, HeaderName::RecordRoute.as_str(), value);
        }
        self
    }

    /// Adds a header field. Content-Length is ignored: [`Builder::body`] writes it.
    /// [`HeaderName::Other`] names nothing and is ignored too; see [`Builder::header_named`].
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        if !matches!(name, HeaderName::ContentLength | HeaderName::Other) {
            push_field(&mut self.headers, name.as_str(), value.as_ref());
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
            push_field(&mut self.headers, name, value.as_ref());
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
        let mut out = self.start_line;
        out.reserve(self.copied.len() + self.headers.len() + body.len() + 512);
        out.extend_from_slice(b"\r\n");
        if let Some(via) = self.top_via {
            push_field(&mut out, HeaderName::Via.as_str(), &via);
        }
        out.extend_from_slice(&self.copied);
        if let Some(to) = self.to {
            push_field(&mut out, HeaderName::To.as_str(), &to);
        }
        out.extend_from_slice(&self.headers);
        let len = body.len().to_string();
        push_field(&mut out, HeaderName::ContentLength.as_str(), len.as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        out.into()
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    push_one_line(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Appends what must not hold a line end; one that it holds becomes a space.
fn push_one_line(out: &mut Vec<u8>, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(text);
    for byte in out.iter_mut().skip(start) {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
}

/// The Via with `received` and `rport` as RFC 3261 section 18.2.1 and RFC 3581 section 4 want them;
/// `None` if it cannot be read, which the callers have checked.
fn via_with_source(raw: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let (via, _) = Via::parse_any_version(raw).ok()?;
    let wants_rport = via.rport != Rport::Absent;
    // A socket for both families shows IPv4 sources as mapped addresses; no Via names those.
    let address = source.ip().to_canonical();
    let wants_received = wants_rport || via.host_ip() != Some(address);
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
        out.extend_from_slice(format!(";received={address}").as_bytes());
    }
    if wants_rport {
        out.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
    }
    Some(out)
}
