//! Replaces a group's state by a snapshot's, safe against a crash at any point.
//!
//! 1. a synced mark names the file;
//! 2. the old state is removed and the new one written, without the write-ahead log;
//! 3. the state is flushed;
//! 4. the mark is removed, synced.
//!
//! With the mark there, whatever lies in the state's tables counts for nothing: opening the state
//! runs it again.

use bytes::Bytes;
use holdline_model::GroupId;

use crate::codec;
use crate::engine::{Batch, Durability, Engine, EngineError, Table};
use crate::log::installing_key;
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotStore};
use crate::tables::{StateError, group_range};

/// Bytes of records written at once.
const BATCH_BYTES: usize = 1 << 20;

/// Installs a checked file.
pub(crate) fn install(
    engine: &dyn Engine,
    group: GroupId,
    snapshots: &SnapshotStore,
    file: &SnapshotFile,
) -> Result<(), SnapshotError> {
    if file.header.group != group {
        let (path, found) = (file.path.clone(), file.header.group);
        return Err(SnapshotError::OtherGroup { path, found, expected: group });
    }
    let mut registry = snapshots.lock();
    // Checked again, by its number: after the mark is written, this file is all there is. While
    // the registry is locked no other task can remove it; afterwards, only an older file goes.
    let file = snapshots.load(group, file.sequence)?;
    let mut mark = Batch::new();
    mark.put(Table::Vote, installing_key(group), codec::encode(&file.sequence)?);
    engine.write(mark, Durability::Synced)?;
    registry.installs += 1;
    // A snapshot built meanwhile has a higher number, but may be of an older state.
    snapshots.remove_where(group, |other| other != file.sequence)?;
    drop(registry);
    replace(engine, group, &file)
}

/// Finishes an installation that a crash interrupted, if there was one.
pub(crate) fn resume(
    engine: &dyn Engine,
    group: GroupId,
    snapshots: &SnapshotStore,
) -> Result<(), StateError> {
    let Some(mark) = engine.get(Table::Vote, &installing_key(group))? else { return Ok(()) };
    let sequence = codec::decode::<u64>(&mark).map_err(|cause| StateError::Corrupt {
        table: Table::Vote,
        key: installing_key(group).to_vec(),
        cause,
    })?;
    tracing::info!(%group, sequence, "the installation of a snapshot is run again");
    snapshots.load(group, sequence).and_then(|file| replace(engine, group, &file)).map_err(
        |cause| StateError::HalfInstalled {
            path: snapshots.path(group, sequence),
            cause: Box::new(cause),
        },
    )
}

fn replace(engine: &dyn Engine, group: GroupId, file: &SnapshotFile) -> Result<(), SnapshotError> {
    let (from, to) = group_range(group);
    let mut batch = Batch::new();
    // What follows from the state goes, too: it is made anew.
    for table in Table::STATE.into_iter().chain([Table::CdrIndex]) {
        batch.delete_range(table, from.as_slice(), to.as_slice());
    }
    file.for_each_record(|record| {
        batch.put(record.table, record.key, Bytes::copy_from_slice(record.value));
        if batch.bytes() >= BATCH_BYTES {
            engine.write(std::mem::take(&mut batch), Durability::State)?;
        }
        Ok(())
    })?;
    engine.write(batch, Durability::State)?;
    engine.flush_state()?;
    remove_mark(engine, group)?;
    Ok(())
}

fn remove_mark(engine: &dyn Engine, group: GroupId) -> Result<(), EngineError> {
    let mut batch = Batch::new();
    batch.delete(Table::Vote, installing_key(group));
    engine.write(batch, Durability::Synced)
}
