//! The keys of a data folder: the first one writes, all of them read.
//!
//! Besides, a folder has a key of its own for hashes (keys of records, terms of the index), made when
//! it is made and kept in the file `SEAL`, itself sealed with the first key: so that hashes stay the
//! same when the keys are changed.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{KeyId, NONCE, SealKey, Sealer, TAG};

/// The keys in use.
pub struct Keyring {
    keys: Vec<(KeyId, Sealer, [u8; 32])>,
    hash_key: [u8; 32],
    /// What all nonces of this run begin with.
    nonce: [u8; 16],
    next: AtomicU64,
}

/// A data folder's keys do not fit.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// No key was given at all.
    #[error(
        "data folder {} is sealed with key {needed}, and no key is configured: \
         name its file in storage.encryption.key_files",
        path.display()
    )]
    KeyNeeded {
        /// The folder.
        path: PathBuf,
        /// The key it is sealed with.
        needed: KeyId,
    },
    /// None of the keys is the folder's.
    #[error(
        "data folder {} is sealed with key {needed}; the keys that are configured are {given}: \
         add the file of that key to storage.encryption.key_files, behind the others",
        path.display()
    )]
    WrongKey {
        /// The folder.
        path: PathBuf,
        /// The key it is sealed with.
        needed: KeyId,
        /// The keys that were given.
        given: String,
    },
    /// Keys are given for a folder that is in clear.
    #[error(
        "data folder {} was made without encryption, and keys are configured: use an empty folder and \
         let the node fetch its state, or remove storage.encryption",
        path.display()
    )]
    InClear {
        /// The folder.
        path: PathBuf,
    },
    /// The file `SEAL` is not what was written.
    #[error("{} is damaged: put back the file that the node wrote, or use an empty folder", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A key is given twice.
    #[error("key {0} is configured twice")]
    Twice(KeyId),
    /// The file system failed, or there are no random numbers.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
}

impl Keyring {
    /// The keyring of a folder: reads `SEAL`, or makes it if the folder `is_new`. If the first key is
    /// another than the one it was sealed with, it is sealed anew. `random` are bytes that were never
    /// used before. `None` if the folder is in clear and no key is given.
    ///
    /// # Errors
    /// See [`KeyringError`].
    pub fn open(
        folder: &Path,
        keys: &[SealKey],
        is_new: bool,
        random: [u8; 72],
    ) -> Result<Option<Self>, KeyringError> {
        let path = folder.join(SEAL);
        let sealed = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(KeyringError::Io { path, cause }),
        };
        let (sealed, first) = match (sealed, keys.first()) {
            (None, None) => return Ok(None),
            (None, Some(_)) if !is_new => {
                return Err(KeyringError::InClear { path: folder.to_owned() });
            }
            (Some(bytes), None) => {
                let needed = sealed_with(&bytes).ok_or(KeyringError::Damaged { path })?;
                return Err(KeyringError::KeyNeeded { path: folder.to_owned(), needed });
            }
            (sealed, Some(first)) => (sealed, first),
        };
        let (nonce, rest) = random.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let (file_nonce, rest) = rest.split_first_chunk::<NONCE>().unwrap_or((&[0; NONCE], &[]));
        let fresh = *rest.first_chunk::<32>().unwrap_or(&[0; 32]);
        let (hash_key, is_current) = match sealed {
            Some(bytes) => open_seal(folder, &path, &bytes, keys)?,
            None => (fresh, false),
        };
        if !is_current {
            write_seal(&path, &seal(first, file_nonce, &hash_key))?;
        }
        let mut all: Vec<(KeyId, Sealer, [u8; 32])> = Vec::new();
        for key in keys {
            if all.iter().any(|(id, ..)| *id == key.id()) {
                return Err(KeyringError::Twice(key.id()));
            }
            all.push((key.id(), Sealer::new(key), key.derive(b"holdline files v1")));
        }
        Ok(Some(Self { keys: all, hash_key, nonce: *nonce, next: AtomicU64::new(0) }))
    }

    /// A keyring without a folder, for tests.
    #[cfg(test)]
    pub(crate) fn of(keys: &[SealKey], nonce: u8) -> Self {
        let all =
            keys.iter().map(|key| (key.id(), Sealer::new(key), key.derive(b"holdline files v1")));
        Self { keys: all.collect(), hash_key: [3; 32], nonce: [nonce; 16], next: AtomicU64::new(0) }
    }

    /// The key that writes.
    pub(crate) fn current(&self) -> KeyId {
        self.keys.first().map_or(KeyId([0; 4]), |(id, ..)| *id)
    }

    /// How many keys read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key, which cannot be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that writes, as a cipher.
    pub(crate) fn sealer(&self) -> Option<&Sealer> {
        self.keys.first().map(|(_, sealer, _)| sealer)
    }

    /// A key that reads.
    pub(crate) fn opener(&self, id: KeyId) -> Option<&Sealer> {
        self.keys.iter().find(|(other, ..)| *other == id).map(|(_, sealer, _)| sealer)
    }

    /// The key of whole files that follows from a key.
    pub(crate) fn file_key(&self, id: KeyId) -> Option<&[u8; 32]> {
        self.keys.iter().find(|(other, ..)| *other == id).map(|(.., key)| key)
    }

    /// A nonce that was never used.
    pub(crate) fn nonce(&self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        let (run, count) = nonce.split_at_mut(16);
        run.copy_from_slice(&self.nonce);
        count.copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        nonce
    }

    /// A hash that tells nothing of what was hashed.
    pub(crate) fn hash(&self, label: u8, bytes: &[u8]) -> [u8; 16] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.hash_key);
        let digest: [u8; 32] = mac.map_or([0; 32], |mac| {
            mac.chain_update([label]).chain_update(bytes).finalize().into_bytes().into()
        });
        *digest.first_chunk::<16>().unwrap_or(&[0; 16])
    }
}

/// The file: version, id of the key, nonce, sealed key of the hashes.
fn seal(key: &SealKey, nonce: &[u8; NONCE], hash_key: &[u8; 32]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&key.id().0);
    bytes.extend_from_slice(nonce);
    let from = bytes.len();
    bytes.extend_from_slice(hash_key);
    Sealer::new(key).seal(nonce, CONTEXT, &mut bytes, from);
    bytes
}

fn sealed_with(bytes: &[u8]) -> Option<KeyId> {
    let (version, rest) = bytes.split_first()?;
    let (id, _) = rest.split_first_chunk::<4>()?;
    (*version == VERSION && bytes.len() == LENGTH).then_some(KeyId(*id))
}

/// The key of the hashes, and whether it is sealed with the first of the keys.
fn open_seal(
    folder: &Path,
    path: &Path,
    bytes: &[u8],
    keys: &[SealKey],
) -> Result<([u8; 32], bool), KeyringError> {
    let damaged = || KeyringError::Damaged { path: path.to_owned() };
    let needed = sealed_with(bytes).ok_or_else(damaged)?;
    let Some(key) = keys.iter().find(|key| key.id() == needed) else {
        let given: Vec<_> = keys.iter().map(|key| key.id().to_string()).collect();
        let (path, given) = (folder.to_owned(), given.join(", "));
        return Err(KeyringError::WrongKey { path, needed, given });
    };
    let (nonce, sealed) =
        bytes.get(5..).and_then(|rest| rest.split_first_chunk::<NONCE>()).ok_or_else(damaged)?;
    let mut sealed = sealed.to_vec();
    Sealer::new(key).open(nonce, CONTEXT, &mut sealed).map_err(|_| damaged())?;
    let hash_key = <[u8; 32]>::try_from(sealed).map_err(|_| damaged())?;
    Ok((hash_key, keys.first().is_some_and(|first| first.id() == needed)))
}

/// Writes the file so that it is there whole or not at all.
fn write_seal(path: &Path, bytes: &[u8]) -> Result<(), KeyringError> {
    let temporary = path.with_extension("tmp");
    let io = |cause| KeyringError::Io { path: path.to_owned(), cause };
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(io)?;
    fs::rename(&temporary, path).map_err(io)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, ..)| id)).finish()
    }
}

/// The file's name in the data folder.
pub(crate) const SEAL: &str = "SEAL";

const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"holdline SEAL";
const LENGTH: usize = 1 + 4 + NONCE + 32 + TAG;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn key(byte: u8) -> SealKey {
        SealKey::new([byte; 32])
    }

    fn open(folder: &Path, keys: &[SealKey]) -> Result<Option<Keyring>, KeyringError> {
        let is_new = !folder.join("db").exists();
        Keyring::open(folder, keys, is_new, [9; 72])
    }

    #[test]
    fn hashes_stay_when_keys_are_changed() {
        let folder = TempDir::new().unwrap();
        let first = open(folder.path(), &[key(1)]).unwrap().unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let hash = first.hash(1, b"+4930123");
        let both = open(folder.path(), &[key(2), key(1)]).unwrap().unwrap();
        assert_eq!((both.hash(1, b"+4930123"), both.current()), (hash, key(2).id()));
        let later = open(folder.path(), &[key(2)]).unwrap().unwrap();
        assert_eq!(later.hash(1, b"+4930123"), hash, "the file was sealed anew");
        assert_ne!(later.hash(2, b"+4930123"), hash);
    }

    #[test]
    fn keys_that_do_not_fit_are_refused_by_name() {
        let folder = TempDir::new().unwrap();
        open(folder.path(), &[key(1)]).unwrap();
        let text = open(folder.path(), &[]).unwrap_err().to_string();
        assert!(text.contains(&key(1).id().to_string()) && text.contains("no key"), "{text}");
        let text = open(folder.path(), &[key(2)]).unwrap_err().to_string();
        let named = [key(1).id().to_string(), key(2).id().to_string()];
        assert!(named.iter().all(|id| text.contains(id)), "{text}");
        let twice = open(folder.path(), &[key(1), key(1)]);
        assert!(matches!(twice, Err(KeyringError::Twice(_))));
        fs::write(folder.path().join(SEAL), b"?").unwrap();
        assert!(matches!(open(folder.path(), &[key(1)]), Err(KeyringError::Damaged { .. })));
        let clear = TempDir::new().unwrap();
        assert!(open(clear.path(), &[]).unwrap().is_none());
        std::fs::create_dir(clear.path().join("db")).unwrap();
        assert!(matches!(open(clear.path(), &[key(1)]), Err(KeyringError::InClear { .. })));
    }

    #[test]
    fn no_nonce_comes_twice() {
        let ring = Keyring::of(&[key(1)], 1);
        assert_ne!(ring.nonce(), ring.nonce());
        assert_ne!(Keyring::of(&[key(1)], 2).nonce(), Keyring::of(&[key(1)], 1).nonce());
    }
}
