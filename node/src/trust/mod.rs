//! Certificates of nodes: who may speak to this node, and to whom it speaks.
//!
//! | file | what |
//! |---|---|
//! | `name` | which node of which cluster a certificate is for; PURE |
//! | `authority` | makes the cluster's authority and certificates (`holdline certs`) |
//! | `book` | who was removed, and is cut off |
//! | `accept` | connections from other nodes |
//! | `dial` | connections to other nodes |
//! | `guarded` | a connection that ends when its peer is removed |
//!
//! A certificate names the cluster and the node. Both sides show one, signed by the cluster's
//! authority; the files are read again when they change (`holdline_transport::Tls`), for connections
//! that are opened then. Removing a member revokes its certificate: its connections end, and new
//! ones are refused.
//!
//! Gossip is not here: its datagrams are encrypted and authenticated with the cluster's key.
//!
//! Invariant: with certificates configured, no byte of a node without one of the cluster's is read
//! but those of its handshake.

mod accept;
pub mod authority;
mod book;
mod dial;
mod guarded;
pub mod name;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use holdline_model::ClusterId;
use holdline_transport::Tls;

pub(crate) use accept::secure;
pub(crate) use book::Book;

/// What connections between nodes are secured with. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) cluster: ClusterId,
    pub(crate) tls: Tls,
    pub(crate) book: Book,
}

/// Why a peer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Stranger {
    /// Its certificate is not one of the cluster's authority, or it shows none.
    #[error("its certificate is not signed by the cluster's authority: {0}")]
    Handshake(String),
    /// The certificate names no node of a cluster.
    #[error("its certificate names no node")]
    Nameless,
    /// The certificate is of another cluster.
    #[error("its certificate is of another cluster")]
    OtherCluster,
    /// The node was removed.
    #[error("node {0} was removed from the cluster")]
    Removed(holdline_model::NodeId),
    /// The same, seen in its handshake.
    #[error("it was removed from the cluster: its certificate is revoked")]
    Revoked,
}

impl Stranger {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Handshake(_) => "certificate",
            Self::Nameless => "nameless",
            Self::OtherCluster => "cluster",
            Self::Removed(_) | Self::Revoked => "removed",
        }
    }

    /// Counts and says who was refused.
    fn tell(&self, peer: Option<SocketAddr>) {
        metrics::counter!("holdline_peer_refused_total", "reason" => self.as_str()).increment(1);
        let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        tracing::warn!(%peer, reason = self.as_str(), "a stranger is refused: {self}");
    }
}

impl Trust {
    /// `tls`, not loaded yet, with which nothing that was removed gets through a handshake.
    pub(crate) fn new(cluster: ClusterId, tls: Tls) -> Self {
        let book = Book::default();
        let removed = book.clone();
        let is_revoked = move |certificate: &[u8]| {
            let named = name::of_certificate(certificate).filter(|named| named.cluster == cluster);
            named.is_some_and(|named| removed.is_removed(named.node))
        };
        Self { cluster, tls: tls.revoking(Arc::new(is_revoked)), book }
    }

    /// Which node a certificate is for, if it may speak to this one.
    fn judge(&self, certificate: Option<&[u8]>) -> Result<holdline_model::NodeId, Stranger> {
        let named = certificate.and_then(name::of_certificate).ok_or(Stranger::Nameless)?;
        if named.cluster != self.cluster {
            return Err(Stranger::OtherCluster);
        }
        if self.book.is_removed(named.node) {
            return Err(Stranger::Removed(named.node));
        }
        Ok(named.node)
    }
}
