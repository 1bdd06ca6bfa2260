//! Takes datagrams from the sockets and from other nodes, parses each once, and hands it to the shard
//! or to the node that owns its slot.
//!
//! It keeps no state of calls and answers nothing itself. A datagram for a slot without an owner that
//! can be reached, or for a shard whose queue is full, is dropped and counted: the peer sends it
//! again.
//!
//! What came over a connection is not sent again. If its shard's queue is full it waits here, and
//! until it has found its place nothing more is taken from connections and from other nodes: their
//! queues fill up, connections are not read, and the peers' windows close.
//!
//! Invariant: nothing that came over a connection is dropped because a shard's queue is full. What waits
//! is at most what one turn had taken.

use std::sync::Arc;

use bytes::Bytes;
use holdline_call::{Input, ProbeId};
use holdline_cluster::forward::{Direction, Forwarded, Forwarder, Received};
use holdline_cluster::ownership::SlotTable;
use holdline_model::{Hop, NodeId, Token};
use holdline_sip::message::{Message, Method, ParseErrorKind};
use holdline_transport::{Datagram, Packet, StreamEvents, Unsent};
use metrics::counter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::destination::{self, Destination};
use super::egress::Egress;
use super::held::Held;
use super::shard::ToShard;
use super::trunks::{TellTrunks, ToTrunks};
use super::{SharedTable, shard_of};
use crate::protect::Protection;
use crate::protect::pressure::{Pressure, QueueWatch};

/// What the dispatcher works with.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    pub(crate) me: NodeId,
    pub(crate) table: SharedTable,
    pub(crate) shards: Vec<mpsc::Sender<ToShard>>,
    pub(crate) forwarder: Forwarder,
    pub(crate) egress: Egress,
    pub(crate) protection: Arc<Protection>,
    pub(crate) tell_trunks: TellTrunks,
    /// Trunks are known by the certificates of their connections.
    pub(crate) knows_certificates: bool,
    /// What waits for room in a shard's queue, in order.
    pub(crate) held: Held,
}

/// Where datagrams come from.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) sockets: mpsc::Receiver<Vec<Datagram>>,
    /// `None` on a machine without connections.
    pub(crate) streams: Option<StreamEvents>,
    pub(crate) nodes: mpsc::Receiver<Vec<Received>>,
}

/// Runs until `stop` is cancelled.
pub(crate) async fn run(dispatcher: Dispatcher, mut sources: Sources, stop: CancellationToken) {
    let mut watch = Pressure::dispatcher();
    loop {
        if sources.sockets.is_empty() {
            watch.idle();
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(mut batch) = sources.sockets.recv() => {
                dispatcher.screened(&mut batch, &mut watch, !sources.sockets.is_empty());
                let table = dispatcher.table.load();
                for Datagram { local, peer, bytes } in batch {
                    dispatcher.arrived(&table, Hop::udp(local, peer), bytes, 0);
                }
                if !sources.sockets.is_empty() {
                    // As in a shard: others must not wait until a flood is over.
                    tokio::task::yield_now().await;
                }
            }
            room = dispatcher.held.room(&dispatcher.shards), if !dispatcher.held.is_empty() => {
                let Some((shard, permit)) = room else { return };
                dispatcher.held.give(shard, permit);
            }
            Some(batch) = sources.nodes.recv(), if dispatcher.held.is_empty() => {
                dispatcher.forwarded(batch);
            }
            Some(event) = next(&mut sources.streams), if dispatcher.held.is_empty() => {
                dispatcher.stream_event(event);
            }
            else => return,
        }
    }
}

/// What a connection brings.
enum FromStream {
    Packet(Packet),
    Unsent(Unsent),
}

async fn next(streams: &mut Option<StreamEvents>) -> Option<FromStream> {
    let streams = streams.as_mut()?;
    tokio::select! {
        packet = streams.packets.recv() => packet.map(FromStream::Packet),
        unsent = streams.unsent.recv() => unsent.map(FromStream::Unsent),
    }
}

impl Dispatcher {
    /// Drops what the shield and the bans turn away. Datagrams from other nodes were looked at there.
    fn screened(&self, batch: &mut Vec<Datagram>, watch: &mut QueueWatch, left: bool) {
        let protection = &self.protection;
        watch.taken(&protection.pressure, protection.clock.monotonic(), left);
        let mut screen = protection.screen();
        batch.retain(|datagram| screen.passes(datagram.peer, &datagram.bytes));
    }

    fn stream_event(&self, event: FromStream) {
        let table = self.table.load();
        match event {
            FromStream::Packet(Packet { hop, bytes }) => {
                if self.protection.screen().passes(hop.peer, &bytes) {
                    self.arrived(&table, hop, bytes, 0);
                }
            }
            FromStream::Unsent(unsent) => self.unsent(&table, unsent),
        }
    }

    /// A message of a call of ours could not be sent. One that was sent for another node is lost, and
    /// that node's timers find out.
    fn unsent(&self, table: &SlotTable, unsent: Unsent) {
        let Ok(message) = Message::parse(unsent.bytes) else { return };
        let token = message.top_via().branch.and_then(|b| Token::from_branch(b.as_bytes()));
        let Some(slot) = token.map(|token| token.call.slot) else { return };
        if table.ownership(slot).is_some_and(|ownership| ownership.owner == self.me) {
            self.to_shard(shard_of(slot, self.shards.len()), Input::Unsent { message });
        }
    }

    fn forwarded(&self, batch: Vec<Received>) {
        let table = self.table.load();
        for Received { datagram, .. } in batch {
            let Forwarded { direction, hop, bytes, hops } = datagram;
            match direction {
                Direction::Ingress => self.arrived(&table, hop, bytes, hops),
                Direction::Egress => self.egress.send(hop, bytes, hops),
            }
        }
    }

    fn arrived(&self, table: &SlotTable, hop: Hop, bytes: Bytes, hops: u8) {
        match Message::parse(bytes.clone()) {
            Ok(message) => self.message(table, hop, message, bytes, hops),
            Err(error) if error.kind == ParseErrorKind::KeepAlive => {
                counter!("holdline_sip_keepalives_total").increment(1);
            }
            Err(error) => {
                let reason = error.kind.as_str();
                counter!("holdline_sip_malformed_total", "reason" => reason).increment(1);
                self.to_shard(0, Input::Malformed { hop, error });
            }
        }
    }

    fn message(&self, table: &SlotTable, hop: Hop, message: Message, bytes: Bytes, hops: u8) {
        let slot = match destination::find(&message, hop.local, table) {
            Destination::Slot(slot) => slot,
            Destination::Anywhere => {
                // Any slot of ours will do; without one, this node has nothing to say.
                let Some((slot, _)) = table.owned_by(self.me).next() else {
                    dropped("unknown_slot");
                    return;
                };
                self.to_shard(shard_of(slot, self.shards.len()), Input::Sip { hop, message, slot });
                return;
            }
            Destination::Probe(probe) => {
                self.probe_answered(probe, &message);
                return;
            }
            Destination::UnknownAddress => {
                dropped("unknown_address");
                return;
            }
        };
        match table.ownership(slot).map(|ownership| ownership.owner) {
            Some(owner) if owner == self.me => {
                let shard = shard_of(slot, self.shards.len());
                self.to_shard(shard, Input::Sip { hop, message, slot });
            }
            Some(_) if hops == 0 && self.is_proved_here(&message, hop) => {
                // Its slot, and with it the address that it came to, has just moved: the connection is about
                // to be closed, and whoever called says it again over the next one. The owner would take it
                // for a stranger's.
                dropped("proved_elsewhere");
            }
            Some(owner) => {
                // What cannot be forwarded is counted by the forwarder.
                let _outcome = self.forwarder.ingress(owner, hop, bytes, hops);
            }
            None => dropped("unknown_slot"),
        }
    }

    /// Whether only this node can know who starts this call, by the certificate of its connection.
    fn is_proved_here(&self, message: &Message, hop: Hop) -> bool {
        self.knows_certificates
            && hop.transport.is_secure()
            && *message.method() == Method::Invite
            && message.is_request()
            && message.to().tag.is_none()
            && self.egress.ports.identities(&hop).is_some()
    }

    /// The answer to a probe of ours; one of another node came too late, its address has moved here.
    fn probe_answered(&self, probe: ProbeId, message: &Message) {
        match message.status() {
            Some(status) if probe.node == self.me => {
                self.tell_trunks.tell(ToTrunks::Answer { number: probe.number, status });
            }
            Some(_) | None => dropped("stray_probe"),
        }
    }

    fn to_shard(&self, shard: usize, input: Input) {
        if !self.held.offer(&self.shards, shard, input) {
            dropped("shard_queue_full");
        }
    }
}

pub(super) fn dropped(reason: &'static str) {
    counter!("holdline_sip_dropped_total", "reason" => reason).increment(1);
}
