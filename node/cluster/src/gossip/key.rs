//! The cluster key, and the key for gossip that is derived from it.

use std::fmt;
use std::str::FromStr;

use chacha20poly1305::Key;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The secret that all nodes of a cluster share. Not shown in logs.
#[derive(Clone)]
pub struct ClusterKey {
    secret: Box<[u8]>,
}

/// The text is too short or too long to be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cluster key has {MIN_BYTES} to {MAX_BYTES} bytes; this one has {length}; `openssl rand -hex 32` makes one"
)]
pub struct InvalidKey {
    /// Its length in bytes.
    pub length: usize,
}

impl FromStr for ClusterKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let length = text.len();
        if !(MIN_BYTES..=MAX_BYTES).contains(&length) {
            return Err(InvalidKey { length });
        }
        Ok(Self { secret: text.as_bytes().into() })
    }
}

impl ClusterKey {
    /// Derives the key for one purpose: HKDF-SHA256 (RFC 5869) without salt, one block long.
    pub(super) fn derive(&self, label: &[u8]) -> Key {
        let extracted = hmac(&[0; 32], &[&self.secret]);
        hmac(&extracted, &[label, &[1]]).into()
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(…)")
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

const MIN_BYTES: usize = 16;
const MAX_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivation_is_hkdf_sha256() {
        // RFC 5869, test case 3: no salt, no info; the first block of its output.
        let key = ClusterKey { secret: vec![0x0b; 22].into() };
        let hex: String = key.derive(b"").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    }

    #[test]
    fn labels_give_different_keys() {
        let key: ClusterKey = "0123456789abcdef".parse().unwrap();
        assert_ne!(key.derive(b"a"), key.derive(b"b"));
    }

    #[test]
    fn a_short_key_is_refused_and_none_is_shown() {
        assert_eq!("short".parse::<ClusterKey>().unwrap_err(), InvalidKey { length: 5 });
        let key: ClusterKey = "0123456789abcdef".parse().unwrap();
        assert!(!format!("{key:?}").contains("0123"));
    }
}
