//! A whole snapshot file: its header, its check, its records, its bytes for sending.

use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdline_model::{ClusterId, GroupId};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::engine::Table;
use crate::seal::{FileReader, Keyring};
use crate::snapshot::format::{
    BLOCK_HEAD, BLOCK_TAIL, BlockKind, Counts, MAGIC, MAX_BLOCK_BYTES, Record, pop_record,
};
use crate::snapshot::{Damage, SnapshotError};

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// The cluster; `None` before it was formed.
    pub cluster: Option<ClusterId>,
    /// The group.
    pub group: GroupId,
    /// The applied mark: bytes of the Raft glue.
    pub applied: Bytes,
    /// The membership as of the applied mark: bytes of the Raft glue; empty if never written.
    pub membership: Bytes,
}

/// A snapshot file that was checked whole. Kept open: it can be sent to its end even if a newer
/// snapshot takes its place meanwhile.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    pub(super) file: FileReader,
    pub(super) path: PathBuf,
    pub(super) sequence: u64,
    pub(super) header: SnapshotHeader,
    pub(super) bytes: u64,
    pub(super) records: u64,
}

impl SnapshotFile {
    pub(super) fn open(
        path: PathBuf,
        sequence: u64,
        header: SnapshotHeader,
        (bytes, records): (u64, u64),
        keys: Option<&Keyring>,
    ) -> Result<Self, SnapshotError> {
        let file = FileReader::open(&path, keys);
        let file = file.map_err(|cause| SnapshotError::io(&path, cause))?;
        Ok(Self { file, path, sequence, header, bytes, records })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number: later snapshots of this node have higher ones.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What it is of.
    #[must_use]
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Reads a piece for sending: at most `max` bytes from `offset`; empty at the end. Blocks on
    /// the disk.
    pub fn read_chunk(&self, offset: u64, max: usize) -> Result<Bytes, SnapshotError> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; max.min(left)];
        let read = self.file.read_exact_at(&mut chunk, offset);
        read.map_err(|cause| SnapshotError::io(&self.path, cause))?;
        Ok(chunk.into())
    }

    /// Reads a file whole and checks every byte of it. Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`], [`SnapshotError::Io`].
    pub(super) fn verify(
        path: &Path,
        sequence: u64,
        keys: Option<&Keyring>,
    ) -> Result<Self, SnapshotError> {
        let file = FileReader::open(path, keys);
        let file = file.map_err(|cause| SnapshotError::io(path, cause))?;
        let (header, bytes, records) = walk(path, &file, |_| Ok(()))?;
        Ok(Self { file, path: path.to_owned(), sequence, header, bytes, records })
    }

    /// Calls `visit` with every record, in the order of writing.
    pub(super) fn for_each_record(
        &self,
        visit: impl FnMut(Record<'_>) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        walk(&self.path, &self.file, visit).map(|_| ())
    }
}

impl PartialEq for SnapshotFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.sequence, &self.header, self.bytes, self.records)
            == (&other.path, other.sequence, &other.header, other.bytes, other.records)
    }
}

impl Eq for SnapshotFile {}

/// Reads and checks a file from its first to its last byte.
fn walk(
    path: &Path,
    file: &FileReader,
    mut visit: impl FnMut(Record<'_>) -> Result<(), SnapshotError>,
) -> Result<(SnapshotHeader, u64, u64), SnapshotError> {
    let mut blocks = Blocks::open(path, file)?;
    let (kind, payload) = blocks.next()?;
    if kind != BlockKind::Header {
        return Err(blocks.damaged(Damage::Order));
    }
    let header: SnapshotHeader = codec::decode(&payload)?;
    let group = header.group.0.to_be_bytes();
    let mut counts: Counts = [0; Table::ALL.len()];
    loop {
        let (kind, payload) = blocks.next()?;
        match kind {
            BlockKind::Header => return Err(blocks.damaged(Damage::Order)),
            BlockKind::Footer => {
                if codec::decode::<Counts>(&payload)? != counts {
                    return Err(blocks.damaged(Damage::Counts));
                }
                break;
            }
            BlockKind::Records => {
                let mut rest = payload.as_slice();
                while !rest.is_empty() {
                    let record = pop_record(&mut rest).filter(|it| it.key.starts_with(&group));
                    let Some(record) = record else {
                        return Err(blocks.damaged(Damage::Record));
                    };
                    if let Some(count) = counts.get_mut(usize::from(record.table.ordinal())) {
                        *count += 1;
                    }
                    visit(record)?;
                }
            }
        }
    }
    blocks.end()?;
    Ok((header, blocks.at, counts.iter().sum()))
}

/// Reads blocks one after the other.
struct Blocks<'a> {
    path: &'a Path,
    file: BufReader<FileReader>,
    at: u64,
}

impl<'a> Blocks<'a> {
    fn open(path: &'a Path, file: &FileReader) -> Result<Self, SnapshotError> {
        let file = BufReader::with_capacity(64 << 10, file.rewound());
        let mut blocks = Self { path, file, at: 0 };
        if blocks.bytes(MAGIC.len())? != MAGIC {
            blocks.at = 0;
            return Err(blocks.damaged(Damage::Magic));
        }
        Ok(blocks)
    }

    fn next(&mut self) -> Result<(BlockKind, Vec<u8>), SnapshotError> {
        let head = self.bytes(BLOCK_HEAD)?;
        let (kind, len) = match head.split_first() {
            Some((kind, len)) => {
                (*kind, len.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len)))
            }
            None => (0, 0),
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > MAX_BLOCK_BYTES {
            return Err(self.damaged(Damage::BlockSize));
        }
        let payload = self.bytes(len)?;
        let checksum = self.bytes(BLOCK_TAIL)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head);
        hasher.update(&payload);
        if checksum != hasher.finalize().to_le_bytes() {
            return Err(self.damaged(Damage::Checksum));
        }
        let kind = BlockKind::from_ordinal(kind).ok_or_else(|| self.damaged(Damage::Order))?;
        Ok((kind, payload))
    }

    fn end(&mut self) -> Result<(), SnapshotError> {
        let mut one = [0];
        match self.file.read(&mut one) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged(Damage::Trailing)),
            Err(cause) => Err(SnapshotError::io(self.path, cause)),
        }
    }

    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = vec![0; len];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {
                self.at += len as u64;
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(Damage::Short))
            }
            Err(cause) => Err(SnapshotError::io(self.path, cause)),
        }
    }

    fn damaged(&self, what: Damage) -> SnapshotError {
        SnapshotError::Damaged { path: self.path.to_owned(), at: self.at, what }
    }
}
