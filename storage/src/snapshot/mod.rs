//! A group's state as one file: built from a view, verified, sent in pieces, received, installed.
//!
//! It does not know Raft: the header carries the applied mark and the membership as they lie in
//! the same view as the records, opaque.
//!
//! File: 8 bytes (`HLSNAP`, zero, the format's version), then blocks: kind (u8), length (u32),
//! payload, CRC-32 of the three (u32); little endian. The first block is the header, the last the
//! footer with the number of records of each table; between them records: table (u8), length of
//! the key (u16), key, length of the value (u32), value.
//!
//! Invariant: a file under its final name is whole and was synced; everything else ends in `.tmp`.
//! Invariant: an interrupted installation is run again before the state is read.

mod error;
mod file;
mod format;
pub(crate) mod install;
mod receiver;
mod store;
mod writer;

pub(crate) use format::{BLOCK_BYTES, MAX_BLOCK_BYTES, pop_record, push_record};

pub use error::{Damage, SnapshotError};
pub use file::{SnapshotFile, SnapshotHeader};
pub use receiver::SnapshotReceiver;
pub use store::SnapshotStore;

#[cfg(test)]
mod tests;
