//! Whole files that are sealed against whoever steals the disk: XChaCha20 over the bytes, so that a
//! piece can be read from anywhere. What is in them has checksums of its own; they are not
//! authenticated.
//!
//! A sealed file begins with `HLSEAL`, zero, version; id of the key; nonce. What follows has the length
//! of what is in it. A file that does not begin so is in clear.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use chacha20::XChaCha20;
use chacha20::cipher::generic_array::GenericArray;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};

use super::{KeyId, Keyring, NONCE};

/// A file being written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: File,
    cipher: Option<FileCipher>,
    at: u64,
    /// Up to where it is on the disk for certain.
    synced: u64,
}

/// A file being read from its beginning, or from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct FileReader {
    file: Arc<File>,
    cipher: Option<FileCipher>,
    at: u64,
}

#[derive(Clone)]
struct FileCipher {
    key: [u8; 32],
    nonce: [u8; NONCE],
}

impl FileWriter {
    /// Makes a file, sealed if there are keys.
    pub(crate) fn create(path: &Path, keys: Option<&Keyring>) -> io::Result<Self> {
        let mut file = File::create(path)?;
        let cipher = keys.and_then(|keys| {
            let (id, nonce) = (keys.current(), keys.nonce());
            Some((id, FileCipher { key: *keys.file_key(id)?, nonce }))
        });
        if let Some((id, cipher)) = &cipher {
            file.write_all(MAGIC)?;
            file.write_all(&id.0)?;
            file.write_all(&cipher.nonce)?;
        }
        Ok(Self { file, cipher: cipher.map(|(_, cipher)| cipher), at: 0, synced: 0 })
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// So many bytes are synced at a time: the syncs of others, such as the log's, do not have to wait until a
/// large file is on the disk.
const SYNC_EVERY: u64 = 4 << 20;

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.cipher {
            None => self.file.write_all(bytes)?,
            Some(cipher) => {
                let mut sealed = bytes.to_vec();
                cipher.apply(self.at, &mut sealed);
                self.file.write_all(&sealed)?;
            }
        }
        self.at += bytes.len() as u64;
        if self.at - self.synced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.synced = self.at;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl FileReader {
    /// Opens a file, sealed or in clear.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if it is sealed with a key that is not among `keys`.
    pub(crate) fn open(path: &Path, keys: Option<&Keyring>) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut head = [0; HEAD];
        let cipher = match file.read_exact_at(&mut head, 0) {
            Ok(()) if head.starts_with(MAGIC) => {
                let (_, rest) = head.split_at(MAGIC.len());
                let (id, nonce) = rest.split_at(4);
                let id = KeyId(*id.first_chunk().unwrap_or(&[0; 4]));
                let key = keys.and_then(|keys| keys.file_key(id)).ok_or_else(|| {
                    let text = format!(
                        "{} is sealed with key {id}, which is not configured",
                        path.display()
                    );
                    io::Error::new(io::ErrorKind::PermissionDenied, text)
                })?;
                Some(FileCipher { key: *key, nonce: *nonce.first_chunk().unwrap_or(&[0; NONCE]) })
            }
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        Ok(Self { file: Arc::new(file), cipher, at: 0 })
    }

    /// The same file, to be read from its beginning.
    pub(crate) fn rewound(&self) -> Self {
        Self { at: 0, ..self.clone() }
    }

    /// Fills `bytes` with what begins at `offset`.
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, self.start() + offset)?;
        if let Some(cipher) = &self.cipher {
            cipher.apply(offset, bytes);
        }
        Ok(())
    }

    const fn start(&self) -> u64 {
        if self.cipher.is_some() { HEAD as u64 } else { 0 }
    }
}

impl Read for FileReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.start() + self.at)?;
        if let (Some(cipher), Some(bytes)) = (&self.cipher, bytes.get_mut(..read)) {
            cipher.apply(self.at, bytes);
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl FileCipher {
    fn apply(&self, offset: u64, bytes: &mut [u8]) {
        let nonce = GenericArray::from_slice(&self.nonce);
        let mut cipher = XChaCha20::new(GenericArray::from_slice(&self.key), nonce);
        cipher.seek(offset);
        cipher.apply_keystream(bytes);
    }
}

impl std::fmt::Debug for FileCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileCipher(…)")
    }
}

const MAGIC: &[u8; 8] = b"HLSEAL\0\x01";
const HEAD: usize = MAGIC.len() + 4 + NONCE;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::seal::SealKey;

    #[test]
    fn a_sealed_file_is_read_from_anywhere_with_its_key_only() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        let text: Vec<u8> =
            (0..2_000_u32).flat_map(|n| format!("+49301{n:05}").into_bytes()).collect();
        let keys = Keyring::of(&[SealKey::new([1; 32])], 1);
        let mut writer = FileWriter::create(&path, Some(&keys)).unwrap();
        for piece in text.chunks(777) {
            writer.write_all(piece).unwrap();
        }
        writer.sync_all().unwrap();
        let stored = std::fs::read(&path).unwrap();
        assert_eq!(stored.len(), text.len() + HEAD);
        assert!(!stored.windows(5).any(|bytes| bytes == b"49301"));
        let later = Keyring::of(&[SealKey::new([2; 32]), SealKey::new([1; 32])], 2);
        let mut reader = FileReader::open(&path, Some(&later)).unwrap();
        let mut piece = [0; 100];
        reader.read_exact_at(&mut piece, 12_345).unwrap();
        assert_eq!(piece.as_slice(), &text[12_345..12_445]);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, text);
        let other = Keyring::of(&[SealKey::new([2; 32])], 3);
        let refused = FileReader::open(&path, Some(&other)).unwrap_err().to_string();
        assert!(refused.contains(&SealKey::new([1; 32]).id().to_string()), "{refused}");
        assert!(FileReader::open(&path, None).is_err());
    }
}
