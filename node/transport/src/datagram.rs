//! One UDP datagram, with both its ends.

use std::net::SocketAddr;

use bytes::Bytes;

/// A datagram received, or to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The address of ours that it was sent to, or leaves from.
    pub local: SocketAddr,
    /// Where it came from, or goes to.
    pub peer: SocketAddr,
    /// The payload. It owns exactly its own bytes, so keeping it for the life of a call does not
    /// keep a receive buffer alive.
    pub bytes: Bytes,
}
