//! A snapshot on its way: read from its file in chunks, written to a file on the other side.

use std::io;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, Stream};
use holdline_model::NodeId;
use holdline_storage::SnapshotFile;
use tonic::{Status, Streaming};

use crate::network::peers::Peers;
use crate::network::wire::{Envelope, SnapshotFrame, SnapshotHead};
use crate::store::{Receiving, SnapshotData, Snapshots};
use crate::types::{Snapshot, Vote};

/// The frames of a snapshot. If its file can no longer be read, the stream ends without
/// [`SnapshotFrame::End`], and the receiver drops what it has.
pub(super) fn frames(
    peers: &Peers,
    snapshots: &Snapshots,
    to: NodeId,
    vote: Vote,
    snapshot: Snapshot,
) -> impl Stream<Item = SnapshotFrame> + Send + 'static {
    let Snapshot { meta, snapshot: SnapshotData { file } } = snapshot;
    let bytes = file.as_ref().map_or(0, SnapshotFile::bytes);
    let head = SnapshotHead { vote, meta, bytes };
    let head = SnapshotFrame::Head(peers.envelope(to, head));
    let chunk = peers.tuning().snapshot_chunk_bytes.get();
    stream::once(async { head }).chain(body(snapshots.clone(), file, chunk))
}

fn body(
    snapshots: Snapshots,
    file: Option<SnapshotFile>,
    chunk: usize,
) -> impl Stream<Item = SnapshotFrame> + Send {
    let start = file.map(|file| (snapshots, file, 0_u64));
    stream::unfold(start, move |state| async move {
        let (snapshots, file, offset) = state?;
        let read = {
            let file = file.clone();
            snapshots.blocking(move |_, _| file.read_chunk(offset, chunk)).await
        };
        match read {
            Ok(bytes) if bytes.is_empty() => Some((SnapshotFrame::End, None)),
            Ok(bytes) => {
                let next = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                Some((SnapshotFrame::Chunk(bytes), Some((snapshots, file, next))))
            }
            Err(error) => {
                tracing::warn!(%error, "sending a snapshot is broken off");
                None
            }
        }
    })
}

/// Takes the first frame, which says whose the snapshot is.
pub(super) async fn head(
    frames: &mut Streaming<SnapshotFrame>,
) -> Result<Envelope<SnapshotHead>, Status> {
    match frames.message().await? {
        Some(SnapshotFrame::Head(head)) => Ok(head),
        Some(SnapshotFrame::Chunk(_) | SnapshotFrame::End) | None => {
            Err(Status::invalid_argument("a snapshot begins with its head"))
        }
    }
}

/// Takes the rest into a file, and checks it whole.
pub(super) async fn file(
    frames: &mut Streaming<SnapshotFrame>,
    snapshots: &Snapshots,
    expected: u64,
) -> Result<SnapshotFile, Status> {
    let mut receiving = snapshots.receive().await.map_err(|error| disk(&error))?;
    loop {
        match frames.message().await? {
            Some(SnapshotFrame::Chunk(bytes)) => {
                receiving = write(snapshots, receiving, bytes).await?
            }
            Some(SnapshotFrame::End) => break,
            Some(SnapshotFrame::Head(_)) => {
                return Err(Status::invalid_argument("a snapshot has one head"));
            }
            None => return Err(Status::aborted("the snapshot was broken off")),
        }
    }
    let received = receiving.receiver.received();
    if received != expected {
        let text = format!("{received} bytes of a snapshot came, {expected} were announced");
        return Err(Status::data_loss(text));
    }
    snapshots
        .blocking(move |_, _| {
            let Receiving { receiver, turn } = receiving;
            let file = receiver.finish();
            drop(turn);
            file
        })
        .await
        .map_err(|error| disk(&error))
}

async fn write(
    snapshots: &Snapshots,
    mut receiving: Receiving,
    bytes: Bytes,
) -> Result<Receiving, Status> {
    snapshots
        .blocking(move |_, _| {
            let offset = receiving.receiver.received();
            receiving.receiver.write(offset, &bytes).map(|()| receiving)
        })
        .await
        .map_err(|error| disk(&error))
}

fn disk(error: &io::Error) -> Status {
    tracing::warn!(%error, "a snapshot could not be received");
    Status::internal(format!("the snapshot could not be stored: {error}"))
}
