//! The state of one group: hands out readers, and the batches that `apply` writes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use holdline_limit::LimitTable;
use holdline_model::GroupId;

use crate::engine::{Batch, Durability, Engine, Table};
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotStore, install};
use crate::tables::cache::Cache;
use crate::tables::expiry::Floor;
use crate::tables::limits;
use crate::tables::recent::Recent;
use crate::tables::unwritten::Unwritten;
use crate::tables::{StateBatch, StateError, StateReader, applied_key, membership_key};

/// The replicated state of one group.
///
/// Invariant: one task at a time makes batches or installs snapshots (the one that applies).
/// Readers may be used by anybody, at any time.
pub struct StateStore {
    shared: Arc<Shared>,
}

/// What store, readers and batches share.
pub(super) struct Shared {
    engine: Arc<dyn Engine>,
    pub(super) group: GroupId,
    unwritten: Mutex<Unwritten>,
    cache: RwLock<Cache>,
    recent: Mutex<Recent>,
    floor: Mutex<Floor>,
    /// `None` after a batch that had changed them was dropped: they are read again.
    limits: Mutex<Option<LimitTable>>,
    /// Held by whoever writes the index of call detail records, or throws it away.
    indexing: Mutex<()>,
}

impl StateStore {
    /// Opens the state of a group. If the installation of a snapshot was interrupted, it is run
    /// again first, from its file in `snapshots`. Blocks on the disk.
    ///
    /// # Errors
    /// [`StateError::HalfInstalled`] if that cannot be done; else as the variants say.
    pub fn open(
        engine: Arc<dyn Engine>,
        group: GroupId,
        snapshots: &SnapshotStore,
    ) -> Result<Self, StateError> {
        install::resume(engine.as_ref(), group, snapshots)?;
        let cache = RwLock::new(Cache::load(engine.as_ref(), group)?);
        let limits = Mutex::new(Some(limits::load(engine.as_ref(), group)?));
        let shared = Shared {
            engine,
            group,
            unwritten: Mutex::default(),
            cache,
            recent: Mutex::default(),
            floor: Mutex::default(),
            limits,
            indexing: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Has each commit written when it is made, for a test that looks at what the engine is given. Before
    /// the first commit.
    #[must_use]
    pub fn writing_at_once(self) -> Self {
        self.shared.unwritten().hold_nothing();
        self
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.shared.group
    }

    /// A reader: cheap to make and to clone.
    #[must_use]
    pub fn reader(&self) -> StateReader {
        StateReader::new(Arc::clone(&self.shared))
    }

    /// An empty batch over the present state.
    #[must_use]
    pub fn batch(&self) -> StateBatch {
        StateBatch::new(Arc::clone(&self.shared))
    }

    /// The applied mark that the last batch brought; `None` before the first.
    pub fn applied(&self) -> Result<Option<Vec<u8>>, StateError> {
        self.shared.applied()
    }

    /// The membership that was last written; `None` before the first.
    pub fn membership(&self) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.shared.engine_as_is().get(Table::Meta, &membership_key(self.shared.group))?)
    }

    /// Hands what was gathered of the last commits to the engine. Takes a millisecond; for one who goes on
    /// to read on a thread that yields to others, for which apply would have to wait.
    pub fn write_out(&self) -> Result<(), StateError> {
        self.shared.engine().map(drop)
    }

    /// Makes everything committed so far durable. Blocks on the disk. The log may then be purged
    /// up to what had been applied before this was called
    /// ([`crate::LogStore::note_state_flushed`]).
    pub fn flush(&self) -> Result<(), StateError> {
        Ok(self.shared.engine()?.flush_state()?)
    }

    /// Writes a snapshot of the present state to a new file. Blocks on the disk; applying goes on
    /// meanwhile, since the snapshot is read from a view. Older snapshots are removed.
    ///
    /// # Errors
    /// [`SnapshotError::Superseded`] if one was installed meanwhile: use the newest then.
    /// [`SnapshotError::NoState`] before the first commit; else the disk's failures.
    pub fn build_snapshot(&self, snapshots: &SnapshotStore) -> Result<SnapshotFile, SnapshotError> {
        snapshots.build(self.shared.newest()?, self.shared.group)
    }

    /// Replaces the state by a snapshot's and makes it durable. Blocks on the disk. A crash
    /// meanwhile leaves a mark, by which [`StateStore::open`] runs it again. Readers may see parts
    /// of either state until it returns.
    ///
    /// # Errors
    /// Before anything is changed: [`SnapshotError::Damaged`], [`SnapshotError::OtherGroup`].
    /// All others are fatal to the node: the state may be half replaced until it is opened again.
    pub fn install_snapshot(
        &self,
        snapshots: &SnapshotStore,
        file: &SnapshotFile,
    ) -> Result<(), SnapshotError> {
        let shared = &self.shared;
        let _turn = shared.indexing();
        // Written to the old state, which stays if the snapshot is refused. Nobody applies meanwhile, so
        // nothing is gathered again.
        install::install(shared.newest()?, shared.group, snapshots, file)?;
        let fresh = Cache::load(shared.engine.as_ref(), shared.group)
            .map_err(|cause| SnapshotError::Reload { cause: Box::new(cause) })?;
        let limits = limits::load(shared.engine.as_ref(), shared.group)
            .map_err(|cause| SnapshotError::Reload { cause: Box::new(cause) })?;
        *shared.cache_mut() = fresh;
        *shared.limits_slot() = Some(limits);
        shared.recent().clear();
        shared.floor().forget();
        Ok(())
    }
}

impl Shared {
    /// The engine with everything in it that was committed. Those who read tables that a commit may
    /// leave behind ([`Writes`](crate::tables::unwritten::Writes)) ask here.
    pub(super) fn engine(&self) -> Result<&dyn Engine, StateError> {
        let mut unwritten = self.unwritten();
        if !unwritten.is_empty() {
            self.write(&mut unwritten, Batch::new())?;
        }
        Ok(self.engine.as_ref())
    }

    /// The same for snapshots.
    fn newest(&self) -> Result<&dyn Engine, SnapshotError> {
        self.engine().map_err(|cause| SnapshotError::Unwritten { cause: Box::new(cause) })
    }

    /// The mark of the last commit.
    pub(super) fn applied(&self) -> Result<Option<Vec<u8>>, StateError> {
        if let Some(unwritten) = self.unwritten().applied() {
            return Ok(Some(unwritten.to_vec()));
        }
        Ok(self.engine.get(Table::Meta, &applied_key(self.group))?)
    }

    /// The engine as it is, for tables that every commit writes.
    pub(super) fn engine_as_is(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    /// What is committed and not in the engine.
    pub(super) fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was gathered after the writes of `batch`, as one.
    pub(super) fn write(
        &self,
        unwritten: &mut Unwritten,
        mut batch: Batch,
    ) -> Result<(), StateError> {
        unwritten.encode(self.group, &mut batch).inspect_err(|_| unwritten.fail())?;
        metrics::counter!("holdline_state_written_bytes_total").increment(batch.bytes() as u64);
        self.engine.write(batch, Durability::State).inspect_err(|_| unwritten.fail())?;
        let mut recent = self.recent();
        for (call, record) in unwritten.written() {
            recent.written(call, record);
        }
        Ok(())
    }

    pub(super) fn cache(&self) -> RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls as last written. For whoever applies: what it takes out it writes again.
    pub(super) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn to write the index of call detail records.
    pub(super) fn indexing(&self) -> MutexGuard<'_, ()> {
        self.indexing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the notes of tombstones begin.
    pub(super) fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the limits, or changes them. Whoever changes them is the one who applies.
    pub(super) fn limits<T>(
        &self,
        act: impl FnOnce(&mut LimitTable) -> T,
    ) -> Result<T, StateError> {
        let mut slot = self.limits_slot();
        match slot.as_mut() {
            Some(table) => Ok(act(table)),
            None => {
                let loaded = limits::load(self.engine()?, self.group)?;
                Ok(act(slot.insert(loaded)))
            }
        }
    }

    /// What was changed is not going to be written.
    pub(super) fn forget_limits(&self) {
        *self.limits_slot() = None;
    }

    fn limits_slot(&self) -> MutexGuard<'_, Option<LimitTable>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cache_mut(&self) -> RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("group", &self.group).finish_non_exhaustive()
    }
}
