//! Sends a datagram from the address that the peer knows: here if this node holds it, else through
//! the node that does.

use bytes::Bytes;
use holdline_cluster::forward::Forwarder;
use holdline_model::{Hop, NodeId};
use holdline_transport::{Datagram, SendOutcome, Sockets};
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
    /// Whether this node can send from every address that goes with its slots.
    pub(crate) fn is_home(&self) -> bool {
        let addresses = self.table.load().addresses_of(self.me);
        addresses.into_iter().all(|address| self.sockets.is_bound(address))
    }

    /// Sends; what cannot be sent is dropped and counted, as UDP allows. Never waits. `hops` is how
    /// often the datagram was forwarded before: 0 if it is this node's own.
    pub(crate) fn send(&self, hop: Hop, bytes: Bytes, hops: u8) {
        // The address may go between the question and the send; every other outcome is counted
        // where it is found out.
        let is_here = self.sockets.is_bound(hop.local);
        if !is_here || self.sockets.send(hop.local, hop.peer, &bytes) == SendOutcome::UnknownFrom {
            self.forward(hop, bytes, hops);
        }
    }

    /// Sends datagrams of this node's own, in order, with as few system calls as can be. The same holds as
    /// for [`Egress::send`].
    pub(crate) fn send_all(&self, outbox: &mut Vec<Datagram>) {
        self.sockets.send_batch(outbox);
        for Datagram { local, peer, bytes } in outbox.drain(..) {
            self.forward(Hop::udp(local, peer), bytes, 0);
        }
    }

    fn forward(&self, hop: Hop, bytes: Bytes, hops: u8) {
        match self.table.load().holder_of(hop.local) {
            Some(holder) if holder != self.me => {
                self.forwarder.egress(holder, hop, bytes, hops);
            }
            Some(_) | None => counter!("holdline_egress_homeless_total").increment(1),
        }
    }
}
