//! Sends a datagram from the address that the peer knows: here if this node holds it, else through
//! the node that does.

use std::net::SocketAddr;

use bytes::Bytes;
use holdline_cluster::forward::Forwarder;
use holdline_model::NodeId;
use holdline_transport::{SendOutcome, Sockets};
use metrics::counter;

use super::SharedTable;

/// Where outgoing datagrams go. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Egress {
    pub(crate) me: NodeId,
    pub(crate) sockets: Sockets,
    pub(crate) forwarder: Forwarder,
    pub(crate) table: SharedTable,
}

impl Egress {
    /// Sends; what cannot be sent is dropped and counted, as UDP allows. Never waits.
    pub(crate) fn send(&self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        if self.sockets.is_bound(from) {
            // Every other outcome is counted where it is found out.
            let _outcome = self.sockets.send(from, to, &bytes);
            return;
        }
        self.forward(from, to, bytes, 0);
    }

    /// Sends what another node asked this one to send, because it held `from` when it asked.
    pub(crate) fn send_for_another(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Bytes,
        hops: u8,
    ) {
        match self.sockets.is_bound(from) {
            true => {
                let outcome = self.sockets.send(from, to, &bytes);
                if outcome == SendOutcome::UnknownFrom {
                    self.forward(from, to, bytes, hops);
                }
            }
            false => self.forward(from, to, bytes, hops),
        }
    }

    fn forward(&self, from: SocketAddr, to: SocketAddr, bytes: Bytes, hops: u8) {
        match self.table.load().holder_of(from) {
            Some(holder) if holder != self.me => {
                self.forwarder.egress(holder, from, to, bytes, hops);
            }
            Some(_) | None => counter!("holdline_egress_homeless_total").increment(1),
        }
    }
}
