//! What is derived from the cluster key, each with its own label, so that no use of the key says
//! anything about another.

use hmac::{Hmac, Mac};
use holdline_sip::digest::NonceKey;
use sha2::Sha256;

use crate::config::ClusterKey;
use crate::hex::hex;

/// The bearer token of calls between nodes, as 64 hexadecimal digits.
pub(super) fn rpc_token(key: &ClusterKey) -> String {
    derive(key, b"holdline rpc token v1")
}

/// The secret of gossip, as 64 hexadecimal digits.
pub(super) fn gossip_key(key: &ClusterKey) -> String {
    derive(key, b"holdline gossip key v1")
}

/// The key that digest nonces are signed with.
pub(super) fn nonce_key(key: &ClusterKey) -> NonceKey {
    NonceKey::new(mac(key, b"holdline digest nonce v1"))
}

fn derive(key: &ClusterKey, label: &[u8]) -> String {
    hex(&mac(key, label))
}

fn mac(key: &ClusterKey, label: &[u8]) -> [u8; 32] {
    let mac =
        <Hmac<Sha256> as Mac>::new_from_slice(key.bytes()).expect("HMAC takes keys of any length");
    mac.chain_update(label).finalize().into_bytes().into()
}
