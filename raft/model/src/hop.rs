//! One hop of a message: how it travels, and its two ends.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The transport of a leg (RFC 3261 section 18, RFC 7118).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Transport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Its name in a Via.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Its name in the `transport` parameter of a URI and in configuration, in lower case.
    #[must_use]
    pub const fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Reads either name, whatever its case; `None` for a transport that we do not have.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.param().eq_ignore_ascii_case(name))
    }

    /// Whether it delivers what was sent or breaks: then nothing is retransmitted (RFC 3261 section
    /// 17), and messages travel over connections.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// Whether it is encrypted.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::Ws => false,
            Self::Tls | Self::Wss => true,
        }
    }

    /// The port where none is named (RFC 3261 section 18.2.1, RFC 7118 section 5.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Between which two addresses a message travels, and how.
///
/// Over a connection that the peer opened, `peer` is the end that it was opened from, which answers
/// but takes no connections. What is sent when that connection is gone says itself where it goes:
/// an answer by its Via, a request by its Route or Request-URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hop {
    /// How.
    pub transport: Transport,
    /// The address of ours: of the listener, also for connections that we open.
    pub local: SocketAddr,
    /// The peer's address.
    pub peer: SocketAddr,
}

impl Hop {
    /// A hop over UDP.
    #[must_use]
    pub const fn udp(local: SocketAddr, peer: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, peer }
    }

    /// The same with another peer's address.
    #[must_use]
    pub const fn to(self, peer: SocketAddr) -> Self {
        Self { peer, ..self }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} and {}", self.transport, self.local, self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_transports_are_read_in_any_case() {
        for transport in Transport::ALL {
            assert_eq!(Transport::parse(transport.as_str()), Some(transport));
            assert_eq!(Transport::parse(transport.param()), Some(transport));
        }
        assert_eq!(Transport::parse("SCTP"), None);
    }
}
