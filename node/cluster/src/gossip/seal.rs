//! Sealed datagrams: version, nonce, ciphertext with tag. The cluster's id is authenticated with
//! each, so that a datagram of another cluster that has the same key (a copied configuration) is
//! foreign, too.
//!
//! Nonces are 24 random bytes: no counter has to survive a restart.

use chacha20poly1305::aead::{Aead, AeadCore, OsRng, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use holdline_model::ClusterId;

use super::ClusterKey;

/// Seals and opens datagrams of one cluster.
#[derive(Clone)]
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
    cluster: [u8; 8],
}

/// The datagram is not from this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sealed with this cluster's key and id")]
pub(super) struct Foreign;

impl Seal {
    pub(super) fn new(key: &ClusterKey, cluster: ClusterId) -> Self {
        let cipher = XChaCha20Poly1305::new(&key.derive(LABEL));
        Self { cipher, cluster: cluster.0.to_be_bytes() }
    }

    /// Seals one datagram; `None` if it would be too long for UDP.
    pub(super) fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > MAX_PLAIN_BYTES {
            return None;
        }
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: plain, aad: &self.aad() };
        let sealed = self.cipher.encrypt(&nonce, payload).ok()?;
        Some([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    /// Opens one datagram.
    pub(super) fn open(&self, datagram: &[u8]) -> Result<Vec<u8>, Foreign> {
        let rest = datagram.strip_prefix(&[VERSION]).ok_or(Foreign)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or(Foreign)?;
        let payload = Payload { msg: sealed, aad: &self.aad() };
        self.cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| Foreign)
    }

    fn aad(&self) -> [u8; 9] {
        let mut aad = [VERSION; 9];
        if let Some(id) = aad.last_chunk_mut() {
            *id = self.cluster;
        }
        aad
    }
}

const LABEL: &[u8] = b"holdline gossip v1";
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Largest UDP payload over IPv4, in bytes.
pub(super) const MAX_SEALED_BYTES: usize = 65_507;
const MAX_PLAIN_BYTES: usize = MAX_SEALED_BYTES - 1 - NONCE_BYTES - TAG_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: &str, cluster: u64) -> Seal {
        Seal::new(&key.parse().unwrap(), ClusterId(cluster))
    }

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn what_is_sealed_can_be_opened_and_hides_its_content() {
        let datagram = seal(KEY, 7).seal(b"node 1 is at 10.0.0.1").unwrap();
        assert!(!datagram.windows(6).any(|part| part == b"node 1"));
        assert_eq!(seal(KEY, 7).open(&datagram).unwrap(), b"node 1 is at 10.0.0.1");
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(seal(KEY, 7).seal(b"x"), seal(KEY, 7).seal(b"x"));
    }

    #[test]
    fn another_key_or_cluster_is_foreign() {
        let datagram = seal(KEY, 7).seal(b"x").unwrap();
        assert_eq!(seal("another key that is long enough", 7).open(&datagram), Err(Foreign));
        assert_eq!(seal(KEY, 8).open(&datagram), Err(Foreign));
    }

    #[test]
    fn any_change_makes_it_foreign() {
        let datagram = seal(KEY, 7).seal(b"hello").unwrap();
        for index in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[index] ^= 1;
            assert_eq!(seal(KEY, 7).open(&changed), Err(Foreign), "byte {index}");
            assert_eq!(seal(KEY, 7).open(&datagram[..index]), Err(Foreign), "first {index}");
        }
    }

    #[test]
    fn the_longest_datagram_fits_udp_and_no_longer_one_is_sealed() {
        let longest = seal(KEY, 7).seal(&vec![0; MAX_PLAIN_BYTES]).unwrap();
        assert_eq!(longest.len(), MAX_SEALED_BYTES);
        assert_eq!(seal(KEY, 7).seal(&vec![0; MAX_PLAIN_BYTES + 1]), None);
    }
}
