//! The messages between two nodes.
//!
//! Invariant: the order of fields and variants is the format on the wire.

use bytes::Bytes;
use holdline_model::{CallId, ClusterId, Hop, NodeId};
use serde::{Deserialize, Serialize};

/// Which way a forwarded datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// It arrived at the sending node and belongs to a slot of the receiving one.
    Ingress,
    /// It is to leave from `local`, an address that the receiving node holds.
    Egress,
}

/// A datagram on its way between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Which way.
    pub direction: Direction,
    /// How it came, or is to go; `local` is an address of the receiving node if it is to go.
    pub hop: Hop,
    /// The payload.
    pub bytes: Bytes,
    /// How often it was forwarded, this time included; at least 1.
    pub hops: u8,
}

/// A forwarded datagram, as it is delivered to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The node that forwarded it.
    pub from: NodeId,
    /// The datagram.
    pub datagram: Forwarded,
}

/// Datagrams that travel together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub route: Route,
    pub datagrams: Vec<Forwarded>,
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub cluster: ClusterId,
    pub from: NodeId,
    pub to: NodeId,
}

/// The stream is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub node: NodeId,
}

/// Hang up a call of yours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HangUp {
    pub route: Route,
    pub call: CallId,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HangUpAnswer {
    pub outcome: HangUpOutcome,
}

/// What became of a request to hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HangUpOutcome {
    /// The call is being ended; its CDR says who asked.
    HungUp,
    /// The call is over already.
    AlreadyOver,
    /// There is no such call.
    NotFound,
    /// The call's slot is owned by this other node now.
    Moved(NodeId),
    /// The node cannot act now: it has no lease, or its queue is full. Ask again.
    Unavailable,
}

/// A question for the node's admin API, encoded by who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub route: Route,
    pub question: Bytes,
}

/// The answer, encoded by who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub answer: Bytes,
}
