//! One Via value (RFC 3261 section 20.42, RFC 3581).

use std::net::IpAddr;

use super::span::Span;
use super::text::{Params, SyntaxError, is_space, is_token, split_when, trim};
use super::uri::{UriError, host_ip, parse_port, split_host_port};

/// A Via value, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// The whole value, unfolded.
    pub raw: &'a str,
    /// The transport as it stands, such as `UDP`.
    pub transport: &'a str,
    /// The host of sent-by; an IPv6 address has its brackets.
    pub host: &'a str,
    /// The port of sent-by, if one is given.
    pub port: Option<u16>,
    /// The branch, if there is one.
    pub branch: Option<&'a str>,
    /// Where the next element saw the request come from, if it said so.
    pub received: Option<&'a str>,
    /// Whether the sender asks for its port, or the port it was told.
    pub rport: Rport,
}

/// The `rport` parameter (RFC 3581).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rport {
    /// There is none.
    #[default]
    Absent,
    /// The sender asks for answers to the port it sent from.
    Requested,
    /// The port that the next element filled in.
    Port(u16),
}

/// The branch of an element that follows RFC 3261 begins with this.
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// The value is no Via that the switch can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViaError {
    /// It does not begin with `SIP/2.0/` and a transport.
    #[error("it does not begin with SIP/2.0/ and a transport")]
    BadProtocol,
    /// The sent-by host or port is at fault.
    #[error("sent-by is at fault: {0}")]
    BadSentBy(#[from] UriError),
    /// A parameter is at fault.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The rport parameter is no port.
    #[error("rport is no number from 1 to 65535")]
    BadRport,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
}

impl<'a> Via<'a> {
    /// Takes one Via value apart.
    ///
    /// # Errors
    /// [`ViaError`], if the value can be read in more than one way or not at all.
    pub fn parse(raw: &'a [u8]) -> Result<Self, ViaError> {
        match Self::parse_any_version(raw)? {
            (via, "2.0") => Ok(via),
            _ => Err(ViaError::BadProtocol),
        }
    }

    /// The same, whatever the version, and the version: a request of another version is answered
    /// with 505.
    pub(super) fn parse_any_version(raw: &'a [u8]) -> Result<(Self, &'a str), ViaError> {
        let raw = text(trim(raw))?;
        let (version, transport, rest) =
            split_protocol(raw.as_bytes()).ok_or(ViaError::BadProtocol)?;
        let (sent_by, params) = split_when(rest, |byte| byte == b';');
        let (host, port) = parse_sent_by(part(raw, trim(sent_by)))?;
        let mut via = Self {
            raw,
            transport: part(raw, transport),
            host,
            port,
            branch: None,
            received: None,
            rport: Rport::Absent,
        };
        via.read_params(params)?;
        Ok((via, part(raw, version)))
    }

    fn read_params(&mut self, params: &'a [u8]) -> Result<(), ViaError> {
        for param in Params::new(params) {
            let param = param?;
            let value = param.value.unwrap_or_default();
            if param.is("branch") {
                set_once(&mut self.branch, part(self.raw, value))?;
            } else if param.is("received") {
                set_once(&mut self.received, part(self.raw, value))?;
            } else if param.is("rport") {
                if self.rport != Rport::Absent {
                    return Err(SyntaxError::RepeatedParameter.into());
                }
                self.rport = parse_rport(part(self.raw, value))?;
            }
        }
        Ok(())
    }

    /// Whether the branch is one of RFC 3261, which identifies its transaction: it begins with
    /// [`BRANCH_COOKIE`] and has more to it.
    #[must_use]
    pub fn has_rfc3261_branch(&self) -> bool {
        self.branch.is_some_and(|branch| {
            // The cookie is compared without regard to case, as all tokens are.
            branch.len() > BRANCH_COOKIE.len()
                && branch
                    .get(..BRANCH_COOKIE.len())
                    .is_some_and(|cookie| cookie.eq_ignore_ascii_case(BRANCH_COOKIE))
        })
    }

    /// The sent-by host as an address, if it is one rather than a name.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }
}

/// Splits `SIP / version / transport` off; what is left begins with the sent-by host.
fn split_protocol(raw: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = split_when(raw, |byte| byte == b'/');
    let (version, rest) = split_when(rest.strip_prefix(b"/")?, |byte| byte == b'/');
    if !trim(name).eq_ignore_ascii_case(b"SIP") {
        return None;
    }
    let (transport, rest) = split_when(trim(rest.strip_prefix(b"/")?), is_space);
    (is_token(transport) && !rest.is_empty()).then_some((trim(version), transport, trim(rest)))
}

/// Reads `host [: port]`, with white space around the colon as the grammar allows.
fn parse_sent_by(sent_by: &str) -> Result<(&str, Option<u16>), ViaError> {
    if !sent_by.bytes().any(is_space) {
        return Ok(split_host_port(sent_by)?);
    }
    // White space inside: it can only stand around the colon before the port.
    let (host, port) = sent_by.rsplit_once(':').ok_or(UriError::BadHost)?;
    let (host, no_port) = split_host_port(host.trim_end_matches([' ', '\t']))?;
    if no_port.is_some() {
        return Err(UriError::BadPort.into());
    }
    let port = parse_port(port.trim_start_matches([' ', '\t'])).ok_or(UriError::BadPort)?;
    Ok((host, Some(port)))
}

fn parse_rport(value: &str) -> Result<Rport, ViaError> {
    if value.is_empty() {
        return Ok(Rport::Requested);
    }
    parse_port(value).map(Rport::Port).ok_or(ViaError::BadRport)
}

fn set_once<'a>(slot: &mut Option<&'a str>, value: &'a str) -> Result<(), ViaError> {
    if slot.is_some() {
        return Err(SyntaxError::RepeatedParameter.into());
    }
    if value.is_empty() {
        return Err(SyntaxError::BadParameterValue.into());
    }
    *slot = Some(value);
    Ok(())
}

/// `bytes`, which are a part of `raw`, as text.
fn part<'a>(raw: &'a str, bytes: &[u8]) -> &'a str {
    let span = Span::of(raw.as_bytes(), bytes);
    raw.get(span.start()..span.end()).unwrap_or_default()
}

fn text(bytes: &[u8]) -> Result<&str, ViaError> {
    std::str::from_utf8(bytes).map_err(|_| ViaError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_via_apart() {
        let raw = "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx;rport;received=198.51.100.1;q=1";
        let via = Via::parse(raw.as_bytes()).unwrap();
        assert_eq!((via.raw, via.transport), (raw, "UDP"));
        assert_eq!((via.host, via.port), ("192.0.2.1", Some(5070)));
        assert_eq!((via.branch, via.received), (Some("z9hG4bKx"), Some("198.51.100.1")));
        assert_eq!(via.rport, Rport::Requested);
        assert_eq!(via.host_ip(), Some("192.0.2.1".parse().unwrap()));
        assert!(via.has_rfc3261_branch());
    }

    #[test]
    fn allows_white_space_where_the_grammar_does() {
        let via = Via::parse(
            b"SIP  / 2.0  / TCP     spindle.example.com : 5060  ; branch  =   z9hG4bK9ikj8",
        )
        .unwrap();
        assert_eq!((via.transport, via.host, via.port), ("TCP", "spindle.example.com", Some(5060)));
        assert_eq!(via.branch, Some("z9hG4bK9ikj8"));
    }

    #[test]
    fn reads_ipv6_and_a_filled_in_rport() {
        for raw in [
            "SIP/2.0/UDP [2001:db8::9:1];rport=40000",
            "SIP/2.0/UDP [2001:db8::9:1] : 5061;rport=40000",
        ] {
            let via = Via::parse(raw.as_bytes()).unwrap();
            assert_eq!((via.host, via.rport), ("[2001:db8::9:1]", Rport::Port(40_000)));
            assert!(!via.has_rfc3261_branch());
        }
    }

    #[test]
    fn a_cookie_alone_is_no_branch() {
        let via = Via::parse(b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK").unwrap();
        assert!(!via.has_rfc3261_branch());
        assert!(Via::parse(b"SIP/2.0/UDP a;branch=Z9HG4BKx").unwrap().has_rfc3261_branch());
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        for (raw, error) in [
            ("", ViaError::BadProtocol),
            ("SIP/2.0/UDP", ViaError::BadProtocol),
            ("SIP/7.0/UDP a", ViaError::BadProtocol),
            ("SIP/2.0 UDP a", ViaError::BadProtocol),
            ("SIP/2.0/UDP ;branch=x", ViaError::BadSentBy(UriError::BadHost)),
            ("SIP/2.0/UDP a b", ViaError::BadSentBy(UriError::BadHost)),
            ("SIP/2.0/UDP a : 0", ViaError::BadSentBy(UriError::BadPort)),
            ("SIP/2.0/UDP a:99999", ViaError::BadSentBy(UriError::BadPort)),
            ("SIP/2.0/UDP 192.0.2.15;;,;,,", ViaError::Syntax(SyntaxError::NoParameterName)),
            ("SIP/2.0/UDP a;branch=x;branch=y", ViaError::Syntax(SyntaxError::RepeatedParameter)),
            ("SIP/2.0/UDP a;branch=", ViaError::Syntax(SyntaxError::BadParameterValue)),
            ("SIP/2.0/UDP a;branch;branch=x", ViaError::Syntax(SyntaxError::BadParameterValue)),
            ("SIP/2.0/UDP a;rport=x", ViaError::BadRport),
            ("SIP/2.0/UDP a;rport=1;rport=1", ViaError::Syntax(SyntaxError::RepeatedParameter)),
        ] {
            assert_eq!(Via::parse(raw.as_bytes()), Err(error), "{raw}");
        }
        assert_eq!(Via::parse(b"SIP/2.0/UDP a;x=\xff"), Err(ViaError::NotUtf8));
    }
}
