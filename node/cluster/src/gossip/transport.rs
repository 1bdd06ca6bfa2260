//! The transport that is put under `chitchat`: UDP with sealed datagrams.
//!
//! Invariant: an error of one datagram, sent or received, never ends the gossip.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use metrics::{Counter, counter};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::seal::{MAX_SEALED_BYTES, Seal};
use super::socket::{GossipNetwork, GossipSocket};

/// Opens sealed sockets.
pub(super) struct SealedTransport {
    pub(super) network: GossipNetwork,
    pub(super) seal: Seal,
    pub(super) report_every: Duration,
}

struct SealedSocket {
    socket: Box<dyn GossipSocket>,
    seal: Seal,
    buffer: Vec<u8>,
    report: Report,
    sent: Counter,
    received: Counter,
    foreign: Counter,
    malformed: Counter,
    too_long: Counter,
    send_failed: Counter,
    receive_failed: Counter,
}

#[async_trait]
impl Transport for SealedTransport {
    async fn open(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = self.network.open(listen).await?;
        let dropped = |reason| counter!("holdline_gossip_dropped_total", "reason" => reason);
        Ok(Box::new(SealedSocket {
            socket,
            seal: self.seal.clone(),
            // One byte more than can come, so that nothing is cut off unnoticed.
            buffer: vec![0; MAX_SEALED_BYTES + 1],
            report: Report { every: self.report_every, last: None, unreported: 0 },
            sent: counter!("holdline_gossip_sent_total"),
            received: counter!("holdline_gossip_received_total"),
            foreign: dropped("foreign"),
            malformed: dropped("malformed"),
            too_long: dropped("too_long"),
            send_failed: dropped("send_failed"),
            receive_failed: dropped("receive_failed"),
        }))
    }
}

#[async_trait]
impl Socket for SealedSocket {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let Some(datagram) = self.seal.seal(&message.serialize_to_vec()) else {
            self.too_long.increment(1);
            warn!(%to, "a gossip message is too long for UDP and was not sent");
            return Ok(());
        };
        match self.socket.send_to(&datagram, to).await {
            Ok(()) => self.sent.increment(1),
            Err(error) => {
                self.send_failed.increment(1);
                debug!(%to, %error, "cannot send gossip");
            }
        }
        Ok(())
    }

    /// Cancel-safe: a datagram is taken from the kernel and returned without a wait in between.
    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            let (length, from) = match self.socket.recv_from(&mut self.buffer).await {
                Ok(received) => received,
                Err(error) => {
                    self.receive_failed.increment(1);
                    debug!(%error, "cannot receive gossip");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    continue;
                }
            };
            if let Some(message) = self.open(length, from) {
                return Ok((from, message));
            }
        }
    }
}

impl SealedSocket {
    fn open(&mut self, length: usize, from: SocketAddr) -> Option<ChitchatMessage> {
        let Ok(plain) = self.seal.open(self.buffer.get(..length)?) else {
            self.foreign.increment(1);
            self.report.foreign(from);
            return None;
        };
        let mut rest = plain.as_slice();
        match ChitchatMessage::deserialize(&mut rest) {
            Ok(message) => {
                self.received.increment(1);
                Some(message)
            }
            Err(error) => {
                // It has the cluster's key: another version, or a defect.
                self.malformed.increment(1);
                debug!(%from, %error, "cannot read a gossip message");
                None
            }
        }
    }
}

/// Reports foreign datagrams, but not each.
struct Report {
    every: Duration,
    last: Option<Instant>,
    unreported: u64,
}

impl Report {
    fn foreign(&mut self, from: SocketAddr) {
        if self.last.is_some_and(|last| last.elapsed() < self.every) {
            self.unreported = self.unreported.saturating_add(1);
            return;
        }
        let unreported = std::mem::take(&mut self.unreported);
        self.last = Some(Instant::now());
        warn!(
            source = %from,
            unreported,
            "dropped a gossip datagram that is not sealed with this cluster's key and id; \
             check the key of the node at this address, or block it"
        );
    }
}

/// Keeps a broken socket from using a whole core.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);
