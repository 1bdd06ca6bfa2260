//! TCP: ordered bytes both ways, a bounded window, connections that are refused, closed, reset, or
//! hang while a link is cut.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes};
use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::link::RESEND_US;
use super::{HostId, Later, Net, Place, State};

/// All connections and listeners.
#[derive(Debug, Default)]
pub(super) struct Streams {
    listeners: BTreeMap<SocketAddr, Listener>,
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Listener {
    host: HostId,
    run: u64,
    waiting: VecDeque<u64>,
    waker: Option<Waker>,
}

/// The client's end is 0, the server's 1.
#[derive(Debug)]
struct Connection {
    ends: [End; 2],
    /// From the end of that number to the other.
    ways: [Way; 2],
}

#[derive(Debug)]
struct End {
    host: HostId,
    run: u64,
    state: EndState,
    received: VecDeque<Bytes>,
    /// The other end has closed; what was received before can still be read.
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// There is a [`SimStream`] for it.
    open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndState {
    Connecting,
    Open,
    Refused,
    Reset,
}

#[derive(Debug, Default)]
struct Way {
    segments: VecDeque<Segment>,
    /// Sent but not read yet.
    bytes: usize,
    last_at_us: u64,
}

#[derive(Debug)]
struct Segment {
    at_us: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Syn(SocketAddr),
    SynAck,
    Data(Bytes),
    Fin,
    Reset,
}

/// Something is due on the way from an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    connection: u64,
    from: usize,
}

/// One end of a connection.
#[derive(Debug)]
pub struct SimStream {
    place: Place,
    connection: u64,
    end: usize,
    shut: bool,
}

/// Connections that others make to an address.
#[derive(Debug)]
pub struct Acceptor {
    place: Place,
    address: SocketAddr,
}

impl State {
    /// Puts something on the way from an end to the other.
    fn put(&mut self, connection: u64, from: usize, what: What) {
        let Some(it) = self.streams.connections.get_mut(&connection) else { return };
        let hosts = [it.ends[0].host, it.ends[1].host];
        let link = self.link(hosts[from], hosts[1 - from]);
        let takes = link.segment(&mut self.random);
        let Some(it) = self.streams.connections.get_mut(&connection) else { return };
        let way = &mut it.ways[from];
        let at_us = (self.now_us + takes).max(way.last_at_us);
        way.last_at_us = at_us;
        if let What::Data(bytes) = &what {
            way.bytes += bytes.len();
        }
        way.segments.push_back(Segment { at_us, what });
        self.push(at_us, super::Event::Stream(Event { connection, from }));
    }

    /// Delivers what is due, or tries again later if the link is cut.
    pub(super) fn stream_event(&mut self, event: Event) {
        let Event { connection, from } = event;
        loop {
            let Some(it) = self.streams.connections.get_mut(&connection) else { return };
            let Some(segment) = it.ways[from].segments.front_mut() else { return };
            if segment.at_us > self.now_us {
                return;
            }
            let hosts = [it.ends[0].host, it.ends[1].host];
            let to_is_off = !self.runs.contains_key(&hosts[1 - from]) && !it.dead(1 - from);
            if self.link(hosts[from], hosts[1 - from]).cut || to_is_off {
                let again = self.now_us + RESEND_US;
                self.push(again, super::Event::Stream(event));
                return;
            }
            let Some(it) = self.streams.connections.get_mut(&connection) else { return };
            let Some(Segment { what, .. }) = it.ways[from].segments.pop_front() else { return };
            let bytes = if let What::Data(bytes) = &what { bytes.len() } else { 0 };
            self.trace.note(
                self.now_us,
                format_args!(
                    "{} > {} tcp {connection}: {}",
                    hosts[from],
                    hosts[1 - from],
                    what.word(bytes)
                ),
            );
            self.segment_arrives(connection, 1 - from, what);
        }
    }

    fn segment_arrives(&mut self, connection: u64, to: usize, what: What) {
        match what {
            What::Syn(address) => self.syn_arrives(connection, address),
            What::SynAck => self.set(connection, to, EndState::Open),
            What::Reset => {
                let refused = self.end(connection, to).map(|end| end.state);
                let state = match refused {
                    Some(EndState::Connecting) => EndState::Refused,
                    _ => EndState::Reset,
                };
                self.set(connection, to, state);
            }
            What::Fin => {
                let Some(end) = self.end(connection, to) else { return };
                end.ended = true;
                let wakers = end.wakers();
                self.later.extend(wakers);
            }
            What::Data(bytes) => {
                let up = self.runs.clone();
                let Some(end) = self.end(connection, to) else { return };
                // Nobody reads it any more: the software that did has gone.
                if !end.open || up.get(&end.host) != Some(&end.run) {
                    return self.put(connection, to, What::Reset);
                }
                end.received.push_back(bytes);
                let wakers = end.wakers();
                self.later.extend(wakers);
            }
        }
    }

    fn syn_arrives(&mut self, connection: u64, address: SocketAddr) {
        let runs = &self.runs;
        let listener = self.streams.listeners.get_mut(&address);
        let listener = listener.filter(|it| runs.get(&it.host) == Some(&it.run));
        let Some(listener) = listener else {
            return self.put(connection, 1, What::Reset);
        };
        listener.waiting.push_back(connection);
        let (run, waker) = (listener.run, listener.waker.take());
        self.later.extend(waker.map(Later::Wake));
        if let Some(end) = self.end(connection, 1) {
            (end.run, end.state) = (run, EndState::Open);
        }
        self.put(connection, 1, What::SynAck);
    }

    fn set(&mut self, connection: u64, end: usize, state: EndState) {
        let Some(end) = self.end(connection, end) else { return };
        end.state = state;
        let wakers = end.wakers();
        self.later.extend(wakers);
    }

    fn end(&mut self, connection: u64, end: usize) -> Option<&mut End> {
        self.streams.connections.get_mut(&connection)?.ends.get_mut(end)
    }

    /// The software of a machine has ended.
    pub(super) fn end_streams(&mut self, host: HostId, resets: bool) {
        self.streams.listeners.retain(|_, listener| listener.host != host);
        let mut ended = Vec::new();
        for (number, connection) in &mut self.streams.connections {
            for (end, it) in
                connection.ends.iter_mut().enumerate().filter(|(_, it)| it.host == host)
            {
                it.open = false;
                connection.ways[end].segments.clear();
                if it.state != EndState::Reset {
                    ended.push((*number, end));
                }
            }
        }
        if resets {
            for (connection, end) in ended {
                self.put(connection, end, What::Reset);
            }
        }
    }
}

impl Connection {
    /// Whether nothing more can be said to an end.
    fn dead(&self, end: usize) -> bool {
        matches!(self.ends[end].state, EndState::Reset | EndState::Refused)
    }
}

impl End {
    fn new(host: HostId, run: u64, state: EndState) -> Self {
        Self {
            host,
            run,
            state,
            received: VecDeque::new(),
            ended: false,
            reader: None,
            writer: None,
            open: true,
        }
    }

    fn wakers(&mut self) -> impl Iterator<Item = Later> + use<> {
        [self.reader.take(), self.writer.take()].into_iter().flatten().map(Later::Wake)
    }
}

impl What {
    fn word(&self, bytes: usize) -> String {
        match self {
            Self::Syn(_) => "syn".to_owned(),
            Self::SynAck => "accepted".to_owned(),
            Self::Data(_) => format!("{bytes} bytes"),
            Self::Fin => "fin".to_owned(),
            Self::Reset => "reset".to_owned(),
        }
    }
}

impl Place {
    /// Listens at an address.
    #[must_use]
    pub fn listen(&self, address: SocketAddr) -> Acceptor {
        let listener =
            Listener { host: self.host, run: self.run, waiting: VecDeque::new(), waker: None };
        self.net.lock().streams.listeners.insert(address, listener);
        Acceptor { place: self.clone(), address }
    }

    /// Connects to an address. Waits for as long as the link to it is cut.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(self, to: SocketAddr, to_host: HostId) -> io::Result<SimStream> {
        let connection = self.open(to, to_host);
        let stream = SimStream { place: self, connection, end: 0, shut: false };
        std::future::poll_fn(|context| stream.poll_connected(context)).await?;
        Ok(stream)
    }
}

impl Place {
    fn open(&self, to: SocketAddr, to_host: HostId) -> u64 {
        let mut state = self.net.lock();
        let connection = state.sequence;
        state.sequence += 1;
        let client = End::new(self.host, self.run, EndState::Connecting);
        let server = End::new(to_host, u64::MAX, EndState::Connecting);
        let it = Connection { ends: [client, server], ways: [Way::default(), Way::default()] };
        state.streams.connections.insert(connection, it);
        state.put(connection, 0, What::Syn(to));
        connection
    }
}

impl SimStream {
    fn poll_connected(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.place.net.lock();
        let Some(end) = state.end(self.connection, self.end) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match end.state {
            EndState::Connecting => {
                end.reader = Some(context.waker().clone());
                Poll::Pending
            }
            EndState::Open => Poll::Ready(Ok(())),
            EndState::Refused => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
            EndState::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let net: &Net = &self.place.net;
        let mut state = net.lock();
        let Some(it) = state.streams.connections.get_mut(&self.connection) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let [client, server] = &mut it.ends;
        let (end, other) = if self.end == 0 { (client, server) } else { (server, client) };
        if end.state == EndState::Reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let Some(first) = end.received.front_mut() else {
            if end.ended {
                return Poll::Ready(Ok(()));
            }
            end.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        let length = first.len().min(to.remaining());
        to.put_slice(&first.split_to(length));
        if !first.has_remaining() {
            end.received.pop_front();
        }
        it.ways[1 - self.end].bytes -= length;
        let waker = other.writer.take();
        state.later.extend(waker.map(Later::Wake));
        net.release(state);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.place.net.lock();
        let Some(it) = state.streams.connections.get_mut(&self.connection) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let room = WINDOW_BYTES.saturating_sub(it.ways[self.end].bytes);
        let Some(end) = it.ends.get_mut(self.end) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if end.state == EndState::Reset || self.shut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = bytes.len().min(room);
        if length == 0 && !bytes.is_empty() {
            end.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let data = Bytes::copy_from_slice(bytes.get(..length).unwrap_or(bytes));
        state.put(self.connection, self.end, What::Data(data));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.shut, true) {
            let (connection, end) = (self.connection, self.end);
            self.place.net.lock().put(connection, end, What::Fin);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut state = self.place.net.lock();
        let is_up = state.is_up(self.place.host, self.place.run);
        if let Some(end) = state.end(self.connection, self.end) {
            end.open = false;
        }
        if is_up && !self.shut {
            state.put(self.connection, self.end, What::Fin);
        }
        let all = state.streams.connections.get(&self.connection);
        if all.is_some_and(|it| it.ends.iter().all(|end| !end.open)) {
            state.streams.connections.remove(&self.connection);
        }
    }
}

impl Connected for SimStream {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl Stream for Acceptor {
    type Item = io::Result<SimStream>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<SimStream>>> {
        let mut state = self.place.net.lock();
        let Some(listener) = state.streams.listeners.get_mut(&self.address) else {
            return Poll::Ready(None);
        };
        match listener.waiting.pop_front() {
            Some(connection) => {
                let place = self.place.clone();
                Poll::Ready(Some(Ok(SimStream { place, connection, end: 1, shut: false })))
            }
            None => {
                listener.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let mut state = self.place.net.lock();
        if state.is_up(self.place.host, self.place.run) {
            state.streams.listeners.remove(&self.address);
        }
    }
}

/// Bytes that may be sent before they are read.
const WINDOW_BYTES: usize = 1 << 20;
