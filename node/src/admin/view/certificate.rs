//! A certificate.

use holdline_model::Millis;
use serde::{Deserialize, Serialize};

use super::time;
use crate::admin::seam::NodeCertificate;

/// A certificate of the node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// Where it was read.
    pub file: String,
    /// The trunk that it is shown to; `null`: it is the listeners', and shown to everybody else.
    pub trunk: Option<String>,
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// DNS names and addresses that it is good for.
    pub names: Vec<String>,
    /// The domains of its SIP URIs, which count alone if there are any (RFC 5922).
    pub sip_domains: Vec<String>,
    /// Until when.
    pub not_after: String,
    /// Whole days that are left; below 0: it is over.
    pub days_left: i64,
}

impl CertificateView {
    /// As it is now.
    #[must_use]
    pub fn new(certificate: &NodeCertificate, now: Millis) -> Self {
        let NodeCertificate { path, trunk, facts } = certificate;
        let not_after = Millis(u64::try_from(facts.not_after.as_millis()).unwrap_or(u64::MAX));
        Self {
            file: path.display().to_string(),
            trunk: trunk.clone(),
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            names: facts.names.clone(),
            sip_domains: facts.sip_domains.clone(),
            not_after: time::format(not_after),
            days_left: days_left(certificate, now),
        }
    }
}

/// Whole days until a certificate is over, rounded down.
pub(crate) fn days_left(certificate: &NodeCertificate, now: Millis) -> i64 {
    let end = i64::try_from(certificate.facts.not_after.as_millis()).unwrap_or(i64::MAX);
    end.saturating_sub(i64::try_from(now.0).unwrap_or(i64::MAX)).div_euclid(DAY_MS)
}

const DAY_MS: i64 = 86_400_000;
