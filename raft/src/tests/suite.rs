//! openraft's own suite for storages, on both engines.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use holdline_model::GroupId;
use holdline_storage::{
    Engine, LogOptions, LogStore, MemoryEngine, RocksEngine, RocksOptions, SnapshotStore,
    StateStore,
};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::store::{LogStorage, Snapshots, StateMachine};
use crate::types::TypeConfig;

/// Makes an empty storage for each test of the suite.
struct Builder<F>(F);

impl<F, E> StoreBuilder<TypeConfig, LogStorage, StateMachine, TempDir> for Builder<F>
where
    F: Fn(&TempDir) -> E + Send + Sync,
    E: Engine + 'static,
{
    async fn build(&self) -> Result<(TempDir, LogStorage, StateMachine), StorageError<TypeConfig>> {
        let folder = TempDir::new().unwrap();
        let engine: Arc<dyn Engine> = Arc::new(self.0(&folder));
        let group = GroupId(1);
        let snapshots = SnapshotStore::open(&folder.path().join("snapshots")).unwrap();
        let state = Arc::new(StateStore::open(Arc::clone(&engine), group, &snapshots).unwrap());
        let log = LogStore::open(engine, group, LogOptions::default()).unwrap();
        // The suite purges entries that it never applies, which Raft does not do.
        log.note_state_flushed(u64::MAX);
        let tasks = TaskTracker::new();
        let snapshots = Snapshots::new(snapshots, group, tasks.clone());
        let (applied, _) = mpsc::channel(1);
        let live = Arc::new(AtomicBool::new(false));
        let machine = StateMachine::new(Arc::clone(&state), snapshots, applied, live);
        Ok((folder, LogStorage::new(log, state, 4 << 20, tasks), machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openraft_suite_passes_on_the_memory_engine() {
    Suite::test_all(Builder(|_: &TempDir| MemoryEngine::new())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openraft_suite_passes_on_rocksdb() {
    let open = |folder: &TempDir| {
        RocksEngine::open(&folder.path().join("db"), &RocksOptions::default()).unwrap()
    };
    Suite::test_all(Builder(open)).await.unwrap();
}
