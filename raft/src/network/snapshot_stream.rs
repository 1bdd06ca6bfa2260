//! A snapshot on its way: read from its file in chunks, written to a file on the other side.
//!
//! The sender first asks where to begin. What had come when a stream broke off is kept by the
//! receiver, and goes on with the next one if that is of the same snapshot; the whole file is
//! checked at its end, block by block. What is announced is held against what may come, and against
//! the room on the disk, before anything is taken.

use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, Stream};
use holdline_model::NodeId;
use holdline_storage::SnapshotFile;
use tonic::Status;

use crate::clock;
use crate::network::peers::Peers;
use crate::network::wire::{Envelope, SnapshotFrame, SnapshotHead, SnapshotOffered};
use crate::store::{Arriving, Receiving, SnapshotData, Snapshots};
use crate::types::{Snapshot, Vote};

/// What is said of a snapshot before it is sent.
pub(super) fn offer(snapshot: &Snapshot) -> SnapshotOffered {
    let bytes = snapshot.snapshot.file.as_ref().map_or(0, SnapshotFile::bytes);
    SnapshotOffered { last: snapshot.meta.last_log_id, bytes }
}

/// The frames of a snapshot from byte `from` on. If its file can no longer be read, the stream ends
/// without [`SnapshotFrame::End`], and the receiver keeps what it has.
pub(super) fn frames(
    peers: &Peers,
    snapshots: &Snapshots,
    to: NodeId,
    vote: Vote,
    snapshot: Snapshot,
    from: u64,
) -> impl Stream<Item = SnapshotFrame> + Send + 'static {
    let Snapshot { meta, snapshot: SnapshotData { file } } = snapshot;
    let bytes = file.as_ref().map_or(0, SnapshotFile::bytes);
    let head = SnapshotHead { vote, meta, bytes, from };
    let head = SnapshotFrame::Head(peers.envelope(to, head));
    let tuning = peers.tuning();
    let (chunk, pace) = (tuning.snapshot_chunk_bytes.get(), tuning.snapshot_bytes_per_s);
    stream::once(async { head }).chain(body(snapshots.clone(), file, from, chunk, pace))
}

fn body(
    snapshots: Snapshots,
    file: Option<SnapshotFile>,
    from: u64,
    chunk: usize,
    pace: NonZeroU64,
) -> impl Stream<Item = SnapshotFrame> + Send {
    let start = file.map(|file| (snapshots, file, from, clock::now()));
    stream::unfold(start, move |state| async move {
        let (snapshots, file, offset, due) = state?;
        tokio::time::sleep(due.saturating_duration_since(clock::now())).await;
        let read = {
            let file = file.clone();
            snapshots.blocking(move |_, _| file.read_chunk(offset, chunk)).await
        };
        match read {
            Ok(bytes) if bytes.is_empty() => Some((SnapshotFrame::End, None)),
            Ok(bytes) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let next = offset.saturating_add(length);
                let due = due.max(clock::now()) + takes(length, pace);
                Some((SnapshotFrame::Chunk(bytes), Some((snapshots, file, next, due))))
            }
            Err(error) => {
                tracing::warn!(%error, "sending a snapshot is broken off");
                None
            }
        }
    })
}

/// How long so many bytes take at that pace.
fn takes(bytes: u64, per_second: NonZeroU64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(per_second.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Where a snapshot that is offered is to begin.
pub(super) async fn wanted(
    snapshots: &Snapshots,
    offered: &SnapshotOffered,
) -> Result<u64, Status> {
    let from = snapshots.has_of(offered.last, offered.bytes);
    has_room(snapshots, offered.bytes.saturating_sub(from)).await?;
    Ok(from)
}

/// Refuses more than may come, or than there is room for.
async fn has_room(snapshots: &Snapshots, bytes: u64) -> Result<(), Status> {
    let room = snapshots.blocking(move |store, _| store.has_room(bytes)).await;
    room.map_err(|error| {
        tracing::error!(%error, bytes, "a snapshot is not taken: make room on the disk");
        Status::resource_exhausted(format!("the snapshot is not taken: {error}"))
    })
}

/// Takes the first frame, which says whose the snapshot is.
pub(super) async fn head(
    frames: &mut (impl Stream<Item = Result<SnapshotFrame, Status>> + Unpin + Send),
) -> Result<Envelope<SnapshotHead>, Status> {
    match frames.next().await.transpose()? {
        Some(SnapshotFrame::Head(head)) => Ok(head),
        Some(SnapshotFrame::Chunk(_) | SnapshotFrame::End) | None => {
            Err(Status::invalid_argument("a snapshot begins with its head"))
        }
    }
}

/// Takes the rest into a file, and checks it whole.
pub(super) async fn file(
    frames: &mut (impl Stream<Item = Result<SnapshotFrame, Status>> + Unpin + Send),
    snapshots: &Snapshots,
    head: &SnapshotHead,
) -> Result<SnapshotFile, Status> {
    has_room(snapshots, head.bytes.saturating_sub(head.from)).await?;
    let arriving = snapshots.receive(head.meta.last_log_id, head.bytes, head.from).await;
    let mut arriving = arriving.map_err(|error| disk(&error))?;
    loop {
        match frames.next().await.transpose()? {
            Some(SnapshotFrame::Chunk(bytes)) => write(snapshots, &mut arriving, bytes).await?,
            Some(SnapshotFrame::End) => break,
            Some(SnapshotFrame::Head(_)) => {
                return Err(Status::invalid_argument("a snapshot has one head"));
            }
            None => return Err(Status::aborted("the snapshot was broken off")),
        }
    }
    let Some(receiving) = arriving.take() else { return Err(lost()) };
    let received = receiving.receiver.received();
    if received != head.bytes {
        let text = format!("{received} bytes of a snapshot came, {} were announced", head.bytes);
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

async fn write(snapshots: &Snapshots, arriving: &mut Arriving, bytes: Bytes) -> Result<(), Status> {
    let Some(mut receiving) = arriving.take() else { return Err(lost()) };
    let written = snapshots
        .blocking(move |_, _| {
            let offset = receiving.receiver.received();
            receiving.receiver.write(offset, &bytes).map(|()| receiving)
        })
        .await;
    arriving.put_back(written.map_err(|error| disk(&error))?);
    Ok(())
}

fn lost() -> Status {
    Status::internal("what had come of the snapshot is lost")
}

fn disk(error: &io::Error) -> Status {
    tracing::warn!(%error, "a snapshot could not be received");
    Status::internal(format!("the snapshot could not be stored: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use holdline_model::GroupId;
    use holdline_storage::{MemoryEngine, SnapshotStore, StateStore};
    use openraft::impls::leader_id_adv::LeaderId;
    use tempfile::TempDir;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::store::mark::to_bytes;
    use crate::types::{LogId, SnapshotMeta};

    const GROUP: GroupId = GroupId(0);
    const CHUNK: usize = 16;

    fn snapshots(folder: &TempDir) -> Snapshots {
        let store = SnapshotStore::open(folder.path()).unwrap();
        Snapshots::new(store, GROUP, TaskTracker::new())
    }

    /// A snapshot's file, and its head if it is sent from byte `from` on.
    fn built(folder: &TempDir) -> (SnapshotFile, impl Fn(u64) -> SnapshotHead + use<>) {
        let store = SnapshotStore::open(folder.path()).unwrap();
        let state = StateStore::open(Arc::new(MemoryEngine::new()), GROUP, &store).unwrap();
        let last = LogId::new(LeaderId { term: 1, node_id: NodeId(1) }, 7);
        state.batch().commit(&to_bytes(&last).unwrap()).unwrap();
        let file = state.build_snapshot(&store).unwrap();
        let bytes = file.bytes();
        let head = move |from| SnapshotHead {
            vote: Vote::new_committed(1, NodeId(1)),
            meta: SnapshotMeta { last_log_id: Some(last), ..SnapshotMeta::default() },
            bytes,
            from,
        };
        (file, head)
    }

    fn sent(
        snapshots: &Snapshots,
        file: &SnapshotFile,
        from: u64,
    ) -> impl Stream<Item = Result<SnapshotFrame, Status>> + Send + use<> {
        let pace = NonZeroU64::MAX;
        body(snapshots.clone(), Some(file.clone()), from, CHUNK, pace).map(Ok)
    }

    #[tokio::test]
    async fn a_snapshot_that_was_broken_off_goes_on_where_it_was() {
        let (there, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (file, head) = built(&there);
        assert!(file.bytes() > 3 * CHUNK as u64, "{}", file.bytes());
        let (sender, receiver) = (snapshots(&there), snapshots(&here));
        let offered = SnapshotOffered { last: head(0).meta.last_log_id, bytes: file.bytes() };
        assert_eq!(wanted(&receiver, &offered).await.unwrap(), 0);
        let mut broken = Box::pin(sent(&sender, &file, 0).take(2));
        let error = self::file(&mut broken, &receiver, &head(0)).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::Aborted);
        let from = wanted(&receiver, &offered).await.unwrap();
        assert_eq!(from, 2 * CHUNK as u64);
        let other = SnapshotOffered { bytes: file.bytes() + 1, ..offered.clone() };
        assert_eq!(wanted(&receiver, &other).await.unwrap(), 0, "another snapshot begins anew");
        let mut rest = Box::pin(sent(&sender, &file, from));
        let received = self::file(&mut rest, &receiver, &head(from)).await.unwrap();
        assert_eq!(std::fs::read(received.path()).unwrap(), std::fs::read(file.path()).unwrap());
        assert_eq!(wanted(&receiver, &offered).await.unwrap(), 0, "nothing is left over");
    }

    #[tokio::test]
    async fn a_flipped_bit_on_the_way_is_found_and_the_next_attempt_begins_anew() {
        let (there, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (file, head) = built(&there);
        let (sender, receiver) = (snapshots(&there), snapshots(&here));
        let mut nth = 0;
        let flipped = sent(&sender, &file, 0).map(move |frame| {
            nth += 1;
            frame.map(|frame| match frame {
                SnapshotFrame::Chunk(bytes) if nth == 2 => {
                    let mut bytes = bytes.to_vec();
                    bytes[5] ^= 1;
                    SnapshotFrame::Chunk(bytes.into())
                }
                frame => frame,
            })
        });
        let error = self::file(&mut Box::pin(flipped), &receiver, &head(0)).await.unwrap_err();
        assert!(error.message().contains("a checksum is wrong"), "{error}");
        let offered = SnapshotOffered { last: head(0).meta.last_log_id, bytes: file.bytes() };
        assert_eq!(wanted(&receiver, &offered).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_is_larger_than_the_disk_is_refused_before_anything_is_taken() {
        let here = TempDir::new().unwrap();
        let receiver = snapshots(&here);
        for bytes in [1 << 45, u64::MAX] {
            let error =
                wanted(&receiver, &SnapshotOffered { last: None, bytes }).await.unwrap_err();
            assert_eq!(error.code(), tonic::Code::ResourceExhausted, "{bytes}");
        }
        assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
    }

    #[test]
    fn chunks_are_sent_at_a_pace() {
        let pace = NonZeroU64::new(1_000_000).unwrap();
        assert_eq!(takes(250_000, pace), Duration::from_millis(250));
    }
}
