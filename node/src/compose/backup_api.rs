//! Streams a backup to the admin API.

use std::io::{self, Write};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use holdline_storage::backup::{BackupError, Facts};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::api::Api;
use crate::admin::seam::{BackupApi, BackupStream, ClusterApiError};

#[async_trait]
impl BackupApi for Api {
    async fn back_up(&self) -> Result<BackupStream, ClusterApiError> {
        let facts = Facts {
            cluster: self.cluster.to_string(),
            applied_index: self.raft.applied_index().unwrap_or(0),
            at: self.clock.now(),
            node: self.me,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            about_bytes: 0,
        };
        let (send, chunks) = mpsc::channel(QUEUE);
        let (state, tasks) = (self.state.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            let ended = send.clone();
            let work = move || {
                let mut out = Chunks { send, buffer: Vec::new() };
                state.back_up(facts, &mut out)
            };
            let outcome = holdline_raft::offload(&tasks, work).await;
            let error = match outcome {
                Ok(Ok(records)) => {
                    tracing::info!(records, "a backup is streamed");
                    return;
                }
                Ok(Err(BackupError::NoState)) => ClusterApiError::NoMajority,
                Ok(Err(error)) => ClusterApiError::Unreadable(Box::new(error)),
                Err(_) => ClusterApiError::Stopping,
            };
            // A reader that has gone does not ask why.
            let _ = ended.send(Err(error)).await;
        });
        Ok(chunks)
    }
}

/// Hands on what is written, in chunks, as fast as they are taken.
struct Chunks {
    send: mpsc::Sender<Result<Bytes, ClusterApiError>>,
    buffer: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut chunk = Ok(Bytes::from(std::mem::take(&mut self.buffer)));
        for _ in 0..LOOKS {
            match self.send.try_send(chunk) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(back)) => chunk = back,
            }
            pause();
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "nobody took anything of it for a minute"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread that may block waits for a slow client")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// Bytes of a chunk.
const CHUNK: usize = 256 << 10;

/// Chunks that wait for the client.
const QUEUE: usize = 4;

/// How long, and how often, it is waited for a slow client: a minute in all.
const PAUSE: Duration = Duration::from_millis(5);
const LOOKS: u32 = 12_000;
