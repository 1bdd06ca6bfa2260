//! Receives a snapshot piece by piece into a temporary file.

use std::io::Write as _;
use std::path::PathBuf;

use holdline_model::GroupId;

use crate::seal::FileWriter;
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotStore};

/// A snapshot being received. Dropped before [`SnapshotReceiver::finish`], it leaves no file.
#[derive(Debug)]
pub struct SnapshotReceiver {
    store: SnapshotStore,
    group: GroupId,
    sequence: u64,
    path: PathBuf,
    file: Option<FileWriter>,
    received: u64,
    limit: u64,
}

impl SnapshotReceiver {
    pub(super) fn create(
        store: SnapshotStore,
        group: GroupId,
        sequence: u64,
        path: PathBuf,
        limit: u64,
    ) -> Result<Self, SnapshotError> {
        let file = FileWriter::create(&path, store.keys())
            .map_err(|cause| SnapshotError::io(&path, cause))?;
        Ok(Self { store, group, sequence, path, file: Some(file), received: 0, limit })
    }

    /// How many bytes have come: where the next piece must begin.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Writes a piece. Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotError::WrongOffset`]: nothing is written, the right piece may still follow.
    /// [`SnapshotError::TooLarge`], [`SnapshotError::DiskFull`], [`SnapshotError::Io`]: give up.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SnapshotError> {
        if offset != self.received {
            return Err(SnapshotError::WrongOffset { offset, expected: self.received });
        }
        let received = self.received.saturating_add(bytes.len() as u64);
        if received > self.limit {
            return Err(SnapshotError::TooLarge { limit: self.limit });
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|cause| SnapshotError::io(&self.path, cause))?;
        }
        self.received = received;
        Ok(())
    }

    /// Syncs and checks the whole file, and gives it its final name. Blocks on the disk. Older
    /// snapshots stay until the next one is built or installed.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] or [`SnapshotError::OtherGroup`]: the file is removed.
    pub fn finish(mut self) -> Result<SnapshotFile, SnapshotError> {
        if let Some(file) = &self.file {
            file.sync_all().map_err(|cause| SnapshotError::io(&self.path, cause))?;
        }
        let mut checked = SnapshotFile::verify(&self.path, self.sequence, self.store.keys())?;
        if checked.header.group != self.group {
            let (found, expected) = (checked.header.group, self.group);
            return Err(SnapshotError::OtherGroup { path: self.path.clone(), found, expected });
        }
        checked.path = self.store.publish(&self.path, self.group, self.sequence)?;
        self.file = None;
        Ok(checked)
    }
}

impl Drop for SnapshotReceiver {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished snapshot stays");
        }
    }
}
