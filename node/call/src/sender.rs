//! Who sent a request, as far as the connection that it came over tells.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use holdline_model::Hop;

/// The certificates that peers have shown on the connections of this node.
pub trait Certificates: fmt::Debug + Send + Sync {
    /// The SIP identities (RFC 5922 section 7.1) that the peer of a connection has proved by a certificate
    /// that is trusted, in lower case; `None` if it has shown none.
    fn identities(&self, hop: Hop) -> Option<Arc<[String]>>;
}

/// Nobody has shown any.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCertificates;

impl Certificates for NoCertificates {
    fn identities(&self, _hop: Hop) -> Option<Arc<[String]>> {
        None
    }
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub struct Sender {
    /// From where.
    pub address: IpAddr,
    /// Who it is by its certificate.
    pub identities: Option<Arc<[String]>>,
}

impl Sender {
    /// Whether its certificate is good for a domain.
    pub(crate) fn is(&self, domain: &str) -> bool {
        let mut identities = self.identities.iter().flat_map(|all| all.iter());
        identities.any(|identity| identity.eq_ignore_ascii_case(domain))
    }
}

impl From<IpAddr> for Sender {
    /// Without a certificate.
    fn from(address: IpAddr) -> Self {
        Self { address, identities: None }
    }
}
