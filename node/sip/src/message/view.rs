//! What a message says: views of the start line, the headers that the switch acts on, and the body.

use std::fmt;

use bytes::Bytes;

use super::Message;
use super::cseq::{CSeq, RAck, parse_rack};
use super::header_name::HeaderName;
use super::identity::Identity;
use super::method::Method;
use super::start::{Start, StartLine};
use super::text::{List, number, split_when, trim};
use super::via::Via;

/// A header field as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which header it is.
    pub name: HeaderName,
    /// The name as it stands.
    pub raw_name: &'a str,
    /// The value without white space at its ends; folds are spaces.
    pub value: &'a [u8],
}

impl Message {
    /// The message as received, from the start line to the end of the body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The start line.
    #[must_use]
    pub fn start(&self) -> Start<'_> {
        self.start.view(self.head())
    }

    /// Whether it is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The method of the request; of a response, the method of the request that it answers.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The status of a response; `None` for a request.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// The Request-URI of a request; `None` for a response.
    #[must_use]
    pub fn request_uri(&self) -> Option<&str> {
        match self.start() {
            Start::Request { uri, .. } => Some(uri),
            Start::Response { .. } => None,
        }
    }

    /// All header fields, in order. A list on one line is one field.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields.iter().map(|field| Header {
            name: field.name,
            raw_name: field.raw_name.text(self.head()),
            value: field.value.bytes(self.head()),
        })
    }

    /// The values of the fields with this name, in order, one per field.
    pub fn header_values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter().filter(move |field| field.name == name);
        fields.map(|field| field.value.bytes(self.head()))
    }

    /// The value of the first field with this name.
    #[must_use]
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.header_values(name).next()
    }

    /// The value of the first field with this name as it stands, without regard to case: for names
    /// that [`HeaderName`] does not have. Compact forms are not heeded.
    #[must_use]
    pub fn header_named(&self, name: &str) -> Option<&[u8]> {
        self.headers()
            .find(|header| header.raw_name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// The Call-ID: visible ASCII characters.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.call_id.text(self.head())
    }

    /// The CSeq. In a request its method is the request's.
    #[must_use]
    pub fn cseq(&self) -> CSeq<'_> {
        CSeq { number: self.cseq, method: &self.method }
    }

    /// The From value.
    #[must_use]
    pub fn from(&self) -> Identity<'_> {
        self.from.view(self.head())
    }

    /// The To value.
    #[must_use]
    pub fn to(&self) -> Identity<'_> {
        self.to.view(self.head())
    }

    /// The top Via.
    #[must_use]
    pub fn top_via(&self) -> Via<'_> {
        self.via.view(self.head())
    }

    /// All Via values, the top one first, each as it stands.
    #[must_use]
    pub fn vias(&self) -> Vec<&str> {
        self.list(HeaderName::Via)
    }

    /// The URI of the first Contact; `None` if there is none, or only `*`.
    #[must_use]
    pub fn contact_uri(&self) -> Option<&str> {
        self.contact.map(|uri| uri.text(self.head()))
    }

    /// All Route values in order, each a name-addr.
    #[must_use]
    pub fn routes(&self) -> Vec<&str> {
        self.list(HeaderName::Route)
    }

    /// All Record-Route values in order, each a name-addr.
    #[must_use]
    pub fn record_routes(&self) -> Vec<&str> {
        self.list(HeaderName::RecordRoute)
    }

    /// The elements of a list header, those that are UTF-8, in order, over all its fields. Commas
    /// in quoted strings and angle brackets do not separate.
    #[must_use]
    pub fn list(&self, name: HeaderName) -> Vec<&str> {
        self.header_values(name)
            .flat_map(List::new)
            .flatten()
            .filter_map(|value| std::str::from_utf8(value).ok())
            .collect()
    }

    /// Option tags that the sender insists on.
    #[must_use]
    pub fn require(&self) -> Vec<&str> {
        self.list(HeaderName::Require)
    }

    /// Option tags that the sender understands.
    #[must_use]
    pub fn supported(&self) -> Vec<&str> {
        self.list(HeaderName::Supported)
    }

    /// Max-Forwards, from 0 to 255.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u32> {
        self.max_forwards
    }

    /// Expires in seconds; `None` if it is absent or no number that fits (RFC 3261 section 20.19:
    /// then the default of the method holds).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        number(self.header(HeaderName::Expires)?)
    }

    /// RSeq, which makes a provisional answer a reliable one (RFC 3262).
    #[must_use]
    pub fn rseq(&self) -> Option<u32> {
        number(self.header(HeaderName::RSeq)?)
    }

    /// RAck of a PRACK (RFC 3262).
    #[must_use]
    pub fn rack(&self) -> Option<RAck> {
        parse_rack(self.header(HeaderName::RAck)?)
    }

    /// Content-Length as it was given; it is never more than there was.
    #[must_use]
    pub fn content_length(&self) -> Option<u32> {
        number(self.header(HeaderName::ContentLength)?)
    }

    /// The media type of the body without parameters, such as `application/sdp`. Compare it without
    /// regard to case.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        let value = self.header(HeaderName::ContentType)?;
        let (media_type, _) = split_when(value, |byte| byte == b';');
        std::str::from_utf8(trim(media_type)).ok()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body_start..).unwrap_or_default()
    }

    /// Whether the body is a session description, or a multipart with one in it.
    #[must_use]
    pub fn has_sdp(&self) -> bool {
        const SDP: &[u8] = b"application/sdp";
        let Some(content_type) = self.content_type() else { return false };
        if self.body().is_empty() {
            return false;
        }
        if content_type.as_bytes().eq_ignore_ascii_case(SDP) {
            return true;
        }
        let is_multipart = content_type
            .split_once('/')
            .is_some_and(|(kind, _)| kind.eq_ignore_ascii_case("multipart"));
        is_multipart && self.body().windows(SDP.len()).any(|part| part.eq_ignore_ascii_case(SDP))
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message {}

/// Shows what tells messages apart, not the personal data in them.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("status", &self.status())
            .field("cseq", &self.cseq())
            .field("call_id", &self.call_id())
            .field("branch", &self.top_via().branch)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
