//! Snapshots: built from a view of the state, beside apply; installed in apply.

use std::io;
use std::sync::{Arc, PoisonError};

use holdline_model::GroupId;
use holdline_storage::{SnapshotError, SnapshotFile, SnapshotReceiver, SnapshotStore, StateStore};
use openraft::RaftSnapshotBuilder;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::task::TaskTracker;

use crate::store::mark::from_bytes;
use crate::types::{LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::{aside, offload};

/// What openraft hands around as a snapshot: a checked file. There is none for the empty state, of
/// which openraft may ask for a snapshot, too; such a one is neither sent nor installed.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotData {
    pub(crate) file: Option<SnapshotFile>,
}

/// The snapshots of this node's group. Clones share one turn: the folder allows one task at a
/// time to build, receive or install.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    store: SnapshotStore,
    group: GroupId,
    turn: Arc<Mutex<()>>,
    /// One at most. A field lock.
    partial: Arc<std::sync::Mutex<Option<Partial>>>,
    tasks: TaskTracker,
}

/// A snapshot that is being received, and the turn to do so.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) receiver: SnapshotReceiver,
    pub(crate) turn: OwnedMutexGuard<()>,
}

/// Which snapshot it is: its last entry and its size.
type Which = (Option<LogId>, u64);

/// What had come of a snapshot when its stream broke off.
#[derive(Debug)]
struct Partial {
    which: Which,
    receiver: SnapshotReceiver,
}

/// A snapshot on its way in. Dropped before it is taken, what has come is kept for the next attempt.
#[derive(Debug)]
pub(crate) struct Arriving {
    which: Which,
    receiving: Option<Receiving>,
    partial: Arc<std::sync::Mutex<Option<Partial>>>,
}

impl Arriving {
    pub(crate) fn take(&mut self) -> Option<Receiving> {
        self.receiving.take()
    }

    pub(crate) fn put_back(&mut self, receiving: Receiving) {
        self.receiving = Some(receiving);
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let Some(Receiving { receiver, turn }) = self.receiving.take() else { return };
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        *partial = Some(Partial { which: self.which, receiver });
        drop(turn);
    }
}

impl Snapshots {
    pub(crate) fn new(store: SnapshotStore, group: GroupId, tasks: TaskTracker) -> Self {
        Self { store, group, turn: Arc::default(), partial: Arc::default(), tasks }
    }

    /// How much of a snapshot has come in an earlier attempt, in bytes.
    pub(crate) fn has_of(&self, last: Option<LogId>, bytes: u64) -> u64 {
        let partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        let same = partial.as_ref().filter(|partial| partial.which == (last, bytes));
        same.map_or(0, |partial| partial.receiver.received())
    }

    /// Begins to receive, or goes on with what is there of it; waits for its turn. What is there of
    /// another snapshot is removed.
    pub(crate) async fn receive(
        &self,
        last: Option<LogId>,
        bytes: u64,
        from: u64,
    ) -> io::Result<Arriving> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let which = (last, bytes);
        let kept = self.partial.lock().unwrap_or_else(PoisonError::into_inner).take();
        let kept = kept.filter(|it| it.which == which && it.receiver.received() == from);
        let receiver = match kept {
            Some(kept) => {
                tracing::info!(from, bytes, "a snapshot goes on where it was broken off");
                kept.receiver
            }
            None if from > 0 => {
                return Err(io::Error::other("what had come of the snapshot is gone: begin anew"));
            }
            None => self.blocking(|store, group| store.receive(group)).await?,
        };
        let partial = Arc::clone(&self.partial);
        Ok(Arriving { which, receiving: Some(Receiving { receiver, turn }), partial })
    }

    /// The newest snapshot, checked.
    pub(super) async fn current(&self) -> io::Result<Option<Snapshot>> {
        let newest = self.blocking(|store, group| store.newest(group)).await?;
        newest.map(snapshot).transpose()
    }

    /// Whether a snapshot was passed over because it is damaged.
    pub(super) fn has_damaged(&self) -> bool {
        self.store.has_damaged()
    }

    pub(super) async fn build(&self, state: &Arc<StateStore>) -> io::Result<Snapshot> {
        let _turn = self.turn.lock().await;
        if state.applied().map_err(io::Error::other)?.is_none() {
            return Ok(Snapshot {
                meta: SnapshotMeta::default(),
                snapshot: SnapshotData { file: None },
            });
        }
        state.write_out().map_err(io::Error::other)?;
        let state = Arc::clone(state);
        let store = self.store.clone();
        let built = aside(&self.tasks, move || state.build_snapshot(&store)).await?;
        let file = built.map_err(io::Error::other)?;
        tracing::info!(bytes = file.bytes(), records = file.records(), "a snapshot is built");
        snapshot(file)
    }

    pub(super) async fn install(
        &self,
        state: &Arc<StateStore>,
        snapshot: SnapshotData,
    ) -> io::Result<()> {
        let Some(file) = snapshot.file else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the snapshot is empty"));
        };
        let _turn = self.turn.lock().await;
        let state = Arc::clone(state);
        tracing::info!(bytes = file.bytes(), records = file.records(), "a snapshot is installed");
        let (store, group) = (self.store.clone(), self.group);
        let install = move || {
            let own = file.path().parent() == Some(store.folder());
            let file = if own { file } else { adopt(&store, group, &file)? };
            state.install_snapshot(&store, &file)
        };
        aside(&self.tasks, install).await?.map_err(io::Error::other)
    }

    /// Runs what blocks on the disk on a thread that may.
    pub(crate) async fn blocking<
        T: Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    >(
        &self,
        run: impl FnOnce(&SnapshotStore, GroupId) -> Result<T, E> + Send + 'static,
    ) -> io::Result<T> {
        let (store, group) = (self.store.clone(), self.group);
        let done = offload(&self.tasks, move || run(&store, group)).await;
        done.map_err(io::Error::other)?.map_err(io::Error::other)
    }
}

/// Takes over a file that lies in another node's folder, as when openraft's suite hands a snapshot
/// from one storage to another; what the network brings lies in the right one.
fn adopt(
    store: &SnapshotStore,
    group: GroupId,
    file: &SnapshotFile,
) -> Result<SnapshotFile, SnapshotError> {
    const CHUNK: usize = 1 << 20;
    let mut receiver = store.receive(group)?;
    loop {
        let offset = receiver.received();
        let chunk = file.read_chunk(offset, CHUNK)?;
        if chunk.is_empty() {
            return receiver.finish();
        }
        receiver.write(offset, &chunk)?;
    }
}

/// Builds one snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotBuilder {
    state: Arc<StateStore>,
    snapshots: Snapshots,
}

impl SnapshotBuilder {
    pub(super) fn new(state: &Arc<StateStore>, snapshots: &Snapshots) -> Self {
        Self { state: Arc::clone(state), snapshots: snapshots.clone() }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        self.snapshots.build(&self.state).await
    }
}

/// A file as openraft sees it: what it holds stands in its header.
fn snapshot(file: SnapshotFile) -> io::Result<Snapshot> {
    let header = file.header();
    let last_membership = match header.membership.is_empty() {
        true => StoredMembership::default(),
        false => from_bytes(&header.membership)?,
    };
    let meta = SnapshotMeta { last_log_id: Some(from_bytes(&header.applied)?), last_membership };
    Ok(Snapshot { meta, snapshot: SnapshotData { file: Some(file) } })
}
