//! The UDP sockets of a node: one per address, bound and unbound while it runs.
//!
//! A node on Linux can bind an address that a paused process on the same host still has bound,
//! because both set `SO_REUSEADDR`; the kernel then gives unicast datagrams to the socket bound
//! last. When that one is closed, the earlier one gets them again.
//!
//! Invariant: an answer leaves from the address that the peer used. So only concrete addresses can
//! be bound, and [`Sockets::send`] never picks a source address by itself.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::counters::Counters;
use crate::receive::Receiver;
use crate::send_many::send_many;
use crate::waiting::{KernelQueues, Waiting, ask_for_stamps};
use crate::{Datagram, SocketOptions, Wire};

/// All UDP sockets of a node. Cloning gives another handle to the same sockets.
#[derive(Clone)]
pub struct Sockets {
    inner: Arc<Inner>,
}

struct Inner {
    options: SocketOptions,
    /// Read for every datagram sent, without a lock; replaced as a whole by bind and unbind.
    table: ArcSwap<HashMap<SocketAddr, Bound>>,
    /// Orders those who replace the table.
    change: Mutex<()>,
    batches: mpsc::Sender<Vec<Datagram>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    counters: Arc<Counters>,
    /// What there is in place of the kernel, in a simulation.
    wire: Option<Arc<dyn Wire>>,
}

#[derive(Clone)]
struct Bound {
    port: Port,
    stop: CancellationToken,
}

/// What an address is bound to.
#[derive(Clone)]
enum Port {
    Kernel(Arc<AsyncFd<UdpSocket>>, Arc<Waiting>),
    Wire(Arc<dyn Wire>),
}

/// What became of a datagram that was to be sent. All but `Sent` mean that it was dropped and
/// counted: UDP promises nothing, and the layer above retransmits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The kernel took it.
    Sent,
    /// The source address is not bound: it belongs to another node now.
    UnknownFrom,
    /// The send buffer is full.
    BufferFull,
    /// It is longer than the network takes.
    TooLong,
    /// There is no route, or the source address is no longer on this host.
    Unreachable,
    /// Another error; logged at debug level.
    Failed,
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A wildcard address does not say from where answers leave.
    #[error("{addr} is a wildcard; name the address that peers send to")]
    Wildcard {
        /// The address.
        addr: SocketAddr,
    },
    /// The operating system refused.
    #[error("cannot bind UDP {addr}")]
    Refused {
        /// The address.
        addr: SocketAddr,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The node is stopping.
    #[error("cannot bind UDP {addr}: the node is stopping")]
    Stopping {
        /// The address.
        addr: SocketAddr,
    },
}

impl Sockets {
    /// Makes an empty set, and the queue on which all its sockets deliver what they receive.
    ///
    /// Receive tasks run on `tasks` until their address is unbound or `stop` is cancelled.
    #[must_use]
    pub fn new(
        options: SocketOptions,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Self, mpsc::Receiver<Vec<Datagram>>) {
        Self::build(options, None, tasks, stop)
    }

    /// The same on a simulated network.
    #[must_use]
    pub fn on_wire(
        wire: Arc<dyn Wire>,
        options: SocketOptions,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Self, mpsc::Receiver<Vec<Datagram>>) {
        Self::build(options, Some(wire), tasks, stop)
    }

    fn build(
        options: SocketOptions,
        wire: Option<Arc<dyn Wire>>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Self, mpsc::Receiver<Vec<Datagram>>) {
        let (batches, receiver) = mpsc::channel(options.queue_batches.max(1));
        let inner = Inner {
            options,
            table: ArcSwap::default(),
            change: Mutex::new(()),
            batches,
            tasks,
            stop,
            counters: Arc::new(Counters::new()),
            wire,
        };
        (Self { inner: Arc::new(inner) }, receiver)
    }

    /// Binds `addr` and receives on it from now on. Returns the bound address, which differs from
    /// `addr` only if its port is 0. Binding a bound address does nothing.
    ///
    /// Must be called within a tokio runtime; does not block.
    ///
    /// # Errors
    /// See [`BindError`]; nothing is bound then.
    pub fn bind(&self, addr: SocketAddr) -> Result<SocketAddr, BindError> {
        if addr.ip().is_unspecified() {
            return Err(BindError::Wildcard { addr });
        }
        let _ordered = self.inner.change.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.inner.table.load();
        if table.contains_key(&addr) {
            return Ok(addr);
        }
        if self.inner.stop.is_cancelled() {
            return Err(BindError::Stopping { addr });
        }
        let stop = self.inner.stop.child_token();
        let (local, port) = match &self.inner.wire {
            Some(wire) => {
                let bound = wire.bind(addr, self.inner.batches.clone());
                bound.map_err(|source| BindError::Refused { addr, source })?;
                (addr, Port::Wire(Arc::clone(wire)))
            }
            None => self.listen(addr, &stop)?,
        };
        let mut table = HashMap::clone(&table);
        table.insert(local, Bound { port, stop });
        self.publish(table);
        info!(%local, "bound");
        Ok(local)
    }

    /// Opens a socket of the kernel's and starts to receive on it until `stop`.
    fn listen(
        &self,
        addr: SocketAddr,
        stop: &CancellationToken,
    ) -> Result<(SocketAddr, Port), BindError> {
        let refused = |source| BindError::Refused { addr, source };
        let socket = open(addr, self.inner.options).map_err(refused)?;
        let local = socket.local_addr().map_err(refused)?;
        let socket = Arc::new(readable(socket).map_err(refused)?);
        let waiting = Arc::new(Waiting::default());
        let receiver = Receiver {
            local,
            socket: Arc::clone(&socket),
            options: self.inner.options,
            batches: self.inner.batches.clone(),
            counters: Arc::clone(&self.inner.counters),
            waiting: Arc::clone(&waiting),
            stop: stop.clone(),
        };
        self.inner.tasks.spawn(receiver.run());
        Ok((local, Port::Kernel(socket, waiting)))
    }

    /// Stops receiving on `addr` and sending from it; false if it was not bound. From its return
    /// on, [`Sockets::send`] refuses the address. A batch read before may still be delivered.
    pub fn unbind(&self, addr: SocketAddr) -> bool {
        let _ordered = self.inner.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = HashMap::clone(&self.inner.table.load());
        let Some(bound) = table.remove(&addr) else { return false };
        self.publish(table);
        bound.stop.cancel();
        if let Port::Wire(wire) = &bound.port {
            wire.unbind(addr);
        }
        info!(local = %addr, "unbound");
        true
    }

    /// The bound addresses, in order.
    #[must_use]
    pub fn bound(&self) -> Vec<SocketAddr> {
        let mut bound: Vec<_> = self.inner.table.load().keys().copied().collect();
        bound.sort_unstable();
        bound
    }

    /// True if `addr` is bound.
    #[must_use]
    pub fn is_bound(&self, addr: SocketAddr) -> bool {
        self.inner.table.load().contains_key(&addr)
    }

    /// What waits in the kernel's queues of all addresses, since it was asked last.
    #[must_use]
    pub fn kernel_queues(&self) -> KernelQueues {
        let table = self.inner.table.load();
        let waiting = table.values().filter_map(|bound| match &bound.port {
            Port::Kernel(_, waiting) => Some(waiting.take()),
            Port::Wire(_) => None,
        });
        waiting.fold(KernelQueues::default(), KernelQueues::and)
    }

    /// Sends one datagram from the bound address `from`. Never blocks and never waits.
    pub fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> SendOutcome {
        self.send_on(&self.inner.table.load(), from, to, bytes)
    }

    /// Sends datagrams, each from its `local` to its `peer`, with as few system calls as can be.
    /// Those with one `local` stay in order. What leaves from an address that is not bound here is
    /// left in `batch`; of the others, those that the kernel refused are dropped and counted. Never
    /// blocks and never waits.
    pub fn send_batch(&self, batch: &mut Vec<Datagram>) {
        let table = self.inner.table.load();
        for run in batch.chunk_by(|one, next| one.local == next.local) {
            let Some(bound) = run.first().and_then(|first| table.get(&first.local)) else {
                continue;
            };
            match (&bound.port, run) {
                (Port::Kernel(socket, _), [_, _, ..]) => self.send_run(socket.get_ref(), run),
                (Port::Kernel(..) | Port::Wire(_), run) => {
                    for Datagram { local, peer, bytes } in run {
                        self.send_on(&table, *local, *peer, bytes);
                    }
                }
            }
        }
        batch.retain(|datagram| !table.contains_key(&datagram.local));
    }

    /// Sends datagrams of one socket.
    fn send_run(&self, socket: &UdpSocket, run: &[Datagram]) {
        send_many(socket, run, |Datagram { local, peer, bytes }, result| {
            let result = match result {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    self.send_by_kernel(socket, *peer, bytes)
                }
                result => result,
            };
            self.sent(*local, bytes.len(), result);
        });
    }

    fn send_on(
        &self,
        table: &HashMap<SocketAddr, Bound>,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> SendOutcome {
        let counters = &self.inner.counters;
        let Some(bound) = table.get(&from) else {
            counters.unsent_unknown_from.increment(1);
            return SendOutcome::UnknownFrom;
        };
        let result = match &bound.port {
            Port::Kernel(socket, _) => self.send_by_kernel(socket.get_ref(), to, bytes),
            Port::Wire(wire) => wire.send(from, to, bytes),
        };
        self.sent(from, bytes.len(), result)
    }

    fn sent(&self, from: SocketAddr, length: usize, result: io::Result<()>) -> SendOutcome {
        let counters = &self.inner.counters;
        match result {
            Ok(()) => {
                counters.sent.increment(1);
                counters.sent_bytes.increment(length as u64);
                SendOutcome::Sent
            }
            Err(error) => self.unsent(from, &error),
        }
    }

    fn send_by_kernel(&self, socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let socket = SockRef::from(socket);
        let to = SockAddr::from(to);
        let mut result = socket.send_to(bytes, &to);
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            // The error is about a datagram sent earlier; reporting it has cleared it.
            self.inner.counters.send_refused.increment(1);
            result = socket.send_to(bytes, &to);
        }
        result.map(drop)
    }

    fn unsent(&self, from: SocketAddr, error: &io::Error) -> SendOutcome {
        let counters = &self.inner.counters;
        let errno = error.raw_os_error().map(Errno::from_raw);
        let (counter, outcome) = match errno {
            Some(Errno::EAGAIN | Errno::ENOBUFS) => {
                (&counters.unsent_buffer_full, SendOutcome::BufferFull)
            }
            Some(Errno::EMSGSIZE) => (&counters.unsent_too_long, SendOutcome::TooLong),
            Some(
                Errno::ENETUNREACH
                | Errno::EHOSTUNREACH
                | Errno::ENETDOWN
                | Errno::EHOSTDOWN
                | Errno::EADDRNOTAVAIL,
            ) => (&counters.unsent_unreachable, SendOutcome::Unreachable),
            _ => {
                tracing::debug!(local = %from, %error, "cannot send");
                (&counters.unsent_failed, SendOutcome::Failed)
            }
        };
        counter.increment(1);
        outcome
    }

    fn publish(&self, table: HashMap<SocketAddr, Bound>) {
        self.inner.counters.sockets.set(u32::try_from(table.len()).unwrap_or(u32::MAX));
        self.inner.table.store(Arc::new(table));
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("bound", &self.bound()).finish_non_exhaustive()
    }
}

/// Registers a socket for what comes only: nobody waits for room to send, and to be told of it would be a
/// wake-up for each datagram sent.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for the sake of types whose descriptor may change"
)]
fn readable(socket: UdpSocket) -> io::Result<AsyncFd<UdpSocket>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

fn open(addr: SocketAddr, options: SocketOptions) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(options.reuse_address)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if options.free_bind {
        match addr {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    if let Err(error) = ask_for_stamps(&socket) {
        warn!(
            local = %addr,
            %error,
            "the kernel does not tell how long datagrams wait; overload is noticed by other delays only"
        );
    }
    socket.set_recv_buffer_size(options.receive_buffer_bytes)?;
    socket.set_send_buffer_size(options.send_buffer_bytes)?;
    // Linux doubles what is asked for, to allow for its own bookkeeping, and caps it silently.
    let granted_bytes = socket.recv_buffer_size()? / 2;
    if granted_bytes < options.receive_buffer_bytes {
        warn!(
            local = %addr,
            asked_bytes = options.receive_buffer_bytes,
            granted_bytes,
            "the kernel grants a smaller receive buffer; raise net.core.rmem_max"
        );
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}
