//! Which listeners and connections there are.
//!
//! Invariant: a connection belongs to a listener, whoever opened it, and ends with it. So the node
//! that holds an address has all connections of that address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use holdline_model::{Hop, Transport};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::CertificateFacts;

/// All of them.
#[derive(Default)]
pub(super) struct Table {
    pub(super) listeners: HashMap<(Transport, SocketAddr), CancellationToken>,
    connections: HashMap<Hop, Handle>,
    sources: HashMap<IpAddr, usize>,
    last_id: u64,
}

/// The way to a connection's task.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) id: u64,
    pub(super) queue: mpsc::Sender<Bytes>,
    pub(super) queued_bytes: Arc<AtomicUsize>,
    pub(super) stop: CancellationToken,
    /// Who the peer is, by its certificate; not known before the handshake is over.
    pub(super) identities: Arc<OnceLock<Arc<[String]>>>,
}

/// Why there is no room for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    Source,
}

impl Table {
    pub(super) fn get(&self, hop: &Hop) -> Option<&Handle> {
        self.connections.get(hop)
    }

    pub(super) fn only_one_from(&self, hop: Hop) -> Option<Hop> {
        let is_alike = |known: &&Hop| {
            known.transport == hop.transport
                && known.local == hop.local
                && known.peer.ip() == hop.peer.ip()
        };
        let mut alike = self.connections.keys().filter(is_alike);
        alike.next().copied().filter(|_| alike.next().is_none())
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn count_by_transport(&self) -> [usize; Transport::ALL.len()] {
        let of = |transport| self.connections.keys().filter(|h| h.transport == transport).count();
        Transport::ALL.map(of)
    }

    pub(super) fn room(&self, peer: IpAddr, total: usize, per_source: usize) -> Result<(), Full> {
        if self.connections.len() >= total {
            return Err(Full::Total);
        }
        let from_there = self.sources.get(&peer).copied().unwrap_or_default();
        if from_there >= per_source { Err(Full::Source) } else { Ok(()) }
    }

    /// Adds a connection; one that is there under the same name is dead, and is told to end.
    pub(super) fn insert(
        &mut self,
        hop: Hop,
        queue: mpsc::Sender<Bytes>,
        stop: CancellationToken,
    ) -> Handle {
        self.last_id += 1;
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let identities = Arc::default();
        let handle = Handle { id: self.last_id, queue, queued_bytes, stop, identities };
        match self.connections.insert(hop, handle.clone()) {
            Some(old) => old.stop.cancel(),
            None => *self.sources.entry(hop.peer.ip()).or_default() += 1,
        }
        handle
    }

    /// Removes a connection, unless another has taken its name.
    pub(super) fn remove(&mut self, hop: &Hop, id: u64) {
        if self.connections.get(hop).is_none_or(|handle| handle.id != id) {
            return;
        }
        self.connections.remove(hop);
        let ip = hop.peer.ip();
        if let Some(count) = self.sources.get_mut(&ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sources.remove(&ip);
            }
        }
    }
}

impl Handle {
    /// The peer has shown these certificates, its own first, and the handshake has checked them.
    pub(super) fn certify(&self, chain: Option<&[CertificateDer<'_>]>) {
        let own = chain.and_then(<[_]>::first);
        if let Some(facts) = own.and_then(|der| CertificateFacts::read(der)) {
            // Said once: a connection has one handshake.
            let _known = self.identities.set(facts.identities().into());
        }
    }

    /// Puts a message in line; false if the line is too long.
    pub(super) fn enqueue(&self, bytes: Bytes, max_bytes: usize) -> bool {
        let length = bytes.len();
        let before = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) > max_bytes || self.queue.try_send(bytes).is_err() {
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
            return false;
        }
        true
    }
}
