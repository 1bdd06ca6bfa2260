//! The receive task of one socket: it reads until the kernel has no more or a batch is full, and
//! hands the batch over without ever waiting for the consumer.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::counters::Counters;
use crate::{Datagram, SocketOptions};

/// Reads one socket until it is told to stop.
pub(crate) struct Receiver {
    pub(crate) local: SocketAddr,
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) options: SocketOptions,
    pub(crate) batches: mpsc::Sender<Vec<Datagram>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: CancellationToken,
}

impl Receiver {
    /// Runs until `stop` is cancelled or nobody takes batches any more.
    pub(crate) async fn run(self) {
        // One byte more than is allowed tells a datagram of exactly that length from a longer one.
        let mut buffer = vec![0; self.options.max_datagram_bytes.saturating_add(1)];
        loop {
            let ready = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                ready = self.socket.readable() => ready,
            };
            let mut batch = Vec::new();
            let outcome = ready.and_then(|()| self.read(&mut buffer, &mut batch));
            if !self.deliver(batch) {
                return;
            }
            if let Err(error) = outcome {
                self.pause_after(&error).await;
            }
        }
    }

    /// Fills `batch` until it is full or the kernel has no more.
    fn read(&self, buffer: &mut [u8], batch: &mut Vec<Datagram>) -> io::Result<()> {
        // Dropped datagrams count as well, so that a flood of them cannot hold the task for ever.
        for _ in 0..self.options.batch_datagrams.max(1) {
            let (length, peer) = match self.socket.try_recv_from(buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let Some(payload) = buffer.get(..length) else { continue };
            if payload.is_empty() {
                self.counters.dropped_empty.increment(1);
            } else if length > self.options.max_datagram_bytes {
                self.counters.dropped_truncated.increment(1);
            } else {
                self.counters.received.increment(1);
                self.counters.received_bytes.increment(length as u64);
                let bytes = Bytes::copy_from_slice(payload);
                batch.push(Datagram { local: self.local, peer, bytes });
            }
        }
        Ok(())
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
