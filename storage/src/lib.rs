//! What a node keeps on disk: the engines, the tables of a Raft group, the codec, the log, the
//! snapshots and the data folder.
//!
//! It does not know Raft: the log holds opaque bytes, votes and the applied mark are opaque bytes.
//! Nor does it decide anything: commands are carried out by `raft/apply` over a [`StateBatch`].
//!
//! | module | what |
//! |---|---|
//! | [`engine`] | ordered tables of bytes: RocksDB, or memory for simulation; alone names `rocksdb` |
//! | [`codec`] | bytes of records and messages, versioned and bounded; alone names `bincode` |
//! | [`tables`] | the records of one group: keys, values, reads, the batch that `apply` writes |
//! | [`log`] | the Raft log and hard state behind one flusher thread (group commit) |
//! | [`snapshot`] | a group's state as one file: built, verified, received, installed |
//! | [`backup`] | a group's state as one stream, and into a new data folder |
//! | [`seal`] | keys and ciphers; alone names `chacha20poly1305` here |
//! | [`data_dir`] | the folder: whose it is, who uses it, how much room it has |
//!
//! Invariant: only [`Table::Log`] and [`Table::Vote`] go through the write-ahead log. The state's
//! tables are rebuilt from the log after a crash, from the applied mark that is flushed atomically
//! with them; so the log is never purged beyond what the state has flushed.
#![warn(missing_docs, clippy::wildcard_enum_match_arm, clippy::float_arithmetic)]
#![warn(clippy::iter_over_hash_type)]

pub mod backup;
pub mod codec;
pub mod data_dir;
pub mod engine;
pub mod log;
pub mod seal;
pub mod snapshot;
pub mod tables;

pub use codec::CodecError;
pub use data_dir::{DataDir, DataDirError, Identity, Kept, Room, Space, note_damage};
pub use engine::{
    Engine, EngineError, MemoryEngine, RocksEngine, RocksOptions, SealedEngine, Table,
};
pub use log::{LogError, LogOptions, LogStore, OnDurable, SyncMark, Wake};
pub use snapshot::{SnapshotError, SnapshotFile, SnapshotHeader, SnapshotReceiver, SnapshotStore};
pub use tables::{
    CallCounts, CallPage, CdrPage, CdrQuery, IndexState, Oldest, StateBatch, StateError,
    StateReader, StateStore,
};
