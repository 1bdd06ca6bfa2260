//! The folder of snapshots: names, the newest, building, receiving, cleaning up.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use holdline_model::{CallRecord, ClusterRecord, GroupId, Phase, mutant};

use crate::codec;
use crate::engine::{Direction, Engine, KeyRange, Read, Table};
use crate::seal::Keyring;
use crate::snapshot::writer::SnapshotWriter;
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotHeader, SnapshotReceiver};
use crate::tables::{applied_key, cluster_key, group_range, membership_key};

/// The largest snapshot that is received, in bytes.
const MAX_RECEIVED_BYTES: u64 = 64 << 30;

/// A folder with the snapshots of a node's groups.
///
/// Clones share it; there is one such store per folder. Building, receiving and installing may go
/// on at the same time.
///
/// Invariant: the file of a running installation is not removed.
/// Invariant: the newest snapshot is never of an older state than one that was installed.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    folder: PathBuf,
    keys: Option<Arc<Keyring>>,
    registry: Arc<Mutex<Registry>>,
}

/// What orders the users of a folder.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// The last number given to a file, of whatever group.
    last_sequence: u64,
    /// Installations begun.
    pub(super) installs: u64,
    /// A damaged snapshot was passed over, and none was built since.
    damaged: bool,
}

impl SnapshotStore {
    /// Opens the folder, or makes it, and removes unfinished files.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn open(folder: &Path) -> Result<Self, SnapshotError> {
        Self::open_sealed(folder, None)
    }

    /// The same with files that are sealed, if there are keys.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn open_sealed(folder: &Path, keys: Option<Arc<Keyring>>) -> Result<Self, SnapshotError> {
        let io = |cause| SnapshotError::io(folder, cause);
        fs::create_dir_all(folder).map_err(io)?;
        for entry in fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(&path).map_err(|cause| SnapshotError::io(&path, cause))?;
            }
        }
        let store = Self { folder: folder.to_owned(), keys, registry: Arc::default() };
        store.lock().last_sequence = store.sequences("")?.last().copied().unwrap_or(0);
        Ok(store)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a snapshot of a group from a consistent view, and removes older ones. Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotError::NoState`] before the first entry was applied; else the disk's or the
    /// engine's failures. No unfinished file is left under a final name.
    pub fn build(
        &self,
        engine: &dyn Engine,
        group: GroupId,
    ) -> Result<SnapshotFile, SnapshotError> {
        let installs = self.lock().installs;
        let view = engine.view();
        let header = header(view.as_ref(), group)?;
        let sequence = self.next_sequence();
        let temporary = self.temporary(group, sequence);
        let mut writer = SnapshotWriter::create(&temporary, &header, self.keys())?;
        let (from, to) = group_range(group);
        for table in Table::STATE {
            let mut failed = None;
            let range = KeyRange { from: &from, to: &to };
            if mutant::is("snapshot-without-tombstones") && table == Table::Expiry {
                continue;
            }
            view.scan(table, range, Direction::Forward, &mut |key, value| match push(
                &mut writer,
                table,
                key,
                value,
            ) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            })?;
            failed.map_or(Ok(()), Err)?;
        }
        drop(view);
        let (bytes, records) = writer.finish()?;
        let mut registry = self.lock();
        if registry.installs != installs {
            fs::remove_file(&temporary).map_err(|cause| SnapshotError::io(&temporary, cause))?;
            return Err(SnapshotError::Superseded { group });
        }
        let path = self.publish(&temporary, group, sequence)?;
        self.remove_where(group, |other| other < sequence)?;
        registry.damaged = false;
        drop(registry);
        SnapshotFile::open(path, sequence, header, (bytes, records), self.keys())
    }

    /// Whether a snapshot of so many bytes may come. Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] beyond what is received at all or beyond the room on the disk.
    pub fn has_room(&self, bytes: u64) -> Result<(), SnapshotError> {
        let space = rustix::fs::statvfs(&self.folder);
        let space = space.map_err(|error| SnapshotError::io(&self.folder, error.into()))?;
        let room = space.f_bavail.saturating_mul(space.f_frsize);
        let limit = MAX_RECEIVED_BYTES.min(room);
        if bytes > limit { Err(SnapshotError::TooLarge { limit }) } else { Ok(()) }
    }

    /// Begins to receive a snapshot of a group.
    pub fn receive(&self, group: GroupId) -> Result<SnapshotReceiver, SnapshotError> {
        let sequence = self.next_sequence();
        let path = self.temporary(group, sequence);
        SnapshotReceiver::create(self.clone(), group, sequence, path, MAX_RECEIVED_BYTES)
    }

    /// The newest snapshot of a group, checked whole; `None` if there is none. A damaged one is
    /// passed over, with a warning. Blocks on the disk.
    pub fn newest(&self, group: GroupId) -> Result<Option<SnapshotFile>, SnapshotError> {
        let mut sequences = self.sequences(&prefix(group))?;
        while let Some(sequence) = sequences.pop() {
            match SnapshotFile::verify(&self.path(group, sequence), sequence, self.keys()) {
                Ok(file) => return Ok(Some(file)),
                Err(error @ (SnapshotError::Damaged { .. } | SnapshotError::Codec(_))) => {
                    tracing::error!(%error, "a damaged snapshot is passed over, and replaced");
                    metrics::counter!("holdline_snapshots_damaged_total").increment(1);
                    self.lock().damaged = true;
                }
                // Sealed with a key that is no longer configured: the next one is built soon.
                Err(SnapshotError::Io { path, cause })
                    if cause.kind() == std::io::ErrorKind::PermissionDenied =>
                {
                    tracing::warn!(path = %path.display(), %cause, "a snapshot is passed over");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether a damaged snapshot was passed over, and none was built since.
    #[must_use]
    pub fn has_damaged(&self) -> bool {
        self.lock().damaged
    }

    /// The snapshot with that number, checked whole.
    pub(super) fn load(
        &self,
        group: GroupId,
        sequence: u64,
    ) -> Result<SnapshotFile, SnapshotError> {
        SnapshotFile::verify(&self.path(group, sequence), sequence, self.keys())
    }

    /// The file of a number.
    pub(super) fn path(&self, group: GroupId, sequence: u64) -> PathBuf {
        self.folder.join(format!("{}{sequence:020}.snap", prefix(group)))
    }

    /// Gives a finished file its final name, durably.
    pub(super) fn publish(
        &self,
        temporary: &Path,
        group: GroupId,
        sequence: u64,
    ) -> Result<PathBuf, SnapshotError> {
        let path = self.path(group, sequence);
        fs::rename(temporary, &path).map_err(|cause| SnapshotError::io(&path, cause))?;
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(|cause| SnapshotError::io(&self.folder, cause))?;
        Ok(path)
    }

    /// Removes the snapshots of a group that `unwanted` chooses by their number. Called with the
    /// registry locked.
    pub(super) fn remove_where(
        &self,
        group: GroupId,
        unwanted: impl Fn(u64) -> bool,
    ) -> Result<(), SnapshotError> {
        for sequence in self.sequences(&prefix(group))?.into_iter().filter(|it| unwanted(*it)) {
            let path = self.path(group, sequence);
            fs::remove_file(&path).map_err(|cause| SnapshotError::io(&path, cause))?;
        }
        Ok(())
    }

    pub(super) fn keys(&self) -> Option<&Keyring> {
        self.keys.as_deref()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn temporary(&self, group: GroupId, sequence: u64) -> PathBuf {
        self.path(group, sequence).with_extension("tmp")
    }

    fn next_sequence(&self) -> u64 {
        let mut registry = self.lock();
        registry.last_sequence = registry.last_sequence.saturating_add(1);
        registry.last_sequence
    }

    /// The numbers of the snapshots whose names begin with `prefix`, ascending.
    fn sequences(&self, prefix: &str) -> Result<Vec<u64>, SnapshotError> {
        let io = |cause| SnapshotError::io(&self.folder, cause);
        let mut sequences = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let name = name.to_str().filter(|name| name.starts_with(prefix));
            let number = name.and_then(|name| name.strip_suffix(".snap")?.split_once('-'));
            sequences.extend(number.and_then(|(_, number)| number.parse::<u64>().ok()));
        }
        sequences.sort_unstable();
        Ok(sequences)
    }
}

/// What the names of a group's files begin with.
fn prefix(group: GroupId) -> String {
    format!("{:05}-", group.0)
}

fn header(view: &dyn Read, group: GroupId) -> Result<SnapshotHeader, SnapshotError> {
    let applied = view.get(Table::Meta, &applied_key(group))?;
    let applied = applied.ok_or(SnapshotError::NoState { group })?;
    let membership = view.get(Table::Meta, &membership_key(group))?.unwrap_or_default();
    let cluster = match view.get(Table::Meta, &cluster_key(group))? {
        Some(bytes) => Some(codec::decode::<ClusterRecord>(&bytes)?.cluster),
        None => None,
    };
    let (applied, membership) = (Bytes::from(applied), Bytes::from(membership));
    Ok(SnapshotHeader { cluster, group, applied, membership })
}

/// Writes one record of the state.
fn push(
    writer: &mut SnapshotWriter,
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<(), SnapshotError> {
    if mutant::is("snapshot-without-tombstones") && is_tombstone(table, value) {
        return Ok(());
    }
    writer.push(table, key, value)
}

/// Whether a record is a call that is over.
fn is_tombstone(table: Table, value: &[u8]) -> bool {
    let call = || codec::decode_prefix::<CallRecord>(value).ok();
    table == Table::Calls && call().is_some_and(|call| call.phase == Phase::Finished)
}
