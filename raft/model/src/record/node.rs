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
}

/// What listens at a floating address: whoever holds the address opens this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listener {
    /// How peers reach it.
    pub transport: Transport,
    /// Where.
    pub addr: SocketAddr,
}
