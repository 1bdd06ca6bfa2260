//! How many connections there may be, and how long each thing may take.

use std::time::Duration;

/// Options of [`crate::Streams`]; [`StreamOptions::default`] is the one set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Connections of all listeners together; more are closed as they come, and counted.
    pub max_connections: usize,
    /// Connections from one IP address.
    pub max_connections_per_source: usize,
    /// A connection over which nothing went either way for so long is closed.
    pub idle_timeout: Duration,
    /// How long opening a connection may take, handshakes apart.
    pub connect_timeout: Duration,
    /// How long the TLS and WebSocket handshakes may take together.
    pub handshake_timeout: Duration,
    /// How long a message may take from its first byte to its last.
    pub message_timeout: Duration,
    /// How long the peer may take to accept what is written; then it is cut.
    pub write_timeout: Duration,
    /// Messages that wait to be written to one peer at most; with more it is cut.
    pub write_queue_messages: usize,
    /// The same in bytes.
    pub write_queue_bytes: usize,
    /// Messages of all connections that wait for the consumer; when full, reading pauses.
    pub queue_messages: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_connections_per_source: 2_000,
            idle_timeout: Duration::from_secs(900),
            connect_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(5),
            message_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
            write_queue_messages: 128,
            write_queue_bytes: 256 << 10,
            queue_messages: 4_096,
        }
    }
}
