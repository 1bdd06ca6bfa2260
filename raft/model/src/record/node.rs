//! A node, as it last announced itself.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Incarnation, Millis, Name, NodeId, Transport};

/// What the cluster knows of a node by consensus (gossip knows the rest).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Which node.
    pub node: NodeId,
    /// Which run of its process.
    pub incarnation: Incarnation,
    /// Its site.
    pub pop: Name,
    /// Its floating SIP addresses: they go with the slots whose home it is.
    pub sip: Vec<SocketAddr>,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Where its admin API listens.
    pub admin: SocketAddr,
    /// Its software version.
    pub version: String,
    /// When it announced itself.
    pub up_at: Millis,
    /// It is to own nothing until it is restarted or undrained.
    pub draining: bool,
    /// What listens at the addresses in `sip`; an address without an entry has UDP alone.
    pub listeners: Vec<Listener>,
    /// Where it gossips: nodes that start later begin from there.
    pub gossip: SocketAddr,
    /// Its part in the cluster.
    pub role: NodeRole,
    /// It was removed: it neither votes nor owns, and its number is never used again.
    pub removed: Option<Removal>,
}

/// What a node is for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum NodeRole {
    /// It votes, stores everything and owns calls.
    #[default]
    Full,
    /// It votes and stores the log, and owns no calls: it makes a majority when a site is lost.
    Witness,
}

/// A node that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When.
    pub at: Millis,
    /// Who inherited its home slots, and with them its floating addresses.
    pub heir: Option<NodeId>,
}

impl NodeRole {
    /// The word used in the configuration and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Witness => "witness",
        }
    }
}

/// What listens at a floating address: whoever holds the address opens this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listener {
    /// How peers reach it.
    pub transport: Transport,
    /// Where it is bound.
    pub addr: SocketAddr,
    /// Where peers reach it, if an address translator stands in between: what Via and Contact name.
    pub advertised: Option<SocketAddr>,
}
