//! What is asked and answered at the door.
//!
//! Invariant: the order of fields and variants is the format on the wire.

use std::net::SocketAddr;

use holdline_model::{ClusterId, Millis, Name, NodeId, NodeRole};
use serde::{Deserialize, Serialize};

use crate::door::Refusal;

/// Somebody asks how the cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The cluster that it takes this one for.
    pub(crate) cluster: ClusterId,
    /// Who asks.
    pub(crate) from: NodeId,
}

/// How the cluster is, as the node that was asked knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Greeted {
    /// It has no log.
    Empty {
        /// Which node.
        node: NodeId,
    },
    /// It is a member of a group that exists.
    Member {
        /// Which node.
        node: NodeId,
        /// The member that leads, as it knows.
        leader: Option<SocketAddr>,
        /// When the node that asks was removed, if it was.
        removed_at: Option<Millis>,
    },
    /// It is of another cluster.
    OtherCluster,
}

/// Somebody asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinAsk {
    /// The cluster that it means, if it knows.
    pub(crate) cluster: Option<ClusterId>,
    /// The number that it has or wants; `None`: any.
    pub(crate) node: Option<NodeId>,
    /// It is a member that lost its data.
    pub(crate) again: bool,
    /// Tells one attempt from another; not 0.
    pub(crate) nonce: u64,
    /// Where other nodes reach it.
    pub(crate) rpc: SocketAddr,
    /// Its site.
    pub(crate) pop: Name,
    /// Its part.
    pub(crate) role: NodeRole,
    /// The time by its clock.
    pub(crate) at: Millis,
}

/// The answer to one who asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JoinAnswer {
    /// It is a member now.
    Welcome {
        /// The cluster's name.
        cluster: String,
        /// Its number.
        node: NodeId,
        /// Where the others gossip.
        gossip: Vec<SocketAddr>,
    },
    /// Another node leads; ask there.
    AskLeader(Option<SocketAddr>),
    /// Not now; ask again.
    Later(String),
    /// Never.
    Refused(Refusal),
}
