//! Why a node cannot start, or cannot go on. The text is the last thing that an operator sees: what,
//! where, and what to do.

use std::net::SocketAddr;

use holdline_call::RoutingError;
use holdline_model::{Format, NodeId};
use holdline_raft::{JoinError, RaftStopped, StartError};
use holdline_storage::{DataDirError, LogError, SnapshotError, StateError};
use holdline_transport::TlsError;
use holdline_transport::dns::DnsError;

use crate::admin::AdminServerError;

/// A node cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store is damaged, and nobody else has what was in it.
    #[error(
        "the store in {} is damaged ({what}), and this node is the only one: restore a backup into a new folder with holdline snapshot restore",
        path.display()
    )]
    Damaged {
        /// The data folder.
        path: std::path::PathBuf,
        /// What is damaged.
        what: String,
    },
    /// The cluster has gone on in a newer format than it was to have.
    #[error(
        "the store in {} has format {has}, and cluster.format_at_most is {at_most}: the cluster has been raised and cannot go back; remove format_at_most, or restore a backup of before with the program of before",
        path.display()
    )]
    Format {
        /// The data folder.
        path: std::path::PathBuf,
        /// What it has.
        has: Format,
        /// What was configured.
        at_most: Format,
    },
    /// What is damaged could not be noted.
    #[error("{} cannot be written: {cause}", path.display())]
    Note {
        /// The data folder.
        path: std::path::PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The data folder's keys do not fit.
    #[error(transparent)]
    Keys(#[from] holdline_storage::seal::KeyringError),
    /// The log cannot be opened.
    #[error("the log in the data folder cannot be opened: {0}")]
    Log(#[from] LogError),
    /// The snapshots cannot be opened.
    #[error("the snapshots in the data folder cannot be opened: {0}")]
    Snapshots(#[from] SnapshotError),
    /// The state cannot be opened.
    #[error("the state in the data folder cannot be opened: {0}")]
    State(#[from] StateError),
    /// Raft cannot start.
    #[error("{}", with_causes(.0))]
    Raft(#[from] StartError),
    /// The address for other nodes cannot be listened on.
    #[error(
        "cluster.rpc: cannot listen on {address}: {source}; end the other process, or set another address here and in cluster.members of every node"
    )]
    Rpc {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A SIP address is in use by something that is no Holdline node.
    #[error(
        "sip.addresses: cannot bind UDP {address}: {source}; end the other process, or set another address"
    )]
    Sip {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The certificate for TLS cannot be used.
    #[error("sip.tls: {0}")]
    Tls(#[from] TlsError),
    /// A trunk has a name, and there is nobody to ask where it leads.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The certificate for other nodes cannot be used.
    #[error("cluster.tls: {0}")]
    ClusterTls(TlsError),
    /// The certificate for other nodes is not this node's.
    #[error(
        "cluster.tls: {} is not the certificate of node {node} of cluster \"{cluster}\": issue one with: holdline certs issue {node}",
        path.display()
    )]
    NotOurs {
        /// The certificate's file.
        path: std::path::PathBuf,
        /// This node.
        node: NodeId,
        /// Its cluster.
        cluster: String,
    },
    /// Trunks and routes contradict each other.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// The admin API cannot listen.
    #[error(transparent)]
    Admin(#[from] AdminServerError),
    /// The gossip socket cannot be opened.
    #[error("cluster.gossip: {0}")]
    Gossip(String),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// With certificates, a node that joins has to know which cluster it joins.
    #[error("cluster.name: a node that joins with cluster.tls must name the cluster: add it")]
    NameNeeded,
    /// A seed's name is unknown.
    #[error(
        "cluster.join: \"{name}\" cannot be found: {source}; correct the name, or give an address"
    )]
    Seed {
        /// The seed.
        name: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The cluster does not let this node in.
    #[error("cluster.join: {0}")]
    Join(#[from] JoinError),
    /// The cluster has no place for this node, or none any more.
    #[error("{0}")]
    TurnedAway(String),
    /// Another node has refused this one's certificate as revoked.
    #[error(
        "node {node} was removed from the cluster, says node {by}, and its certificate is revoked: it does not come back; empty its data folder and join with a new number"
    )]
    Revoked {
        /// This node.
        node: NodeId,
        /// Who has said so.
        by: NodeId,
    },
    /// Raft has stopped by itself.
    #[error(
        "{0}; this node stops so that another takes over: look at the disk, then start it again"
    )]
    Stopped(RaftStopped),
    /// Some other part cannot go on.
    #[error("{0}")]
    Failed(String),
}

/// An error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
