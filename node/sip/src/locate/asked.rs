//! What is looked for.

use std::fmt;
use std::net::IpAddr;

use holdline_model::Transport;

use crate::message::Uri;

/// What is looked for: a host, and what its URI says of the way to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    /// A name in lower case, or an address without brackets.
    pub host: String,
    /// The port, if one is named. Then there are no SRV records (RFC 3263 section 4.2).
    pub port: Option<u16>,
    /// The transport, if one is named.
    pub transport: Option<Transport>,
    /// Only what is secure will do (`sips:`).
    pub secure: bool,
}

/// The text is no host that could be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{found}\" is no name of a host, optionally with a port")]
pub struct InvalidHost {
    /// The text.
    pub found: String,
}

impl Asked {
    /// A name with or without a port, such as `sip.example.com:5070`.
    ///
    /// # Errors
    /// [`InvalidHost`], also for an address.
    pub fn name(text: &str, transport: Option<Transport>) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost { found: text.to_owned() };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        if !is_name(host) || port == Some(0) {
            return Err(invalid());
        }
        Ok(Self { host: lower(host), port, transport, secure: false })
    }

    /// What a SIP URI leads to: its `maddr` if it has one, else its host (section 4). `None` for
    /// other URIs, and for a transport that we do not have.
    #[must_use]
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        if !uri.is_sip() {
            return None;
        }
        let host = uri.param("maddr").filter(|maddr| !maddr.is_empty()).unwrap_or(uri.host);
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.parse::<IpAddr>().is_err() && !is_name(bare) {
            return None;
        }
        let secure = uri.scheme.eq_ignore_ascii_case("sips");
        let transport = match uri.param("transport") {
            None => None,
            Some(name) => match (Transport::parse(name)?, secure) {
                // RFC 3261 section 26.2.2: `sips` with TCP is TLS.
                (Transport::Tcp, true) => Some(Transport::Tls),
                (Transport::Ws, true) => Some(Transport::Wss),
                (named, _) => Some(named),
            },
        };
        Some(Self { host: lower(bare), port: uri.port, transport, secure })
    }

    /// The host as an address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the name can be asked for at all: `invalid` never can (RFC 6761), and clients behind
    /// WebSockets name themselves so (RFC 7118 section 5).
    #[must_use]
    pub fn is_askable(&self) -> bool {
        self.host != "invalid" && !self.host.ends_with(".invalid")
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Names are compared without regard to case, and a dot at the end changes nothing.
fn lower(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// RFC 1035 section 2.3.1, and underscores; an address in digits is none.
fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253
        && host.split('.').all(is_label)
        && host.rsplit('.').next().is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Option<Asked> {
        Asked::of(&Uri::parse(uri).unwrap())
    }

    #[test]
    fn a_uri_says_host_port_transport_and_security() {
        let asked = of("sip:a@Example.COM.;transport=TCP").unwrap();
        assert_eq!((asked.to_string(), asked.port), ("example.com".to_owned(), None));
        assert_eq!((asked.transport, asked.secure), (Some(Transport::Tcp), false));
        let asked = of("sips:a@example.com:5081;transport=tcp").unwrap();
        assert_eq!((asked.transport, asked.secure), (Some(Transport::Tls), true));
        assert_eq!(asked.to_string(), "example.com:5081");
        assert_eq!(of("sip:a@h;maddr=192.0.2.9").unwrap().ip(), Some([192, 0, 2, 9].into()));
        assert_eq!(of("sip:[2001:db8::1]:5070").unwrap().to_string(), "[2001:db8::1]:5070");
        assert_eq!(of("tel:+49"), None);
        assert_eq!(of("sip:h;transport=sctp"), None);
    }

    #[test]
    fn a_name_may_have_a_port() {
        let asked = Asked::name("SIP.example.com:5070", None).unwrap();
        assert_eq!((asked.host.as_str(), asked.port), ("sip.example.com", Some(5070)));
        for text in ["", "192.0.2.1", "a..b", "-a.b", "a b", "a:0", "a:x", "[::1]", "a:70000"] {
            assert_eq!(Asked::name(text, None).unwrap_err().found, text);
        }
        assert!(!Asked::name("df7jal23ls0d.invalid", None).unwrap().is_askable());
    }
}
