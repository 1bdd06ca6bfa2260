//! `[storage]`: the disk.

use holdline_storage::RocksOptions;
use serde::Deserialize;
use toml::Spanned;

use super::locate::Checker;

/// The disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// With less room than this on the data folder's file system, in bytes, the node says in
    /// `/readyz` that it is not ready.
    pub min_free_bytes: u64,
    /// Memory and files of the database.
    pub rocksdb: RocksOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStorage {
    min_free_bytes: Option<Spanned<u64>>,
    rocksdb: Option<RocksOptions>,
}

impl RawStorage {
    pub(super) fn build(self, check: &mut Checker<'_>) -> StorageConfig {
        let min_free_bytes = self.min_free_bytes.map_or(MIN_FREE_BYTES, |raw| {
            check.range("storage.min_free_bytes", &raw, 0..MAX_FREE_BYTES + 1)
        });
        StorageConfig { min_free_bytes, rocksdb: self.rocksdb.unwrap_or_default() }
    }
}

/// Room for the write-ahead log and one compaction.
const MIN_FREE_BYTES: u64 = 512 << 20;
const MAX_FREE_BYTES: u64 = 1 << 50;
