//! A user of a local domain: who may register and call under an address of record.
//!
//! The password itself is nowhere: what is stored is what digest authentication needs of it (HA1,
//! RFC 7616 section 3.4.2), for the realm that is the user's domain. HA1 is as good as the password
//! for SIP in that one realm, so it is never shown, not even to administrators.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Aor, Millis, Name};

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// The address of record; its domain is the realm.
    pub aor: Aor,
    /// Whose calls those are that the user makes.
    pub tenant: Name,
    /// What the password is checked by.
    pub ha1: Ha1,
    /// Bindings that the user may have at a time; `None`: as configured for all.
    pub max_bindings: Option<u16>,
    /// When the record was written.
    pub changed_at: Millis,
}

/// H(user:realm:password), once for each algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// By MD5.
    pub md5: [u8; 16],
    /// By SHA-256.
    pub sha256: [u8; 32],
}

/// Shows nothing.
impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(..)")
    }
}
