//! The receive task of one socket: it reads until the kernel has no more or a batch is full, and
//! hands the batch over without ever waiting for the consumer.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::counters::Counters;
use crate::receive_many::{BatchSize, receive_many};
use crate::waiting::Waiting;
use crate::{Datagram, SocketOptions};

/// Reads one socket until it is told to stop.
pub(crate) struct Receiver {
    pub(crate) local: SocketAddr,
    pub(crate) socket: Arc<AsyncFd<UdpSocket>>,
    pub(crate) options: SocketOptions,
    pub(crate) batches: mpsc::Sender<Vec<Datagram>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) stop: CancellationToken,
}

impl Receiver {
    /// Runs until `stop` is cancelled or nobody takes batches any more.
    pub(crate) async fn run(self) {
        loop {
            let ready = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                ready = self.socket.readable() => ready,
            };
            let mut batch = Vec::new();
            let outcome = ready.and_then(|mut ready| self.read(&mut ready, &mut batch));
            if !self.deliver(batch) {
                return;
            }
            if let Err(error) = outcome {
                self.pause_after(&error).await;
            }
        }
    }

    /// Fills `batch` until it is full or the kernel has no more: one system call for both.
    fn read(
        &self,
        ready: &mut AsyncFdReadyGuard<'_, UdpSocket>,
        batch: &mut Vec<Datagram>,
    ) -> io::Result<()> {
        // One byte more than is allowed tells a datagram of exactly that length from a longer one.
        let size = BatchSize {
            datagrams: self.options.batch_datagrams.max(1),
            bytes: self.options.max_datagram_bytes.saturating_add(1),
        };
        let read = ready.try_io(|socket| {
            let (count, stamp) = receive_many(socket, self.local, size, |peer, payload| {
                batch.extend(self.accept(peer, payload));
            })?;
            self.counters.dropped_by_kernel.increment(self.waiting.read(stamp).into());
            // Fewer than would fit: the kernel has no more. To say so now, and not to ask again, is
            // right because what arrives from here on makes the socket readable anew, and because a
            // socket without a peer of its own has no errors that could end a batch early.
            if count < size.datagrams { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        read.unwrap_or(Ok(()))
    }

    fn accept(&self, peer: SocketAddr, payload: &[u8]) -> Option<Datagram> {
        if payload.is_empty() {
            self.counters.dropped_empty.increment(1);
            return None;
        }
        if payload.len() > self.options.max_datagram_bytes {
            self.counters.dropped_truncated.increment(1);
            return None;
        }
        self.counters.received.increment(1);
        self.counters.received_bytes.increment(payload.len() as u64);
        Some(Datagram { local: self.local, peer, bytes: Bytes::copy_from_slice(payload) })
    }

    /// Hands a batch over; false if nobody takes batches any more.
    fn deliver(&self, batch: Vec<Datagram>) -> bool {
        if batch.is_empty() {
            return true;
        }
        match self.batches.try_send(batch) {
            Ok(()) => true,
            Err(TrySendError::Full(batch)) => {
                self.counters.dropped_queue_full.increment(batch.len() as u64);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    async fn pause_after(&self, error: &io::Error) {
        if error.kind() == ErrorKind::ConnectionRefused {
            // An ICMP error about something sent earlier: UDP promises nothing, so nothing is lost.
            self.counters.receive_refused.increment(1);
            return;
        }
        self.counters.receive_failed.increment(1);
        warn!(local = %self.local, %error, "cannot receive; trying again");
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE_AFTER_ERROR) => {}
        }
    }
}

/// Keeps a broken socket from using a whole core.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);
