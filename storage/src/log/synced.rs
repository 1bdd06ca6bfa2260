//! How many writes of the log were synced, in a file beside the database.
//!
//! RocksDB cannot tell a torn end of its write-ahead log, which a power cut leaves and which nobody
//! relies on, from a damaged place in what was synced: it takes what comes before either. So each
//! synced write of the log has a number, in the database and, after the sync, here. If the
//! database knows of fewer, it has lost what this node had promised to keep.
//!
//! The file is not synced itself: after a power cut it may be behind, and then proves less. File:
//! the number (u64), its CRC-32; little endian.
//!
//! Invariant: the number in the file is never above that of the last write that was synced.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The file of one group's log.
#[derive(Debug)]
pub struct SyncMark {
    file: File,
    path: PathBuf,
    /// What it said when it was opened.
    known: Option<u64>,
}

const BYTES: usize = 12;

impl SyncMark {
    /// Opens the file, or makes it. One that is damaged itself says nothing. Blocks on the disk.
    ///
    /// # Errors
    /// It cannot be read or made.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = [0; BYTES];
        let known = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => decoded(bytes),
            // New, or never written.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(0),
            Err(error) => return Err(error),
        };
        if known.is_none() {
            tracing::warn!(path = %path.display(), "the mark of synced writes is damaged, and written anew");
        }
        Ok(Self { file, path: path.to_owned(), known })
    }

    /// The write that it knew of when it was opened.
    pub(super) fn known(&self) -> u64 {
        self.known.unwrap_or(0)
    }

    /// Notes that this write was synced.
    pub(super) fn note(&self, number: u64) {
        if let Err(error) = self.file.write_all_at(&encoded(number), 0) {
            // It is behind then, and proves less; the database is what counts.
            tracing::warn!(path = %self.path.display(), %error, "the mark of synced writes is not written");
        }
    }
}

fn encoded(number: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let (head, tail) = bytes.split_at_mut(8);
    head.copy_from_slice(&number.to_le_bytes());
    tail.copy_from_slice(&crc32fast::hash(head).to_le_bytes());
    bytes
}

fn decoded(bytes: [u8; BYTES]) -> Option<u64> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (encoded(number) == bytes).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_has_golden_bytes_and_is_read_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("SYNCED");
        let mark = SyncMark::open(&path).unwrap();
        assert_eq!(mark.known(), 0);
        mark.note(7);
        mark.note(0x0102);
        let mut bytes = std::fs::read(&path).unwrap();
        let crc = crc32fast::hash(&[2, 1, 0, 0, 0, 0, 0, 0]).to_le_bytes();
        assert_eq!(bytes, [&[2, 1, 0, 0, 0, 0, 0, 0][..], &crc].concat());
        assert_eq!(SyncMark::open(&path).unwrap().known(), 0x0102);
        bytes[1] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(SyncMark::open(&path).unwrap().known(), 0, "a damaged one says nothing");
    }
}
