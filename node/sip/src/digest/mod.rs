//! Digest authentication (RFC 7616, RFC 8760), of peers that call or register and of ourselves towards
//! trunks. PURE: nonces are made of what the caller says, and checked against a key.
//!
//! | file | what |
//! |---|---|
//! | `algorithm` | MD5 and SHA-256, and what a password becomes by them |
//! | `params` | the list of parameters that challenges and credentials are |
//! | `challenge` | what asks for credentials: ours, and a trunk's |
//! | `credentials` | what answers a challenge: a peer's, and ours |
//! | `nonce` | nonces that any node can verify, bound to one owner of one slot |
//! | `replays` | which counts of a nonce were used |
//!
//! Invariant: `qop=auth` is always asked for and insisted on, so that every request needs a count of its
//! own. An algorithm that was not offered is not accepted.
//! Invariant: a user that does not exist costs the same work and gets the same answer as a wrong
//! password: the response is computed over a made-up HA1 and compared in constant time.

mod algorithm;
mod challenge;
mod credentials;
mod nonce;
mod params;
mod replays;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, fingerprint, ha1};
pub use challenge::{Challenge, challenges};
pub use credentials::{Answer, Credentials, CredentialsError};
pub use nonce::{Nonce, NonceKey};
pub use replays::{Replays, Use};
