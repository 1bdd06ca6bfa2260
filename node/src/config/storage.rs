//! `[storage]`: the disk.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

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
    /// When and how the node guards against a full disk.
    pub watermarks: Watermarks,
    /// How often all that is stored is read and checked; `None`: never.
    pub scrub_every: Option<Duration>,
    /// The keys that the data folder is sealed with: the first writes, all read. None: it is in clear.
    pub keys: Vec<SealKey>,
    /// Memory and files of the database.
    pub rocksdb: RocksOptions,
}

/// When and how the node guards against a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// From here on it warns, in percent.
    pub warn_percent: u64,
    /// From here on it admits no calls, in percent; 100: never.
    pub protect_percent: u64,
    /// Bytes that are kept for calls that are up.
    pub reserve_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStorage {
    warn_percent: Option<Spanned<u64>>,
    protect_percent: Option<Spanned<u64>>,
    reserve_bytes: Option<Spanned<u64>>,
    scrub_every_s: Option<Spanned<u64>>,
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
        let percent = |check: &mut Checker<'_>, key, raw: Option<Spanned<u64>>, default| {
            raw.map_or(default, |raw| check.range(key, &raw, 1..101))
        };
        let watermarks = Watermarks {
            warn_percent: percent(check, "storage.warn_percent", self.warn_percent, 80),
            protect_percent: percent(check, "storage.protect_percent", self.protect_percent, 90),
            reserve_bytes: self.reserve_bytes.map_or(RESERVE_BYTES, |raw| {
                check.range("storage.reserve_bytes", &raw, 0..MAX_FREE_BYTES + 1)
            }),
        };
        let rocksdb = self.rocksdb.unwrap_or_default();
        let scrub_every_s = self.scrub_every_s.map_or(SCRUB_EVERY_S, |raw| {
            check.range("storage.scrub_every_s", &raw, 0..MAX_SCRUB_EVERY_S + 1)
        });
        let scrub_every = (scrub_every_s > 0).then_some(Duration::from_secs(scrub_every_s));
        StorageConfig { min_free_bytes, watermarks, scrub_every, keys, rocksdb }
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
                let name = "storage.encryption.key_files";
                match secret::read(&path) {
                    // A key a line: see `holdline key rotate`.
                    Ok(text) => text.split_whitespace().for_each(|key| {
                        add(check, name, file.span(), Ok(key.to_owned()));
                    }),
                    Err(fault) => check.fault(name, file.span(), fault),
                }
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
/// The log of some tens of thousands of calls that end.
const RESERVE_BYTES: u64 = 64 << 20;
/// A week.
const SCRUB_EVERY_S: u64 = 7 * 24 * 3_600;
const MAX_SCRUB_EVERY_S: u64 = 365 * 24 * 3_600;
const MAX_FREE_BYTES: u64 = 1 << 50;
