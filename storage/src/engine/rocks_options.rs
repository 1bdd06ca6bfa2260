//! The settings of a RocksDB engine, with defaults for a node with 2 GiB of memory.

use serde::{Deserialize, Serialize};

/// How much memory and how many files the database may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RocksOptions {
    /// Cache of blocks read, in bytes.
    pub block_cache_bytes: usize,
    /// Memory for writes not yet flushed, in bytes, of all tables together. Reaching it flushes.
    pub write_buffer_bytes: usize,
    /// Memory for writes not yet flushed, in bytes, of one table. Reaching it flushes all tables.
    pub table_write_buffer_bytes: usize,
    /// Write-ahead log files, in bytes, at which all tables are flushed so that old files can go.
    pub max_wal_bytes: u64,
    /// Files kept open at most.
    pub max_open_files: i32,
    /// Threads that flush and compact.
    pub background_jobs: i32,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 64 << 20,
            write_buffer_bytes: 128 << 20,
            table_write_buffer_bytes: 32 << 20,
            max_wal_bytes: 128 << 20,
            max_open_files: 512,
            background_jobs: 2,
        }
    }
}
