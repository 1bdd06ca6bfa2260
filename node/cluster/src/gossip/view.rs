//! The cluster as gossip shows it to this node.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use holdline_model::NodeId;

use super::NodeFacts;

/// All nodes that gossip knows, this one included. A restarted node appears once, in its newest run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Nodes heard from lately.
    pub live: BTreeMap<NodeId, Member>,
    /// Nodes that were heard from, but not lately, with what they last said. They are forgotten
    /// after [`super::GossipOptions::forget_after`].
    pub dead: BTreeMap<NodeId, Member>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it gossips.
    pub gossip: SocketAddr,
    /// What it says about itself.
    pub facts: NodeFacts,
}
