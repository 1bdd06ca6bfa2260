//! `[storage]`: the disk.

use std::ops::Range;
use std::path::PathBuf;

use holdline_storage::RocksOptions;
use holdline_storage::seal::SealKey;
use serde::Deserialize;
use toml::Spanned;

use super::error::Fault;
use super::locate::Checker;
use super::secret;

/// The disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// With less room than this on the data folder's file system, in bytes, the node says in
    /// `/readyz` that it is not ready.
    pub min_free_bytes: u64,
    /// The keys that the data folder is sealed with: the first writes, all read. None: it is in clear.
    pub keys: Vec<SealKey>,
    /// Memory and files of the database.
    pub rocksdb: RocksOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStorage {
    min_free_bytes: Option<Spanned<u64>>,
    encryption: Option<Spanned<RawEncryption>>,
    rocksdb: Option<RocksOptions>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEncryption {
    key_files: Option<Vec<Spanned<PathBuf>>>,
    key_env: Option<Spanned<String>>,
}

impl RawStorage {
    pub(super) fn build(self, check: &mut Checker<'_>) -> StorageConfig {
        let min_free_bytes = self.min_free_bytes.map_or(MIN_FREE_BYTES, |raw| {
            check.range("storage.min_free_bytes", &raw, 0..MAX_FREE_BYTES + 1)
        });
        let keys = self.encryption.map_or_else(Vec::new, |raw| keys(check, raw));
        StorageConfig { min_free_bytes, keys, rocksdb: self.rocksdb.unwrap_or_default() }
    }
}

/// Reads the keys, of files or of the environment.
fn keys(check: &mut Checker<'_>, raw: Spanned<RawEncryption>) -> Vec<SealKey> {
    let span = raw.span();
    let RawEncryption { key_files, key_env } = raw.into_inner();
    let mut keys = Vec::new();
    let mut add =
        |check: &mut Checker<'_>, name: &str, at: Range<usize>, text: Result<String, Fault>| {
            let key = text.and_then(|text| {
                text.parse::<SealKey>().map_err(|error| Fault::BadKey { detail: error.to_string() })
            });
            match key {
                Ok(key) => keys.push(key),
                Err(fault) => check.fault(name, at, fault),
            }
        };
    match (key_files, key_env) {
        (Some(_), Some(name)) => {
            let fault = Fault::Exclusive { first: "key_files", second: "key_env" };
            check.fault("storage.encryption.key_env", name.span(), fault);
        }
        (Some(files), None) if !files.is_empty() => {
            for file in files {
                let path = check.resolve(file.get_ref());
                add(check, "storage.encryption.key_files", file.span(), secret::read(&path));
            }
        }
        (None, Some(name)) => {
            // Several keys, the first of which writes, with commas between them.
            let value = std::env::var(name.get_ref()).map_err(|_| Fault::BadKey {
                detail: format!("the environment has no variable {}", name.get_ref()),
            });
            match value {
                Ok(value) => value.split(',').for_each(|key| {
                    add(check, "storage.encryption.key_env", name.span(), Ok(key.to_owned()));
                }),
                Err(fault) => check.fault("storage.encryption.key_env", name.span(), fault),
            }
        }
        (Some(_) | None, None) => {
            let fault = Fault::NeedsOneOf { first: "key_files", second: "key_env" };
            check.fault("storage.encryption", span, fault);
        }
    }
    keys
}

/// Room for the write-ahead log and one compaction.
const MIN_FREE_BYTES: u64 = 512 << 20;
const MAX_FREE_BYTES: u64 = 1 << 50;
