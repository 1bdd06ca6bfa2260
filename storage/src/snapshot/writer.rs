//! Writes a snapshot file under a temporary name, block by block.

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::codec;
use crate::engine::Table;
use crate::seal::{FileWriter, Keyring};
use crate::snapshot::format::{BLOCK_BYTES, BlockKind, Counts, MAGIC, push_record};
use crate::snapshot::{Damage, SnapshotError, SnapshotHeader};

/// A file being written. Dropped before [`SnapshotWriter::finish`], it removes the file.
pub(super) struct SnapshotWriter {
    path: PathBuf,
    file: Option<BufWriter<FileWriter>>,
    block: Vec<u8>,
    counts: Counts,
    bytes: u64,
}

impl SnapshotWriter {
    pub(super) fn create(
        path: &Path,
        header: &SnapshotHeader,
        keys: Option<&Keyring>,
    ) -> Result<Self, SnapshotError> {
        let file =
            FileWriter::create(path, keys).map_err(|cause| SnapshotError::io(path, cause))?;
        let mut writer = Self {
            path: path.to_owned(),
            file: Some(BufWriter::with_capacity(64 << 10, file)),
            block: Vec::new(),
            counts: [0; Table::ALL.len()],
            bytes: 0,
        };
        writer.write(MAGIC)?;
        writer.write_block(BlockKind::Header, &codec::encode(header)?)?;
        Ok(writer)
    }

    pub(super) fn push(
        &mut self,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), SnapshotError> {
        push_record(&mut self.block, table, key, value).ok_or_else(|| SnapshotError::Damaged {
            path: self.path.clone(),
            at: self.bytes,
            what: Damage::Record,
        })?;
        if let Some(count) = self.counts.get_mut(usize::from(table.ordinal())) {
            *count += 1;
        }
        if self.block.len() >= BLOCK_BYTES {
            self.flush_block()?;
        }
        Ok(())
    }

    /// Writes the footer and syncs the file. Returns its bytes and records.
    pub(super) fn finish(mut self) -> Result<(u64, u64), SnapshotError> {
        self.flush_block()?;
        let footer = codec::encode(&self.counts)?;
        self.write_block(BlockKind::Footer, &footer)?;
        if let Some(file) = &mut self.file {
            let synced = file.flush().and_then(|()| file.get_ref().sync_all());
            synced.map_err(|cause| SnapshotError::io(&self.path, cause))?;
        }
        self.file = None;
        Ok((self.bytes, self.counts.iter().sum()))
    }

    fn flush_block(&mut self) -> Result<(), SnapshotError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.block);
        self.write_block(BlockKind::Records, &block)?;
        block.clear();
        self.block = block;
        Ok(())
    }

    fn write_block(&mut self, kind: BlockKind, payload: &[u8]) -> Result<(), SnapshotError> {
        let len = u32::try_from(payload.len())
            .map_err(|_| SnapshotError::io(&self.path, io::ErrorKind::InvalidData.into()))?;
        let mut head = vec![kind.ordinal()];
        head.extend_from_slice(&len.to_le_bytes());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head);
        hasher.update(payload);
        self.write(&head)?;
        self.write(payload)?;
        self.write(&hasher.finalize().to_le_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|cause| SnapshotError::io(&self.path, cause))?;
            self.bytes += bytes.len() as u64;
        }
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished snapshot stays");
        }
    }
}
