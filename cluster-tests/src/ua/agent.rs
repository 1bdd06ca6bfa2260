//! An [`Endpoint`] on a UDP socket, or on connections.
//!
//! One task owns endpoint and socket. Orders come over a bounded channel and are answered once
//! they are carried out and their datagrams sent, so that what a test does next (such as killing
//! a node) comes after them. Everything is cancel-safe: a dropped wait loses nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::Endpoint;
use super::ledger::Ledger;
use super::plan::Order;
use super::stream::{Over, Streams};

/// Kernel buffers of the socket, in bytes; the kernel may grant less.
const SOCKET_BUFFER: usize = 4 << 20;
/// Batches of orders waiting at most; more make the sender wait.
const ORDER_QUEUE: usize = 64;
/// Datagrams read before timers and orders are looked at again.
const READ_BATCH: usize = 256;
/// Largest UDP payload.
const DATAGRAM_BYTES: usize = 65_535;
/// How long an idle agent sleeps at most.
const IDLE: Duration = Duration::from_secs(3600);

/// A user agent that runs.
#[derive(Debug)]
pub struct Agent {
    local: SocketAddr,
    orders: mpsc::Sender<Batch>,
    ledger: Arc<Mutex<Ledger>>,
    changed: watch::Receiver<u64>,
    stop: CancellationToken,
}

/// Why an agent failed a test.
#[derive(thiserror::Error)]
pub enum AgentError {
    /// The socket could not be had.
    #[error("cannot listen on {address}: {cause}")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The agent's task has ended.
    #[error("the user agent on {0} has stopped")]
    Stopped(SocketAddr),
    /// A condition was not met in time.
    #[error("user agent on {address}: not within {limit:?}: {what}")]
    Late {
        /// Which agent.
        address: SocketAddr,
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
}

debug_in_words!(AgentError);

#[derive(Debug)]
struct Batch {
    orders: Vec<Order>,
    done: oneshot::Sender<()>,
}

impl Agent {
    /// Starts an agent. Must be called within a Tokio runtime; it ends when dropped.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn start(local: SocketAddr, seed: u64) -> Result<Self, AgentError> {
        Self::start_over(Over::Udp, local, seed)
    }

    /// Starts an agent that speaks over something else.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn start_over(over: Over, local: SocketAddr, seed: u64) -> Result<Self, AgentError> {
        let fault = |cause| AgentError::Socket { address: local, cause };
        let socket = open(local).map_err(fault)?;
        let direct = socket.try_clone().map_err(fault)?;
        let socket = UdpSocket::from_std(socket).map_err(fault)?;
        let local = socket.local_addr().map_err(fault)?;
        let (orders, inbox) = mpsc::channel(ORDER_QUEUE);
        let (version, changed) = watch::channel(0);
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let stop = CancellationToken::new();
        let streams = match over {
            Over::Udp => None,
            Over::Tcp | Over::Tls(_) => {
                Some(Streams::listen(local, over, stop.clone()).map_err(fault)?)
            }
        };
        let run = Run {
            endpoint: Endpoint::new(local, seed),
            ledger: Arc::clone(&ledger),
            version,
            socket,
            direct,
            streams,
            buffer: vec![0; DATAGRAM_BYTES],
        };
        TaskTracker::new().spawn(run.until(stop.clone(), inbox));
        Ok(Self { local, orders, ledger, changed, stop })
    }

    /// Its address.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Gives orders; returns when their datagrams are sent and all datagrams that had come before
    /// are in the ledger.
    ///
    /// # Errors
    /// If the agent has stopped.
    pub async fn order(&self, orders: Vec<Order>) -> Result<(), AgentError> {
        let (done, wait) = oneshot::channel();
        let stopped = || AgentError::Stopped(self.local);
        self.orders.send(Batch { orders, done }).await.map_err(|_| stopped())?;
        wait.await.map_err(|_| stopped())
    }

    /// Returns when all datagrams that have come so far are in the ledger.
    ///
    /// # Errors
    /// If the agent has stopped.
    pub async fn sync(&self) -> Result<(), AgentError> {
        self.order(Vec::new()).await
    }

    /// The ledger, locked: do not hold it across an await.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the ledger meets a condition.
    ///
    /// # Errors
    /// If it does not within `limit`; `what` says what was waited for.
    pub async fn wait(
        &self,
        limit: Duration,
        what: &str,
        met: impl Fn(&Ledger) -> bool,
    ) -> Result<(), AgentError> {
        let mut changed = self.changed.clone();
        let deadline = Instant::now() + limit;
        loop {
            changed.borrow_and_update();
            if met(&self.ledger()) {
                return Ok(());
            }
            match tokio::time::timeout_at(deadline, changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(AgentError::Stopped(self.local)),
                Err(_) => {
                    let (address, what) = (self.local, what.to_owned());
                    return Err(AgentError::Late { address, what, limit });
                }
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
struct Run {
    endpoint: Endpoint,
    ledger: Arc<Mutex<Ledger>>,
    version: watch::Sender<u64>,
    socket: UdpSocket,
    /// The same socket, for reads that must see what is there now, whatever the runtime knows.
    direct: std::net::UdpSocket,
    /// What is used in place of the socket, and what arrives there.
    streams: Option<(Streams, mpsc::Receiver<(SocketAddr, Bytes)>)>,
    buffer: Vec<u8>,
}

impl Run {
    async fn until(mut self, stop: CancellationToken, mut inbox: mpsc::Receiver<Batch>) {
        loop {
            let timer = self.endpoint.next_deadline().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(timer) => self.tick(),
                batch = inbox.recv() => {
                    let Some(batch) = batch else { return };
                    self.carry_out(batch.orders);
                    self.flush().await;
                    // Whoever gave the orders may have gone; they are carried out all the same.
                    let _gone = batch.done.send(());
                }
                Some((from, message)) = next(&mut self.streams) => self.give(from, &message),
                ready = self.socket.readable() => {
                    if ready.is_ok() {
                        self.read_ready();
                    }
                }
            }
            self.flush().await;
            self.version.send_modify(|version| *version += 1);
        }
    }

    fn tick(&mut self) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        self.endpoint.tick(Instant::now(), &mut ledger);
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        while let Ok((length, from)) = self.direct.recv_from(&mut self.buffer) {
            self.take(length, from);
        }
        while let Some((_, inbox)) = &mut self.streams
            && let Ok((from, message)) = inbox.try_recv()
        {
            self.give(from, &message);
        }
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for order in orders {
            self.endpoint.order(Instant::now(), &mut ledger, order);
        }
    }

    fn read_ready(&mut self) {
        for _ in 0..READ_BATCH {
            let (direct, buffer) = (&self.direct, &mut self.buffer);
            let read = self.socket.try_io(Interest::READABLE, || direct.recv_from(buffer));
            let Ok((length, from)) = read else { return };
            self.take(length, from);
        }
    }

    fn take(&mut self, length: usize, from: SocketAddr) {
        let Some(datagram) = self.buffer.get(..length) else { return };
        let datagram = Bytes::copy_from_slice(datagram);
        self.give(from, &datagram);
    }

    fn give(&mut self, from: SocketAddr, datagram: &Bytes) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        self.endpoint.receive(Instant::now(), &mut ledger, from, datagram);
    }

    async fn flush(&mut self) {
        while let Some(datagram) = self.endpoint.poll() {
            if let Some((streams, _)) = &self.streams {
                streams.send(datagram.to, &datagram.bytes);
                continue;
            }
            // What cannot be sent is lost, as on any network: it is sent again.
            let _lost = self.socket.send_to(&datagram.bytes, datagram.to).await;
        }
    }
}

async fn next(
    streams: &mut Option<(Streams, mpsc::Receiver<(SocketAddr, Bytes)>)>,
) -> Option<(SocketAddr, Bytes)> {
    match streams {
        Some((_, inbox)) => inbox.recv().await,
        None => None,
    }
}

fn open(local: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    Ok(socket.into())
}
