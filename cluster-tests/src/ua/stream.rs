//! A user agent's connections: it listens, accepts, connects, and connects again when one breaks.
//!
//! The endpoint knows datagrams only. So a connection that the switch opened is called by the address
//! that it comes from, at the agent's own port, which all nodes listen at; and what the endpoint writes
//! has its transport filled in here. The
//! endpoint repeats its requests as over UDP; of these only what goes over a new connection is let through: a
//! strict client says nothing twice over one (RFC 3261 section 17), and comes back when it broke.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::Certificates;

/// How an agent speaks.
#[derive(Clone, Debug, Default)]
pub enum Over {
    /// Datagrams.
    #[default]
    Udp,
    /// Connections.
    Tcp,
    /// Encrypted connections.
    Tls(Certificates),
}

impl Over {
    /// Its name in a URI.
    #[must_use]
    pub const fn param(&self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls(_) => "tls",
        }
    }
}

/// The connections of one agent.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    local: SocketAddr,
    over: Over,
    table: Mutex<HashMap<SocketAddr, Known>>,
    inbox: mpsc::Sender<(SocketAddr, Bytes)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A connection.
#[derive(Debug)]
struct Known {
    queue: mpsc::Sender<Bytes>,
    /// Hashes of the requests that were sent over it.
    said: HashSet<u64>,
}

impl Known {
    const fn new(queue: mpsc::Sender<Bytes>, said: HashSet<u64>) -> Self {
        Self { queue, said }
    }
}

/// What is read and written, encrypted or not.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Streams {
    /// Listens; what arrives comes from the second value.
    pub(super) fn listen(
        local: SocketAddr,
        over: Over,
        stop: CancellationToken,
    ) -> io::Result<(Self, mpsc::Receiver<(SocketAddr, Bytes)>)> {
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
        socket.listen(QUEUE)?;
        let listener = TcpListener::from_std(socket.into())?;
        let (inbox, received) = mpsc::channel(MESSAGES);
        let (table, tasks) = (Mutex::default(), TaskTracker::new());
        let inner = Arc::new(Inner { local, over, table, inbox, tasks: tasks.clone(), stop });
        tasks.spawn(accept(Arc::clone(&inner), listener));
        Ok((Self { inner }, received))
    }

    /// Sends over the connection to `to`, opening one if there is none. What cannot be sent is lost.
    pub(super) fn send(&self, to: SocketAddr, datagram: &Bytes) {
        let bytes = self.inner.written_for(datagram);
        let mut table = self.inner.table.lock().unwrap_or_else(PoisonError::into_inner);
        let said = request_hash(&bytes);
        if let Some(known) = table.get_mut(&to).filter(|known| !known.queue.is_closed()) {
            if said.is_some_and(|said| !known.said.insert(said)) {
                return;
            }
            if known.queue.try_send(bytes.clone()).is_ok() {
                return;
            }
        }
        let (queue, queued) = mpsc::channel(MESSAGES);
        let _fits = queue.try_send(bytes);
        table.insert(to, Known::new(queue.clone(), said.into_iter().collect()));
        drop(table);
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move {
            // A connection that cannot be opened is tried again with the next message.
            if let Ok(wire) = inner.connect(to).await {
                inner.run(wire, to, queue.clone(), queued).await;
            }
            inner.forget(to, &queue);
        });
    }
}

impl Inner {
    /// The endpoint writes for UDP.
    fn written_for(&self, datagram: &Bytes) -> Bytes {
        let text = String::from_utf8_lossy(datagram);
        let (local, name) = (self.local, self.over.param());
        let via = format!("SIP/2.0/{} {local};", name.to_uppercase());
        text.replace(&format!("SIP/2.0/UDP {local};"), &via)
            .replace(&format!("@{local}>"), &format!("@{local};transport={name}>"))
            .into()
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Box<dyn Wire>> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(self.local.ip(), 0))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        match &self.over {
            Over::Udp | Over::Tcp => Ok(Box::new(stream)),
            Over::Tls(certificates) => Ok(Box::new(certificates.connect(to.ip(), stream).await?)),
        }
    }

    async fn accepted(&self, stream: TcpStream) -> io::Result<Box<dyn Wire>> {
        stream.set_nodelay(true)?;
        match &self.over {
            Over::Udp | Over::Tcp => Ok(Box::new(stream)),
            Over::Tls(certificates) => Ok(Box::new(certificates.accept(stream).await?)),
        }
    }

    /// Reads and writes until either ends. `name`: whom the connection is to.
    async fn run(
        &self,
        wire: Box<dyn Wire>,
        name: SocketAddr,
        queue: mpsc::Sender<Bytes>,
        queued: mpsc::Receiver<Bytes>,
    ) {
        let (reader, writer) = tokio::io::split(wire);
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.read(reader, name, queue) => {}
            () = write(writer, queued) => {}
        }
    }

    async fn read(
        &self,
        mut reader: impl AsyncRead + Unpin,
        name: SocketAddr,
        queue: mpsc::Sender<Bytes>,
    ) {
        let mut buffer = Vec::new();
        loop {
            while let Some(end) = end_of_message(&buffer) {
                let rest = buffer.split_off(end);
                let message = Bytes::from(std::mem::replace(&mut buffer, rest));
                if self.inbox.send((name, message)).await.is_err() {
                    return;
                }
            }
            if !matches!(reader.read_buf(&mut buffer).await, Ok(1..)) {
                self.forget(name, &queue);
                return;
            }
        }
    }

    fn forget(&self, name: SocketAddr, queue: &mpsc::Sender<Bytes>) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.get(&name).is_some_and(|known| known.queue.same_channel(queue)) {
            table.remove(&name);
        }
    }
}

async fn accept(inner: Arc<Inner>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = inner.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, remote)) = accepted else { continue };
        let name = SocketAddr::new(remote.ip(), inner.local.port());
        let this = Arc::clone(&inner);
        inner.tasks.spawn(async move {
            if let Ok(wire) = this.accepted(stream).await {
                let (queue, queued) = mpsc::channel(MESSAGES);
                this.table
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(name, Known::new(queue.clone(), HashSet::new()));
                this.run(wire, name, queue, queued).await;
            }
        });
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut queued: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = queued.recv().await {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

/// What tells a request from another; `None` for what its user repeats over any transport: a 2xx and its
/// ACK (RFC 3261 sections 13.3.1.4 and 13.2.2.4).
fn request_hash(bytes: &Bytes) -> Option<u64> {
    if bytes.starts_with(b"SIP/2.0 ") || bytes.starts_with(b"ACK ") {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}

/// Where the first message of a stream ends, once it is here whole.
fn end_of_message(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        matches!(name.trim(), "content-length" | "l").then(|| value.trim().parse().ok())?
    });
    let end = head + length.unwrap_or(0_usize);
    (buffer.len() >= end).then_some(end)
}

/// Messages in each queue.
const MESSAGES: usize = 4_096;
/// Connections that wait to be accepted.
const QUEUE: i32 = 1_024;
