//! How we deal with a trunk, apart from where it is.

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use holdline_model::{Ha1, Name};
use holdline_sip::digest::{Algorithm, ha1};

/// How we deal with a trunk. The default: it is known by its source, asks for no password and is told
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkPolicy {
    /// How calls from it prove that they are its own.
    pub proof: Proof,
    /// What we answer its challenges with.
    pub credentials: Option<TrunkCredentials>,
    /// What becomes of its redirections.
    pub redirect: Redirect,
    /// Whether it is asked, while a call is up, if its end of the call is still there.
    pub alive: Option<Alive>,
}

/// What becomes of a redirection (300, 301, 302) by a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirect {
    /// The caller gets it.
    #[default]
    Relay,
    /// The call goes to the contacts, as far as routing leads there.
    Follow,
}

/// How the end of a call is asked whether it is still there: by OPTIONS within the dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    /// How often.
    pub interval: Duration,
    /// So many in a row without an answer end the call.
    pub failures: NonZeroU16,
}

/// How calls from a trunk prove that they are its own. Every proof that is asked for must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// It comes from one of the trunk's sources.
    pub by_source: bool,
    /// It comes over a connection whose peer has shown a certificate that is good for this domain.
    pub by_certificate: Option<String>,
    /// It knows a password.
    pub by_digest: Option<PeerSecret>,
}

impl Default for Proof {
    fn default() -> Self {
        Self { by_source: true, by_certificate: None, by_digest: None }
    }
}

/// What a trunk that calls us has to know.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerSecret {
    /// Its name to us.
    pub username: String,
    /// The realm that we ask in.
    pub realm: Name,
    /// What we know of its password.
    pub ha1: Ha1,
}

/// Who we are to a trunk.
#[derive(Clone, PartialEq, Eq)]
pub struct TrunkCredentials {
    /// Our name to it.
    pub username: String,
    /// What proves it.
    pub secret: TrunkSecret,
}

/// What proves who we are to a trunk.
#[derive(Clone, PartialEq, Eq)]
pub enum TrunkSecret {
    /// The password: good for whatever realm the trunk asks in.
    Password(String),
    /// What a password becomes in the one realm that the trunk asks in, by the algorithms that it is known
    /// for.
    Ha1 {
        /// By MD5.
        md5: Option<[u8; 16]>,
        /// By SHA-256.
        sha256: Option<[u8; 32]>,
    },
}

impl TrunkCredentials {
    /// What we know of the password in a realm.
    pub(crate) fn ha1(&self, realm: &str) -> Ha1 {
        match &self.secret {
            TrunkSecret::Password(password) => ha1(&self.username, realm, password),
            TrunkSecret::Ha1 { md5, sha256 } => {
                Ha1 { md5: md5.unwrap_or_default(), sha256: sha256.unwrap_or_default() }
            }
        }
    }

    /// Whether a challenge by this algorithm can be answered.
    pub(crate) const fn knows(&self, algorithm: Algorithm) -> bool {
        match (&self.secret, algorithm) {
            (TrunkSecret::Password(_), _) => true,
            (TrunkSecret::Ha1 { md5, .. }, Algorithm::Md5) => md5.is_some(),
            (TrunkSecret::Ha1 { sha256, .. }, Algorithm::Sha256) => sha256.is_some(),
        }
    }
}

impl fmt::Debug for PeerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSecret").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl fmt::Debug for TrunkCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrunkCredentials")
    }
}

impl fmt::Debug for TrunkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrunkSecret")
    }
}
