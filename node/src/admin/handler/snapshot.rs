//! `GET /v1/snapshot`: the replicated state as one stream, in clear, as of one moment, while calls go
//! on (`holdline_storage::backup`). It is for `holdline snapshot save`, which seals it.
//!
//! Backups must not disturb calls: one runs at a time, it is paced, what reads the disk runs beside
//! the threads that serve calls, and a client that takes nothing for a minute is given up, because as
//! long as the view is held nothing that is overwritten is given back.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::admin::{AdminOptions, Problem};

/// The turn to stream a backup.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Backups(Arc<Semaphore>);

impl Default for Backups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// The stream.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Extension(backups): Extension<Backups>,
) -> Result<Response, Problem> {
    let permit = Arc::clone(&backups.0).try_acquire_owned().map_err(|_| {
        metrics::counter!("holdline_admin_refused_total", "reason" => "backups").increment(1);
        Problem::unavailable(
            "a backup of this node is running",
            "wait for it to end, or ask another node",
        )
    })?;
    let mut chunks = options.api.back_up().await?;
    // The first chunk comes before the status, so that what goes wrong at once is a problem.
    let first = chunks.recv().await.unwrap_or_else(|| Ok(axum::body::Bytes::new()))?;
    tracing::info!("a backup is taken");
    let rest =
        stream::unfold((chunks, permit, Instant::now()), |(mut chunks, permit, at)| async move {
            tokio::time::sleep_until(at).await;
            let chunk = chunks.recv().await?;
            let bytes = chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
            if let Err(error) = &chunk {
                // The body breaks off: all that can be said after a status of 200.
                tracing::warn!(%error, "a backup broke off");
            }
            metrics::counter!("holdline_backup_bytes_total").increment(bytes);
            let pause = Duration::from_micros(bytes.saturating_mul(1_000_000) / BYTES_PER_S);
            Some((chunk, (chunks, permit, Instant::now() + pause)))
        });
    let body = stream::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(body)).into_response())
}

/// Bytes that a backup brings each second, at most.
const BYTES_PER_S: u64 = 64 << 20;
