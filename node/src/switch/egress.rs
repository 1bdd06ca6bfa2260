//! Sends a datagram from the address that the peer knows: here if this node holds it, else through
//! the node that does.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use holdline_cluster::forward::Forwarder;
use holdline_model::{Hop, NodeId, Transport};
use holdline_sip::message::Message;
use holdline_transport::{Datagram, Ports, SendOutcome, StreamOutcome, Streams};
use metrics::counter;

use super::again::Again;
use super::flows::{Flows, Found};
use super::tls_peers::{TlsPeer, TlsPeers};
use super::{SharedTable, next_hop};

/// Where outgoing datagrams go. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Egress {
    pub(crate) me: NodeId,
    pub(crate) ports: Ports,
    pub(crate) forwarder: Forwarder,
    pub(crate) table: SharedTable,
    pub(crate) tls_peers: Arc<TlsPeers>,
    pub(crate) flows: Flows,
    pub(crate) again: Again,
}

impl Egress {
    /// Whether this node can send from every address that goes with its slots.
    pub(crate) fn is_home(&self) -> bool {
        let addresses = self.table.load().addresses_of(self.me);
        addresses.into_iter().all(|address| self.ports.is_bound(address))
    }

    /// The same hop from an address of ours where its transport is open, if it is not open where the
    /// hop says: for what belongs to no call, and may leave from any.
    pub(crate) fn leaving(&self, hop: Hop) -> Hop {
        let is_open = |local: &SocketAddr| self.ports.is_open(hop.transport, *local);
        if is_open(&hop.local) {
            return hop;
        }
        let mut others = self.table.load().addresses_of(self.me).into_iter();
        let other = others.find(|addr| addr.is_ipv4() == hop.peer.is_ipv4() && is_open(addr));
        other.map_or(hop, |local| Hop { local, ..hop })
    }

    /// Sends; what cannot be sent is dropped and counted, as UDP allows. Never waits. `hops` is how
    /// often the datagram was forwarded before: 0 if it is this node's own.
    pub(crate) fn send(&self, hop: Hop, bytes: Bytes, hops: u8) {
        // The address may go between the question and the send; every other outcome is counted
        // where it is found out.
        let is_here = self.ports.is_open(hop.transport, hop.local);
        if !is_here || !self.send_from_here(hop, &bytes) {
            self.forward(hop, bytes, hops);
        }
    }

    /// Sends datagrams of this node's own, in order, with as few system calls as can be. The same holds as
    /// for [`Egress::send`].
    pub(crate) fn send_all(&self, outbox: &mut Vec<Datagram>) {
        self.ports.sockets().send_batch(outbox);
        for Datagram { local, peer, bytes } in outbox.drain(..) {
            self.forward(Hop::udp(local, peer), bytes, 0);
        }
    }

    /// False if the address is not here after all.
    fn send_from_here(&self, hop: Hop, bytes: &Bytes) -> bool {
        if hop.transport == Transport::Udp {
            let sockets = self.ports.sockets();
            return sockets.send(hop.local, hop.peer, bytes) != SendOutcome::UnknownFrom;
        }
        let Some(streams) = self.ports.streams() else { return false };
        if streams.send(hop, bytes.clone()) == StreamOutcome::NoConnection
            && let Ok(message) = Message::parse(bytes.clone())
        {
            self.without_connection(streams, hop, &message, false);
        }
        true
    }

    /// Sends what was put by: this node has applied everything that was committed then.
    pub(crate) fn send_again(&self, hop: Hop, message: &Message) {
        match self.ports.streams().filter(|_| self.ports.is_open(hop.transport, hop.local)) {
            Some(streams) => self.without_connection(streams, hop, message, true),
            None => self.forward(hop, message.bytes().clone(), 0),
        }
    }

    /// The connection of a message is gone: it goes over the one that the peer has opened since, else
    /// over one that is opened to where the message says. `is_current`: the bindings known here are all that
    /// were committed when it was to be sent.
    fn without_connection(&self, streams: &Streams, hop: Hop, message: &Message, is_current: bool) {
        let bytes = message.bytes();
        let found = self.flows.find(message, hop);
        if let Found::Flow(flow) = found {
            let is_here = self.ports.is_open(flow.transport, flow.local);
            if !is_here {
                self.forward(flow, bytes.clone(), 0);
                return;
            }
            if streams.send(flow, bytes.clone()) != StreamOutcome::NoConnection {
                return;
            }
        }
        if found != Found::NoDevice && !is_current && self.again.put(hop, message) {
            return;
        }
        let next = next_hop::find(message, hop);
        // Not to whoever else is behind the same address translator.
        let is_host = message.is_request()
            && message.to().tag.is_some()
            && next.ip().to_canonical() == hop.peer.ip().to_canonical();
        if let Some(flow) = streams.only_one_from(hop).filter(|_| is_host)
            && streams.send(flow, bytes.clone()) != StreamOutcome::NoConnection
        {
            return;
        }
        let TlsPeer { name, identity } = self.tls_peers.find(message, next.ip());
        // What becomes of it is counted there.
        let _outcome = streams.dial_as(hop.to(next), name.as_deref(), identity, bytes.clone());
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
