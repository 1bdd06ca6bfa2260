//! URIs (RFC 3261 section 19.1, RFC 3966, RFC 5031): `sip:` and `sips:` taken apart, other schemes
//! kept whole. Nothing is unescaped: what the switch compares and copies is the text itself.

use std::net::{IpAddr, Ipv6Addr};

use super::text::{is_forbidden_in_uri, is_host_byte, is_token_byte, is_uri_mark, number};

/// A URI, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// The whole text.
    pub raw: &'a str,
    /// The scheme as it stands; compare it without regard to case, or ask [`Uri::is_sip`].
    pub scheme: &'a str,
    /// The user part without a password, not unescaped. With `tel:`, the number; with another
    /// opaque scheme, what follows the colon.
    pub user: Option<&'a str>,
    /// The password, which nobody should send.
    pub password: Option<&'a str>,
    /// The host; an IPv6 address has its brackets. Empty with an opaque scheme.
    pub host: &'a str,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// The parameters, from the first semicolon on; see [`Uri::param`].
    pub params: &'a str,
    /// The embedded header fields after the question mark.
    pub headers: Option<&'a str>,
}

/// The text is no URI that the switch can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It has no scheme, or nothing after it.
    #[error("the URI has no scheme, or nothing after it")]
    NoScheme,
    /// It has white space, a control character, a quote or an angle bracket in it.
    #[error("the URI holds a character that must be escaped")]
    BadCharacter,
    /// It has no host, or one that is neither a name nor an address.
    #[error("the URI has no host, or one that is neither a name nor an address")]
    BadHost,
    /// The port is no number from 1 to 65535.
    #[error("the URI's port is no number from 1 to 65535")]
    BadPort,
}

impl<'a> Uri<'a> {
    /// Takes a URI apart.
    ///
    /// # Errors
    /// [`UriError`], if the text is not a URI, or a SIP URI without a sound host and port.
    pub fn parse(raw: &'a str) -> Result<Self, UriError> {
        let marks = Marks::find(raw)?;
        let colon = marks.colon.ok_or(UriError::NoScheme)?;
        let (scheme, rest) = (piece(raw, 0, colon), piece(raw, colon + 1, raw.len()));
        if !is_scheme(scheme) || rest.is_empty() {
            return Err(UriError::NoScheme);
        }
        if is_sip_scheme(scheme) {
            Self::parse_sip(raw, scheme, colon + 1, &marks)
        } else {
            Ok(Self::opaque(raw, scheme, rest))
        }
    }

    fn parse_sip(
        raw: &'a str,
        scheme: &'a str,
        start: usize,
        marks: &Marks,
    ) -> Result<Self, UriError> {
        let (userinfo, host_start) = match marks.at {
            Some(at) if at == start || marks.second_at => return Err(UriError::BadHost),
            Some(at) => (Some(piece(raw, start, at)), at + 1),
            None => (None, start),
        };
        let (user, password) = match userinfo.map(|text| (text, cut(text, b':'))) {
            None => (None, None),
            Some((text, None)) => (Some(text), None),
            Some((_, Some((user, password)))) => (Some(user), Some(password)),
        };
        let question = marks.question.unwrap_or(raw.len());
        let semicolon = marks.semicolon.unwrap_or(question);
        let (host, port) = split_host_port(piece(raw, host_start, semicolon))?;
        let params = piece(raw, semicolon, question);
        let headers = marks.question.map(|question| piece(raw, question + 1, raw.len()));
        Ok(Self { raw, scheme, user, password, host, port, params, headers })
    }

    fn opaque(raw: &'a str, scheme: &'a str, rest: &'a str) -> Self {
        let (user, params) = split_before(rest, b';');
        Self {
            raw,
            scheme,
            user: Some(user),
            password: None,
            host: "",
            port: None,
            params,
            headers: None,
        }
    }

    /// Whether the scheme is `sip` or `sips`.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        is_sip_scheme(self.scheme)
    }

    /// The value of a parameter, not unescaped; an empty text for a parameter without a value such
    /// as `lr`, `None` if it is absent.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.split(';').skip(1).find_map(|param| {
            let (found, value) = param.split_once('=').unwrap_or((param, ""));
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Whether it names a loose router (RFC 3261 section 16.12).
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The host as an address, if it is one rather than a name.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }
}

/// Where the parts of a URI end.
#[derive(Default)]
struct Marks {
    /// The first colon, which ends the scheme.
    colon: Option<usize>,
    /// The first at sign, which ends the user part.
    at: Option<usize>,
    second_at: bool,
    /// The first semicolon after the user part and before the question mark.
    semicolon: Option<usize>,
    /// The first question mark after the user part, which may hold some itself.
    question: Option<usize>,
}

impl Marks {
    fn find(raw: &str) -> Result<Self, UriError> {
        let mut marks = Self::default();
        for (index, byte) in raw.bytes().enumerate() {
            if is_forbidden_in_uri(byte) {
                return Err(UriError::BadCharacter);
            }
            if !is_uri_mark(byte) {
                continue;
            }
            match byte {
                b':' if marks.colon.is_none() => marks.colon = Some(index),
                b'@' if marks.at.is_some() => marks.second_at = true,
                b'@' => {
                    marks.at = Some(index);
                    (marks.semicolon, marks.question) = (None, None);
                }
                b'?' if marks.question.is_none() => marks.question = Some(index),
                b';' if marks.semicolon.is_none() && marks.question.is_none() => {
                    marks.semicolon = Some(index);
                }
                _ => {}
            }
        }
        Ok(marks)
    }
}

/// A part of a text between ASCII bytes.
fn piece(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

/// A host as an address, brackets allowed; `None` if it is a name.
pub(super) fn host_ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// Splits `host[:port]`, the host being a name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn split_host_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, rest) = if text.starts_with('[') {
        let end = text.find(']').ok_or(UriError::BadHost)?;
        let (host, rest) = text.split_at_checked(end + 1).ok_or(UriError::BadHost)?;
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if address.is_none_or(|address| address.parse::<Ipv6Addr>().is_err()) {
            return Err(UriError::BadHost);
        }
        (host, rest)
    } else {
        let (host, rest) = split_before(text, b':');
        if host.is_empty() || !host.bytes().all(is_host_byte) {
            return Err(UriError::BadHost);
        }
        (host, rest)
    };
    let Some(port) = rest.strip_prefix(':') else {
        return if rest.is_empty() { Ok((host, None)) } else { Err(UriError::BadHost) };
    };
    Ok((host, Some(parse_port(port).ok_or(UriError::BadPort)?)))
}

/// Reads a port from 1 to 65535.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let port = u16::try_from(number(text.as_bytes())?).ok()?;
    (port > 0).then_some(port)
}

fn is_sip_scheme(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
}

fn is_scheme(scheme: &str) -> bool {
    scheme.bytes().all(is_token_byte)
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// Splits before the first `at`, an ASCII byte. Texts here are short: a plain loop is the fastest.
fn split_before(text: &str, at: u8) -> (&str, &str) {
    let middle = text.bytes().position(|byte| byte == at).unwrap_or(text.len());
    text.split_at_checked(middle).unwrap_or((text, ""))
}

/// Splits around the first `at`, an ASCII byte.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let middle = text.bytes().position(|byte| byte == at)?;
    Some((text.get(..middle)?, text.get(middle + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_sip_uri_apart() {
        let uri = Uri::parse("sip:+49;x=1?y:secret@[2001:db8::1]:5070;transport=udp;lr?Subject=hi")
            .unwrap();
        assert_eq!(uri.scheme, "sip");
        assert_eq!((uri.user, uri.password), (Some("+49;x=1?y"), Some("secret")));
        assert_eq!((uri.host, uri.port), ("[2001:db8::1]", Some(5070)));
        assert_eq!(uri.host_ip(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!((uri.param("Transport"), uri.param("maddr")), (Some("udp"), None));
        assert!(uri.is_sip() && uri.is_loose_router());
        assert_eq!(uri.headers, Some("Subject=hi"));
    }

    #[test]
    fn takes_a_host_alone() {
        let uri = Uri::parse("SIPS:example.com").unwrap();
        assert!(uri.is_sip());
        assert_eq!(
            (uri.user, uri.host, uri.port, uri.host_ip()),
            (None, "example.com", None, None)
        );
    }

    #[test]
    fn parameters_end_at_the_question_mark() {
        let uri = Uri::parse("sip:h;lr?a=;x=1?").unwrap();
        assert_eq!((uri.host, uri.params, uri.headers), ("h", ";lr", Some("a=;x=1?")));
        let uri = Uri::parse("sip:h?a=;x=1").unwrap();
        assert_eq!((uri.host, uri.params, uri.headers), ("h", "", Some("a=;x=1")));
        let uri = Uri::parse("sip:u;x?y@h;lr").unwrap();
        assert_eq!((uri.user, uri.params, uri.headers), (Some("u;x?y"), ";lr", None));
    }

    #[test]
    fn keeps_other_schemes_whole() {
        let uri = Uri::parse("tel:+1-201-555-0123;phone-context=example.com").unwrap();
        assert_eq!((uri.user, uri.host), (Some("+1-201-555-0123"), ""));
        assert_eq!(uri.param("phone-context"), Some("example.com"));
        assert_eq!(Uri::parse("urn:service:sos").unwrap().user, Some("service:sos"));
        assert_eq!(Uri::parse("soap.beep://192.0.2.103:3002").unwrap().scheme, "soap.beep");
    }

    #[test]
    fn refuses_what_is_no_uri() {
        for (text, error) in [
            ("", UriError::NoScheme),
            ("sip:", UriError::NoScheme),
            ("example.com", UriError::NoScheme),
            ("1sip:a@b", UriError::NoScheme),
            ("sip:a b@c", UriError::BadCharacter),
            ("<sip:a@b>", UriError::BadCharacter),
            ("sip:a@", UriError::BadHost),
            ("sip:a@b@c", UriError::BadHost),
            ("sip:@c", UriError::BadHost),
            ("sip:a@[::g]", UriError::BadHost),
            ("sip:a@[::1]x", UriError::BadHost),
            ("sip:a@[::1", UriError::BadHost),
            ("sip:a@h,i", UriError::BadHost),
            ("sip:a?b@", UriError::BadHost),
            ("sip:?b", UriError::BadHost),
            ("sip:;lr", UriError::BadHost),
            ("sip:a@b:", UriError::BadPort),
            ("sip:a@b:0", UriError::BadPort),
            ("sip:a@b:65536", UriError::BadPort),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }
}
