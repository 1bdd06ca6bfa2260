//! What the registrar is told.

use std::num::NonZeroUsize;
use std::time::Duration;

use holdline_model::{RegisterBounds, limits};

/// Domains, times and limits of the registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarOptions {
    /// The domains whose users register here, in lower case. None: there is no registrar.
    pub domains: Vec<String>,
    /// Shorter expiries are refused with 423, except 0.
    pub min_expires: Duration,
    /// Longer ones are cut to this.
    pub max_expires: Duration,
    /// What a REGISTER gets that names none.
    pub default_expires: Duration,
    /// How many bindings there may be.
    pub bounds: RegisterBounds,
    /// How long a nonce may be used.
    pub nonce_life: Duration,
    /// Nonces in use that are remembered; when there are more, the oldest becomes stale.
    pub max_nonces: NonZeroUsize,
    /// Bindings of one user that ring at the same time, at most; the others are tried afterwards.
    pub max_branches: NonZeroUsize,
    /// REGISTERs that may wait for their commit; more are dropped and counted, and come again.
    pub max_pending: NonZeroUsize,
}

impl Default for RegistrarOptions {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            default_expires: Duration::from_secs(3600),
            bounds: RegisterBounds {
                per_aor: 8,
                replace_oldest: true,
                total: limits::MAX_BINDINGS,
            },
            nonce_life: Duration::from_secs(300),
            max_nonces: NonZeroUsize::new(65_536).unwrap_or(NonZeroUsize::MIN),
            max_branches: NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN),
            max_pending: NonZeroUsize::new(8_192).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl RegistrarOptions {
    /// Whether a domain, in whatever case, is one of ours.
    #[must_use]
    pub fn is_local(&self, domain: &str) -> bool {
        self.domains.iter().any(|local| local.eq_ignore_ascii_case(domain))
    }
}
