//! What asks for credentials: ours to peers, and those that trunks send to us.

use super::Algorithm;
use super::params::{Params, quoted};

/// The values of our challenge's header fields, one for each algorithm, the preferred one first.
#[must_use]
pub fn challenges(realm: &str, nonce: &str, stale: bool) -> [String; 2] {
    let stale = if stale { ", stale=true" } else { "" };
    Algorithm::PREFERRED.map(|algorithm| {
        format!(
            "Digest realm={}, nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
            quoted(realm),
            algorithm.as_str()
        )
    })
}

/// A challenge of a peer's that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// For which realm.
    pub realm: String,
    /// By which algorithm.
    pub algorithm: Algorithm,
    pub(super) nonce: String,
    pub(super) opaque: Option<String>,
    /// Whether `qop=auth` is offered. Without it the answer is the one of RFC 2069.
    pub(super) has_qop: bool,
    /// Our credentials were right, but for a nonce that is no longer valid.
    pub stale: bool,
}

impl Challenge {
    /// The challenge to answer, of the values of all its header fields: the first by the best
    /// algorithm that we know. `None` if there is none.
    pub fn best<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        Self::best_of(values, |_| true)
    }

    /// The same, of those by an algorithm that `knows` can be used.
    pub fn best_of<'a>(
        values: impl Iterator<Item = &'a [u8]>,
        knows: impl Fn(Algorithm) -> bool,
    ) -> Option<Self> {
        let known: Vec<Self> = values.filter_map(Self::parse).collect();
        let of = |wanted| known.iter().find(|challenge| challenge.algorithm == wanted);
        Algorithm::PREFERRED.into_iter().filter(|known| knows(*known)).find_map(of).cloned()
    }

    /// What it is to be answered for.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let params = Params::parse(value)?;
        let qop = params.get("qop");
        let has_qop = qop.is_some_and(|qop| {
            qop.split(',').any(|option| option.trim().eq_ignore_ascii_case("auth"))
        });
        if qop.is_some() && !has_qop {
            return None;
        }
        Some(Self {
            realm: params.get("realm")?.to_owned(),
            algorithm: Algorithm::from_param(params.get("algorithm"))?,
            nonce: params.get("nonce")?.to_owned(),
            opaque: params.get("opaque").map(str::to_owned),
            has_qop,
            stale: params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}
