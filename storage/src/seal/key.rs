//! A key of 32 bytes, and the id by which it is known.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A key. Its debug form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey {
    bytes: [u8; 32],
    id: KeyId,
}

/// Which key: the first bytes of a hash of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(pub [u8; 4]);

/// The text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 bytes, as 64 hexadecimal digits or in base64 (openssl rand -hex 32): {0}")]
pub struct BadKey(String);

impl SealKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let digest =
            Sha256::new().chain_update(b"holdline key id v1").chain_update(bytes).finalize();
        let mut id = [0; 4];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self { bytes, id: KeyId(id) }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Bytes that follow from the key and a label, and tell nothing of it.
    #[must_use]
    pub fn derive(&self, label: &[u8]) -> [u8; 32] {
        Hmac::<Sha256>::new_from_slice(&self.bytes)
            .map_or([0; 32], |mac| mac.chain_update(label).finalize().into_bytes().into())
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl FromStr for SealKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        let bytes = match hexadecimal(text) {
            Some(bytes) => bytes,
            None => BASE64.decode(text).map_err(|error| BadKey(error.to_string()))?,
        };
        let length = bytes.len();
        let bytes = <[u8; 32]>::try_from(bytes);
        bytes.map(Self::new).map_err(|_| BadKey(format!("this has {length} bytes")))
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_both_forms_and_hidden() {
        let hex: SealKey = "07".repeat(32).parse().unwrap();
        let base64: SealKey = format!("{}\n", BASE64.encode([7; 32])).parse().unwrap();
        assert_eq!((&hex, &hex), (&base64, &SealKey::new([7; 32])));
        assert_eq!(format!("{hex:?}"), format!("SealKey({})", hex.id()));
        assert_ne!(hex.id(), SealKey::new([8; 32]).id());
        assert_ne!(hex.derive(b"a"), hex.derive(b"b"));
        for text in ["", "07", "zz", &"0".repeat(63), &BASE64.encode([7; 31])] {
            assert!(text.parse::<SealKey>().is_err(), "{text}");
        }
    }
}
