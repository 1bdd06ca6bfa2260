//! Nonces without state: what they say is signed with a key that all nodes have, so that any node can
//! tell one of the cluster's from anything else.
//!
//! A nonce names a slot and an epoch. Only the owner of that slot in that epoch accepts uses of it, and
//! it remembers which ([`super::Replays`]); to everybody else, and to itself when the epoch is over,
//! the nonce is stale. So no two nodes can accept the same use, without a word between them: there
//! is one owner at a time, which the lease and the epochs see to, and a takeover ends all nonces of
//! the owner before.

use std::fmt;

use hmac::{Hmac, Mac};
use holdline_model::{Epoch, Ha1, Millis, SlotId};
use sha2::Sha256;

use super::algorithm::hex;

/// The key that nonces are signed with: the same on all nodes.
#[derive(Clone, PartialEq, Eq)]
pub struct NonceKey([u8; 32]);

/// What a nonce says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// When it was made, by the clock of who made it.
    pub issued: Millis,
    /// The slot whose owner accepts it.
    pub slot: SlotId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Tells nonces of one moment apart.
    pub salt: u64,
}

const FACTS: usize = 8 + 2 + 8 + 8;
const SIGNATURE: usize = 16;

impl NonceKey {
    /// A key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The text of a nonce for a realm.
    #[must_use]
    pub fn sign(&self, nonce: &Nonce, realm: &str) -> String {
        let facts = nonce.facts();
        let mut text = hex(&facts);
        text.push_str(&hex(&self.mac(&facts, realm).finalize().into_bytes()[..SIGNATURE]));
        text
    }

    /// Reads a nonce for a realm; `None` unless the cluster made it. Whether it is still valid is for
    /// the caller to say.
    #[must_use]
    pub fn read(&self, text: &str, realm: &str) -> Option<Nonce> {
        let bytes = unhex(text)?;
        let (facts, rest) = bytes.split_first_chunk::<FACTS>()?;
        let signature: &[u8; SIGNATURE] = rest.try_into().ok()?;
        self.mac(facts, realm).verify_truncated_left(signature).ok()?;
        Some(Nonce::from_facts(facts))
    }

    /// What stands in for the HA1 of a user that does not exist. Always the same for one name, as a
    /// real one is.
    #[must_use]
    pub fn nobody(&self, user: &str, realm: &str) -> Ha1 {
        let mac = |label: &[u8]| {
            let mac = self.hmac().chain_update(label).chain_update(realm).chain_update([0]);
            <[u8; 32]>::from(mac.chain_update(user).finalize().into_bytes())
        };
        let mut md5 = [0; 16];
        md5.copy_from_slice(&mac(b"nobody md5")[..16]);
        Ha1 { md5, sha256: mac(b"nobody sha256") }
    }

    fn mac(&self, facts: &[u8; FACTS], realm: &str) -> Hmac<Sha256> {
        self.hmac().chain_update(b"nonce").chain_update(facts).chain_update(realm)
    }

    fn hmac(&self) -> Hmac<Sha256> {
        <Hmac<Sha256> as Mac>::new_from_slice(&self.0).expect("HMAC takes keys of any length")
    }
}

impl Nonce {
    fn facts(&self) -> [u8; FACTS] {
        let mut facts = [0; FACTS];
        facts[..8].copy_from_slice(&self.issued.0.to_be_bytes());
        facts[8..10].copy_from_slice(&self.slot.0.to_be_bytes());
        facts[10..18].copy_from_slice(&self.epoch.0.to_be_bytes());
        facts[18..].copy_from_slice(&self.salt.to_be_bytes());
        facts
    }

    fn from_facts(facts: &[u8; FACTS]) -> Self {
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&facts[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        Self {
            issued: Millis(number(0)),
            slot: SlotId(u16::from_be_bytes([facts[8], facts[9]])),
            epoch: Epoch(number(10)),
            salt: number(18),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != 2 * (FACTS + SIGNATURE) {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Shows nothing.
impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(..)")
    }
}
