//! Connections: TCP, TLS and WebSocket, accepted and opened, used again for as long as they live.
//!
//! | file | what |
//! |---|---|
//! | `options`, `counters` | limits and times; metrics |
//! | `table` | which listeners and connections there are |
//! | `accept`, `dial` | how a connection begins |
//! | `connection` | reading and writing one |
//! | `tls`, `certificate` | certificates, read again when they change |
//! | `revoking` | refuses clients whose certificates were revoked |
//! | `identity` | whether a server is the one that we meant |
//!
//! A connection is named by its [`Hop`]: how, our listener's address, and the peer's. What is sent
//! on a hop goes over that connection if it lives; [`Streams::dial`] opens one.
//!
//! Invariant: the number of connections, what waits to be written to each, and what is read of each
//! are bounded; a connection that breaks a bound is closed and counted.

mod accept;
mod certificate;
mod connection;
mod counters;
mod dial;
mod identity;
mod options;
mod revoking;
mod table;
mod tls;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use holdline_model::{Hop, Transport};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use connection::{Connection, End};
use counters::Counters;
use table::{Full, Handle, Table};

pub use certificate::CertificateFacts;
pub use options::StreamOptions;
pub use revoking::IsRevoked;
pub use tls::{ClientCertificates, Tls, TlsError, TlsFiles};

/// A message that came over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Over which.
    pub hop: Hop,
    /// The message; it owns exactly its own bytes.
    pub bytes: Bytes,
}

/// A message that was to be sent over a connection that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Over which.
    pub hop: Hop,
    /// The message.
    pub bytes: Bytes,
}

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOutcome {
    /// It is in line; it is lost if the connection breaks.
    Queued,
    /// There is no such connection.
    NoConnection,
    /// The peer does not take what it is sent, and was cut.
    Slow,
    /// No connection may be opened: a limit is reached, our address is not held, or the transport
    /// cannot be dialled.
    Refused,
}

/// All listeners and connections of a node. Cloning gives another handle.
#[derive(Clone)]
pub struct Streams {
    inner: Arc<Inner>,
}

struct Inner {
    options: StreamOptions,
    tls: Tls,
    /// Guards the table alone; nothing waits while it is held.
    table: RwLock<Table>,
    packets: mpsc::Sender<Packet>,
    unsent: mpsc::Sender<Unsent>,
    tasks: TaskTracker,
    stop: CancellationToken,
    counters: Arc<Counters>,
}

/// What connections bring.
#[derive(Debug)]
pub struct StreamEvents {
    /// Messages.
    pub packets: mpsc::Receiver<Packet>,
    /// Messages that could not be sent, so that whoever sent them need not wait for an answer.
    pub unsent: mpsc::Receiver<Unsent>,
}

impl Streams {
    /// Makes an empty set. Tasks run on `tasks` until `stop` is cancelled.
    #[must_use]
    pub fn new(
        options: StreamOptions,
        tls: Tls,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Self, StreamEvents) {
        let (packets, received) = mpsc::channel(options.queue_messages.max(1));
        let (unsent, lost) = mpsc::channel(options.queue_messages.max(1));
        let inner = Inner {
            options,
            tls,
            table: RwLock::default(),
            packets,
            unsent,
            tasks,
            stop,
            counters: Arc::new(Counters::new()),
        };
        let events = StreamEvents { packets: received, unsent: lost };
        (Self { inner: Arc::new(inner) }, events)
    }

    /// Listens at `addr`; returns the address, which differs only if its port is 0. Listening twice
    /// does nothing. Must be called within a tokio runtime; does not block.
    ///
    /// # Errors
    /// The operating system refuses, or TLS is asked for and there is no certificate.
    pub fn listen(&self, transport: Transport, addr: SocketAddr) -> io::Result<SocketAddr> {
        if self.is_listening(transport, addr) {
            return Ok(addr);
        }
        if transport.is_secure() && self.inner.tls.current().is_none() {
            return Err(io::Error::other("there is no certificate"));
        }
        let listener = accept::open(addr)?;
        let local = listener.local_addr()?;
        let stop = self.inner.stop.child_token();
        self.inner.write().listeners.insert((transport, local), stop.clone());
        let accept = accept::run(Arc::clone(&self.inner), transport, local, listener, stop);
        self.inner.tasks.spawn(accept);
        info!(%local, transport = transport.param(), "listening");
        Ok(local)
    }

    /// Stops listening at `addr` and closes its connections; false if nothing listened.
    pub fn close(&self, transport: Transport, addr: SocketAddr) -> bool {
        let stop = self.inner.write().listeners.remove(&(transport, addr));
        let Some(stop) = stop else { return false };
        stop.cancel();
        info!(local = %addr, transport = transport.param(), "not listening any more");
        true
    }

    /// True if something listens at `addr`.
    #[must_use]
    pub fn is_listening(&self, transport: Transport, addr: SocketAddr) -> bool {
        self.inner.read().listeners.contains_key(&(transport, addr))
    }

    /// Connections by transport, in the order of [`Transport::ALL`].
    #[must_use]
    pub fn connections(&self) -> [usize; Transport::ALL.len()] {
        self.inner.read().count_by_transport()
    }

    /// The one connection of the same kind and listener from the same host as a hop's peer; `None` if
    /// there is none, or if it cannot be told which.
    #[must_use]
    pub fn only_one_from(&self, hop: Hop) -> Option<Hop> {
        self.inner.read().only_one_from(hop)
    }

    /// Who the peer of a connection is by the certificate that it has shown (RFC 5922 section 7.1), if it has
    /// shown one and the connection is open.
    #[must_use]
    pub fn identities(&self, hop: &Hop) -> Option<Arc<[String]>> {
        self.inner.read().get(hop)?.identities.get().cloned()
    }

    /// The certificates.
    #[must_use]
    pub fn tls(&self) -> &Tls {
        &self.inner.tls
    }

    /// Sends over the connection of this name, if there is one. Never waits.
    pub fn send(&self, hop: Hop, bytes: Bytes) -> StreamOutcome {
        let handle = self.inner.read().get(&hop).cloned();
        match handle {
            Some(handle) => self.inner.enqueue(&handle, bytes),
            None => StreamOutcome::NoConnection,
        }
    }

    /// The same, opening the connection to the hop's peer if there is none. `name`: whose
    /// certificate is expected; by default the peer's address. What cannot be sent because the
    /// connection cannot be opened comes back in [`StreamEvents::unsent`].
    pub fn dial(&self, hop: Hop, name: Option<&str>, bytes: Bytes) -> StreamOutcome {
        self.dial_as(hop, name, None, bytes)
    }

    /// The same, showing another certificate than ours, if the peer asks for one.
    pub fn dial_as(
        &self,
        hop: Hop,
        name: Option<&str>,
        identity: Option<Tls>,
        bytes: Bytes,
    ) -> StreamOutcome {
        match self.send(hop, bytes.clone()) {
            StreamOutcome::NoConnection => dial::start(&self.inner, hop, name, identity, bytes),
            outcome @ (StreamOutcome::Queued | StreamOutcome::Slow | StreamOutcome::Refused) => {
                outcome
            }
        }
    }
}

impl Inner {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, handle: &Handle, bytes: Bytes) -> StreamOutcome {
        if handle.stop.is_cancelled() {
            return StreamOutcome::NoConnection;
        }
        if handle.enqueue(bytes, self.options.write_queue_bytes) {
            return StreamOutcome::Queued;
        }
        Counters::unsent("slow");
        handle.stop.cancel();
        StreamOutcome::Slow
    }

    /// Makes room for a connection; `None` if there is none.
    fn admit(&self, hop: Hop) -> Option<(Handle, mpsc::Receiver<Bytes>)> {
        let mut table = self.write();
        let listener = table.listeners.get(&(hop.transport, hop.local)).cloned();
        let Some(listener) = listener else {
            Counters::refused("no_listener");
            return None;
        };
        let (total, per_source) =
            (self.options.max_connections, self.options.max_connections_per_source);
        if let Err(full) = table.room(hop.peer.ip(), total, per_source) {
            Counters::refused(match full {
                Full::Total => "total",
                Full::Source => "source",
            });
            return None;
        }
        let (queue, queued) = mpsc::channel(self.options.write_queue_messages.max(1));
        let handle = table.insert(hop, queue, listener.child_token());
        self.counters.connections.set(u32::try_from(table.len()).unwrap_or(u32::MAX));
        Some((handle, queued))
    }

    fn connection(&self, hop: Hop, handle: Handle) -> Connection {
        Connection {
            hop,
            options: self.options,
            handle,
            packets: self.packets.clone(),
            counters: Arc::clone(&self.counters),
            active_ms: std::sync::atomic::AtomicU64::new(0),
            born: Instant::now(),
        }
    }

    fn ended(&self, hop: &Hop, id: u64, end: End) {
        let mut table = self.write();
        table.remove(hop, id);
        self.counters.connections.set(u32::try_from(table.len()).unwrap_or(u32::MAX));
        drop(table);
        Counters::closed(end.as_str());
        debug!(%hop, reason = end.as_str(), "connection closed");
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("connections", &self.inner.read().len())
            .finish_non_exhaustive()
    }
}
