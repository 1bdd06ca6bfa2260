//! Sealing: XChaCha20-Poly1305 with keys of 32 bytes, each known by an id that tells nothing of it.
//!
//! The only module that names `chacha20poly1305`. Backups ([`crate::backup`]) are sealed with it, and
//! what lies in the data folder ([`crate::engine`]). It does not know what is sealed, and makes no
//! random numbers: whoever seals sees to it that no nonce is used twice with a key.

mod file;
mod key;
mod keyring;

use std::fmt;

use chacha20poly1305::aead::generic_array::GenericArray;
use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

pub(crate) use file::{FileReader, FileWriter};
pub use key::{BadKey, KeyId, SealKey};
pub(crate) use keyring::SEAL;
pub use keyring::{Keyring, KeyringError};

/// Bytes of a nonce.
pub const NONCE: usize = 24;

/// Bytes that sealing adds.
pub const TAG: usize = 16;

/// Seals and opens with one key.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

/// The bytes were not sealed with this key, or are not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not what was sealed with this key")]
pub struct NotAuthentic;

impl Sealer {
    /// For a key.
    #[must_use]
    pub fn new(key: &SealKey) -> Self {
        Self { cipher: XChaCha20Poly1305::new(GenericArray::from_slice(key.bytes())) }
    }

    /// Seals what `buffer` holds from `from` on, in place, and appends the tag. `context` is
    /// authenticated, too.
    pub fn seal(&self, nonce: &[u8; NONCE], context: &[u8], buffer: &mut Vec<u8>, from: usize) {
        let from = from.min(buffer.len());
        let (_, plain) = buffer.split_at_mut(from);
        let nonce = XNonce::from_slice(nonce);
        let sealed = self.cipher.encrypt_in_place_detached(nonce, context, plain);
        // Only more than 256 GiB at once would be refused.
        buffer.extend_from_slice(&sealed.unwrap_or_default());
    }

    /// Opens what [`Sealer::seal`] made, in place, and takes off the tag.
    ///
    /// # Errors
    /// [`NotAuthentic`]; the buffer's contents are unspecified then.
    pub fn open(
        &self,
        nonce: &[u8; NONCE],
        context: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), NotAuthentic> {
        let length = buffer.len().checked_sub(TAG).ok_or(NotAuthentic)?;
        let (sealed, tag) = buffer.split_at_mut(length);
        let tag = GenericArray::clone_from_slice(tag);
        let nonce = XNonce::from_slice(nonce);
        let opened = self.cipher.decrypt_in_place_detached(nonce, context, sealed, &tag);
        opened.map_err(|_| NotAuthentic)?;
        buffer.truncate(length);
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&SealKey::new([byte; 32]))
    }

    #[test]
    fn what_was_sealed_is_opened_with_the_same_key_nonce_and_context_only() {
        let sealed = {
            let mut buffer = b"head".to_vec();
            buffer.extend_from_slice(b"+4930123456");
            sealer(1).seal(&[9; NONCE], b"here", &mut buffer, 4);
            assert_eq!(buffer.get(..4), Some(&b"head"[..]));
            buffer.split_off(4)
        };
        assert_eq!(sealed.len(), 11 + TAG);
        assert!(!sealed.windows(4).any(|bytes| bytes == b"4930"));
        let open = |key: u8, nonce: u8, context: &[u8], mut bytes: Vec<u8>| {
            sealer(key).open(&[nonce; NONCE], context, &mut bytes).map(|()| bytes)
        };
        assert_eq!(open(1, 9, b"here", sealed.clone()), Ok(b"+4930123456".to_vec()));
        assert_eq!(open(2, 9, b"here", sealed.clone()), Err(NotAuthentic));
        assert_eq!(open(1, 8, b"here", sealed.clone()), Err(NotAuthentic));
        assert_eq!(open(1, 9, b"there", sealed.clone()), Err(NotAuthentic));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(open(1, 9, b"here", damaged), Err(NotAuthentic), "byte {at}");
        }
        assert_eq!(open(1, 9, b"here", sealed[..TAG - 1].to_vec()), Err(NotAuthentic));
    }
}
