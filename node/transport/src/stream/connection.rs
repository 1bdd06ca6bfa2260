//! One connection: a task that reads messages and writes messages, both at once.
//!
//! Invariant: it holds at most one message that is being read, and the bounded line of those that
//! are to be written. A peer that does not take what it is sent is cut.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use holdline_model::Hop;
use holdline_sip::framing::{Frame, Framer, FramingError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};

use super::counters::Counters;
use super::table::Handle;
use super::{Packet, StreamOptions};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer closed it.
    Peer,
    /// It broke.
    Broken,
    /// Nothing went over it for too long.
    Idle,
    /// The peer does not take what is written.
    Slow,
    /// A message began and did not end in time.
    Stalled,
    /// What came is not SIP, or its framing is in doubt.
    Framing(FramingError),
    /// The handshake failed or took too long.
    Handshake,
    /// It could not be opened.
    Unreachable,
    /// Its address is held no longer, or the node stops.
    Unbound,
}

impl End {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Framing(error) => error.as_str(),
            Self::Handshake => "handshake",
            Self::Unreachable => "unreachable",
            Self::Unbound => "unbound",
        }
    }
}

/// What a connection's task works with.
pub(super) struct Connection {
    pub(super) hop: Hop,
    pub(super) options: StreamOptions,
    pub(super) handle: Handle,
    pub(super) packets: mpsc::Sender<Packet>,
    pub(super) counters: Arc<Counters>,
    /// When something last went either way, in milliseconds after `born`.
    pub(super) active_ms: AtomicU64,
    pub(super) born: Instant,
}

impl Connection {
    /// Serves a stream of bytes (TCP, TLS) until it ends.
    pub(super) async fn run_bytes<S>(&self, stream: S, queue: &mut mpsc::Receiver<Bytes>) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (reader, writer) = tokio::io::split(stream);
        tokio::select! {
            () = self.handle.stop.cancelled() => End::Unbound,
            end = self.read(reader) => end,
            end = self.write(writer, queue) => end,
        }
    }

    /// Serves a WebSocket: each of its messages is one of SIP (RFC 7118 section 5).
    pub(super) async fn run_web_socket<S>(
        &self,
        socket: WebSocketStream<S>,
        queue: &mut mpsc::Receiver<Bytes>,
    ) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (sink, stream) = socket.split();
        tokio::select! {
            () = self.handle.stop.cancelled() => End::Unbound,
            end = self.read_frames(stream) => end,
            end = self.write_frames(sink, queue) => end,
        }
    }

    async fn read(&self, mut reader: impl AsyncRead + Unpin) -> End {
        let mut framer = Framer::default();
        let mut begun = None;
        loop {
            loop {
                match framer.next_frame() {
                    Ok(Some(frame)) => {
                        begun = None;
                        if !self.frame(frame).await {
                            return End::Unbound;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return End::Framing(error),
                }
            }
            if framer.is_within_message() {
                begun.get_or_insert_with(Instant::now);
            }
            let deadline = match begun {
                Some(at) => at + self.options.message_timeout,
                None => self.idle_deadline(),
            };
            framer.buffer().reserve(READ_BYTES);
            match timeout_at(deadline, reader.read_buf(framer.buffer())).await {
                Ok(Ok(0)) => return End::Peer,
                Ok(Ok(_)) => self.touch(),
                Ok(Err(_)) => return End::Broken,
                Err(_) if begun.is_some() => return End::Stalled,
                Err(_) if self.idle_deadline() <= Instant::now() => return End::Idle,
                Err(_) => {}
            }
        }
    }

    /// False if nobody takes messages any more.
    async fn frame(&self, frame: Frame) -> bool {
        match frame {
            Frame::Message(bytes) => self.deliver(bytes).await,
            Frame::Ping => {
                self.counters.keepalives.increment(1);
                self.handle.enqueue(Bytes::from_static(b"\r\n"), self.options.write_queue_bytes);
                true
            }
        }
    }

    /// Waits for the consumer: nothing repeats what is lost here, and the peer's window holds it back.
    async fn deliver(&self, bytes: Bytes) -> bool {
        self.counters.received.increment(1);
        self.counters.received_bytes.increment(bytes.len() as u64);
        self.packets.send(Packet { hop: self.hop, bytes }).await.is_ok()
    }

    async fn write(
        &self,
        mut writer: impl AsyncWrite + Unpin,
        queue: &mut mpsc::Receiver<Bytes>,
    ) -> End {
        loop {
            let Some(first) = queue.recv().await else { return End::Unbound };
            let mut batch = Vec::from(first);
            let mut messages = 1;
            while batch.len() < BATCH_BYTES
                && let Ok(next) = queue.try_recv()
            {
                batch.extend_from_slice(&next);
                messages += 1;
            }
            let write = async {
                writer.write_all(&batch).await?;
                writer.flush().await
            };
            let written: Result<io::Result<()>, _> =
                timeout(self.options.write_timeout, write).await;
            self.wrote(batch.len(), messages);
            match written {
                Ok(Ok(())) => self.touch(),
                Ok(Err(_)) => return End::Broken,
                Err(_) => return End::Slow,
            }
        }
    }

    async fn read_frames<S>(&self, mut stream: S) -> End
    where
        S: Stream<Item = Result<WsMessage, WsError>> + Unpin,
    {
        loop {
            let message = match timeout_at(self.idle_deadline(), stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(_))) => return End::Broken,
                Ok(None) => return End::Peer,
                Err(_) if self.idle_deadline() <= Instant::now() => return End::Idle,
                Err(_) => continue,
            };
            self.touch();
            let bytes = match message {
                WsMessage::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
                WsMessage::Binary(bytes) => Bytes::copy_from_slice(&bytes),
                WsMessage::Close(_) => return End::Peer,
                // A ping is answered by the library.
                WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_) => continue,
            };
            if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                if !self.frame(Frame::Ping).await {
                    return End::Unbound;
                }
            } else if !self.deliver(bytes).await {
                return End::Unbound;
            }
        }
    }

    async fn write_frames<S>(&self, mut sink: S, queue: &mut mpsc::Receiver<Bytes>) -> End
    where
        S: Sink<WsMessage, Error = WsError> + Unpin,
    {
        loop {
            let Some(bytes) = queue.recv().await else { return End::Unbound };
            let length = bytes.len();
            let message = match std::str::from_utf8(&bytes) {
                Ok(text) => WsMessage::text(text),
                Err(_) => WsMessage::Binary(bytes),
            };
            let written = timeout(self.options.write_timeout, sink.send(message)).await;
            self.wrote(length, 1);
            match written {
                Ok(Ok(())) => self.touch(),
                Ok(Err(_)) => return End::Broken,
                Err(_) => return End::Slow,
            }
        }
    }

    fn wrote(&self, bytes: usize, messages: u64) {
        self.handle.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.counters.sent.increment(messages);
        self.counters.sent_bytes.increment(bytes as u64);
    }

    fn touch(&self) {
        let ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.active_ms.store(ms, Ordering::Relaxed);
    }

    fn idle_deadline(&self) -> Instant {
        let active = Duration::from_millis(self.active_ms.load(Ordering::Relaxed));
        self.born + active + self.options.idle_timeout
    }
}

/// Room made for each read. An idle connection keeps this much.
const READ_BYTES: usize = 2_048;

/// Messages that wait are written together up to about this much.
const BATCH_BYTES: usize = 16_384;
