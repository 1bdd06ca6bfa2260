//! SIP messages as text: read into owned parts, written line by line (RFC 3261 section 7).
//!
//! Slow and strict: what the switch sends must be canonical SIP, and whatever this reader refuses
//! is counted as a fault of the switch.

use std::fmt;

use bytes::Bytes;

use super::syntax;

/// The methods that the agent acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Sets a call up.
    Invite,
    /// Confirms a final answer to an INVITE.
    Ack,
    /// Ends a call.
    Bye,
    /// Takes an INVITE back.
    Cancel,
    /// Asks for abilities.
    Options,
    /// Says where a user is.
    Register,
    /// Anything else.
    Other,
}

impl Method {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Other => "(other)",
        }
    }

    fn read(text: &str) -> Self {
        [Self::Invite, Self::Ack, Self::Bye, Self::Cancel, Self::Options, Self::Register]
            .into_iter()
            .find(|method| method.as_str() == text)
            .unwrap_or(Self::Other)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A request.
    Request {
        /// What is asked.
        method: Method,
        /// The Request-URI.
        uri: String,
    },
    /// An answer.
    Response {
        /// Its status code.
        status: u16,
    },
}

/// A message, read whole.
#[derive(Clone, Debug)]
pub struct Message {
    /// The first line.
    pub start: Start,
    /// All headers in order; names in lower case and in their long form.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Why a datagram is not a SIP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No empty line ends the headers.
    #[error("no empty line after the headers")]
    NoEnd,
    /// The head is not UTF-8.
    #[error("head is not UTF-8")]
    NotText,
    /// The first line is neither a request line nor a status line.
    #[error("first line is neither request nor status line")]
    BadStart,
    /// A header line has no colon.
    #[error("header line without a colon")]
    BadHeader,
    /// Via, From, To, Call-ID or CSeq is missing or unreadable.
    #[error("mandatory header missing or unreadable: {0}")]
    Missing(&'static str),
    /// Content-Length and the body's length differ.
    #[error("Content-Length differs from the body's length")]
    BadLength,
}

impl Message {
    /// Reads one datagram.
    ///
    /// # Errors
    /// The first fault found.
    pub fn parse(datagram: &Bytes) -> Result<Self, Malformed> {
        let end = datagram.windows(4).position(|w| w == b"\r\n\r\n").ok_or(Malformed::NoEnd)?;
        let head = std::str::from_utf8(&datagram[..end]).map_err(|_| Malformed::NotText)?;
        let mut lines = head.split("\r\n");
        let start = read_start(lines.next().unwrap_or_default()).ok_or(Malformed::BadStart)?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let (_, value) = headers.last_mut().ok_or(Malformed::BadHeader)?;
                value.push(' ');
                value.push_str(line.trim());
            } else {
                let (name, value) = line.split_once(':').ok_or(Malformed::BadHeader)?;
                headers.push((long_name(name.trim()), value.trim().to_owned()));
            }
        }
        let message = Self { start, headers, body: datagram.slice(end + 4..) };
        message.check()?;
        Ok(message)
    }

    /// The first header of that (long, lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a header whose values are separated by commas, in order.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.all(name).flat_map(syntax::split_list).collect()
    }

    /// Number and method of the CSeq.
    #[must_use]
    pub fn cseq(&self) -> (u32, Method) {
        self.header("cseq").and_then(read_cseq).unwrap_or((0, Method::Other))
    }

    /// The branch of the top Via; empty if it has none.
    #[must_use]
    pub fn branch(&self) -> &str {
        self.list("via").first().and_then(|via| syntax::param(via, "branch")).unwrap_or_default()
    }

    /// The Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.header("call-id").unwrap_or_default()
    }

    /// The tag of From or To.
    #[must_use]
    pub fn tag(&self, header: &str) -> Option<&str> {
        self.header(header).and_then(|value| syntax::param(value, "tag"))
    }

    /// Whether it carries a session description.
    #[must_use]
    pub fn has_sdp(&self) -> bool {
        !self.body.is_empty()
            && self.header("content-type").is_some_and(|kind| kind.starts_with("application/sdp"))
    }

    /// All header lines of that (long, lower-case) name, in order.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn check(&self) -> Result<(), Malformed> {
        for name in ["via", "from", "to", "call-id", "cseq"] {
            self.header(name).ok_or(Malformed::Missing(name))?;
        }
        let cseq = self.header("cseq").and_then(read_cseq).ok_or(Malformed::Missing("cseq"))?;
        if let Start::Request { method, .. } = self.start
            && cseq.1 != method
        {
            return Err(Malformed::Missing("cseq"));
        }
        let length = self.header("content-length").map(str::parse::<usize>);
        match length {
            None => Ok(()),
            Some(Ok(length)) if length == self.body.len() => Ok(()),
            Some(_) => Err(Malformed::BadLength),
        }
    }
}

/// A message being written.
#[derive(Clone, Debug)]
pub struct Draft(String);

impl Draft {
    /// A request.
    #[must_use]
    pub fn request(method: Method, uri: &str) -> Self {
        Self(format!("{method} {uri} SIP/2.0\r\n"))
    }

    /// An answer to `request`, with the headers that RFC 3261 section 8.2.6.2 has copied. `tag`
    /// is added to the To header unless it has one.
    #[must_use]
    pub fn response(request: &Message, status: u16, tag: Option<&str>) -> Self {
        let mut draft = Self(format!("SIP/2.0 {status} {}\r\n", reason(status)));
        for via in request.all("via") {
            draft = draft.line("Via", via);
        }
        let to = request.header("to").unwrap_or_default();
        let to = match tag {
            Some(tag) if request.tag("to").is_none() => format!("{to};tag={tag}"),
            _ => to.to_owned(),
        };
        draft
            .line("From", request.header("from").unwrap_or_default())
            .line("To", &to)
            .line("Call-ID", request.call_id())
            .line("CSeq", request.header("cseq").unwrap_or_default())
    }

    /// Adds a header.
    #[must_use]
    pub fn line(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.0.push_str(part);
        }
        self
    }

    /// Ends it, with a session description or without a body.
    #[must_use]
    pub fn end(self, sdp: Option<&str>) -> Bytes {
        let body = sdp.unwrap_or_default();
        let mut draft = self;
        if sdp.is_some() {
            draft = draft.line("Content-Type", "application/sdp");
        }
        draft = draft.line("Content-Length", &body.len().to_string());
        Bytes::from(format!("{}\r\n{body}", draft.0))
    }
}

fn read_start(line: &str) -> Option<Start> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let status = rest.get(..3)?.parse().ok()?;
        return (100..700).contains(&status).then_some(Start::Response { status });
    }
    let mut parts = line.split(' ');
    let (method, uri, version) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = version == "SIP/2.0" && parts.next().is_none() && !method.is_empty();
    whole.then(|| Start::Request { method: Method::read(method), uri: uri.to_owned() })
}

fn read_cseq(value: &str) -> Option<(u32, Method)> {
    let (number, method) = value.split_once(' ')?;
    Some((number.parse().ok()?, Method::read(method.trim())))
}

fn long_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let long = match name.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        "c" => "content-type",
        _ => return name,
    };
    long.to_owned()
}

const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        _ => "Because",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, Malformed> {
        Message::parse(&Bytes::from(text.to_owned()))
    }

    const HEAD: &str = "BYE sip:a@127.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1;branch=z9\r\n\
         f: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: x\r\nCSeq: 2\r\n BYE\r\n";

    #[test]
    fn reads_compact_names_and_folded_lines() {
        let message = parse(&format!("{HEAD}l: 0\r\n\r\n")).unwrap();
        assert_eq!(message.cseq(), (2, Method::Bye));
        assert_eq!((message.branch(), message.tag("from")), ("z9", Some("1")));
    }

    #[test]
    fn refuses_what_the_switch_must_not_send() {
        assert_eq!(parse(&format!("{HEAD}l: 5\r\n\r\n")).unwrap_err(), Malformed::BadLength);
        assert_eq!(parse("hello\r\n\r\n").unwrap_err(), Malformed::BadStart);
        assert_eq!(parse("BYE sip:a SIP/2.0\r\nx\r\n\r\n").unwrap_err(), Malformed::BadHeader);
        assert_eq!(
            parse("BYE sip:a SIP/2.0\r\nx: y\r\n\r\n").unwrap_err(),
            Malformed::Missing("via")
        );
    }

    #[test]
    fn a_response_copies_what_it_must() {
        let request = parse(&format!("{HEAD}\r\n")).unwrap();
        let answer = Message::parse(&Draft::response(&request, 200, Some("t")).end(None)).unwrap();
        assert_eq!(answer.start, Start::Response { status: 200 });
        assert_eq!((answer.branch(), answer.tag("to")), ("z9", Some("2")));
    }
}
