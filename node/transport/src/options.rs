//! How sockets are opened and how much may wait in them.

/// Options of [`crate::Sockets`]; [`SocketOptions::default`] is the one set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Receive buffer asked of the kernel for each socket (`SO_RCVBUF`), in bytes. The kernel
    /// grants at most `net.core.rmem_max`; a smaller grant is logged once per socket.
    pub receive_buffer_bytes: usize,
    /// Send buffer asked of the kernel for each socket (`SO_SNDBUF`), in bytes.
    pub send_buffer_bytes: usize,
    /// Largest payload that is delivered, in bytes; a longer datagram is dropped and counted.
    pub max_datagram_bytes: usize,
    /// Datagrams that one batch carries at most.
    pub batch_datagrams: usize,
    /// Batches that wait for the consumer at most; when full, the newest are dropped and counted.
    pub queue_batches: usize,
    /// Set `SO_REUSEADDR`, so that a survivor on the same host can bind the address of a process
    /// that still exists but is paused. On Linux the socket bound last gets the unicast datagrams.
    pub reuse_address: bool,
    /// Set `IP_FREEBIND`, so that an address can be bound that is routed to this host but not (or
    /// not yet) configured on an interface.
    pub free_bind: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            receive_buffer_bytes: 4 << 20,
            send_buffer_bytes: 4 << 20,
            max_datagram_bytes: MAX_UDP_PAYLOAD,
            batch_datagrams: 64,
            queue_batches: 1024,
            reuse_address: true,
            free_bind: false,
        }
    }
}

/// No UDP payload without jumbograms is longer, in bytes.
const MAX_UDP_PAYLOAD: usize = 65_535;
