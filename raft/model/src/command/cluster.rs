//! Commands about the cluster itself.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Format, Incarnation, Listener, Millis, Name, NodeId, NodeRole};

/// Forms the cluster: slots are dealt out to the members in turn. Does nothing the second time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormCluster {
    /// Tells this cluster from others.
    pub cluster: ClusterId,
    /// How many slots; 1 to [`crate::limits::MAX_SLOTS`].
    pub slots: u16,
    /// The first members, in order of id.
    pub members: Vec<NodeId>,
    /// The proposer's time.
    pub at: Millis,
}

/// A node's process has started. The slots that it still owns get a new epoch, so that nothing
/// that an earlier run of it had proposed takes effect any more; a drain is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeUp {
    /// Which node.
    pub node: NodeId,
    /// Which run of its process; the same run may say it again without effect.
    pub incarnation: Incarnation,
    /// Its site.
    pub pop: Name,
    /// Its floating SIP addresses.
    pub sip: Vec<SocketAddr>,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Where its admin API listens.
    pub admin: SocketAddr,
    /// Its software version.
    pub version: String,
    /// The proposer's time.
    pub at: Millis,
    /// What listens at the addresses in `sip`.
    pub listeners: Vec<Listener>,
    /// Where it gossips.
    pub gossip: SocketAddr,
    /// Its part in the cluster.
    pub role: NodeRole,
}

/// A node is to own nothing, or may own again. The leader moves its slots afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetDraining {
    /// Which node.
    pub node: NodeId,
    /// Whether it is to own nothing.
    pub draining: bool,
    /// The proposer's time.
    pub at: Millis,
}

/// Removes tombstones whose time is `up_to` or before; at most [`crate::limits::SWEEP_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Tombstones due by then go.
    pub up_to: Millis,
}

/// The cluster goes on in a newer format: every member has said that it reads it. An older one, or the same
/// again, changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFormat {
    /// Which.
    pub format: Format,
    /// The proposer's time.
    pub at: Millis,
}
