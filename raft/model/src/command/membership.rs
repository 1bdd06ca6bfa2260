//! Commands about who is a member. They give numbers out, and say what an administrator wants; who
//! votes is changed by Raft's own membership entries.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Millis, Name, NodeId, NodeRole, SlotId};

/// Gives a number to a node that joins or is expected. The same attempt, and a node that was
/// expected at this address, get the number that they have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitNode {
    /// The number that it wants; it must be above all that were ever used. `None`: the next one.
    pub node: Option<NodeId>,
    /// Tells one attempt to join from another; 0 for a node that an administrator expects.
    pub nonce: u64,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Its site.
    pub pop: Name,
    /// Its part.
    pub role: NodeRole,
    /// It is to stay without a vote until an administrator promotes it.
    pub held: bool,
    /// The proposer's time.
    pub at: Millis,
}

/// A node is gone for good: its home slots become the heir's. It must own nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveNode {
    /// Which node.
    pub node: NodeId,
    /// Who gets its home slots and floating addresses.
    pub heir: Option<NodeId>,
    /// The proposer's time.
    pub at: Millis,
}

/// Slots find other homes. A slot whose home is not the expected one stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetHomes {
    /// Which slots, and where to; at most [`crate::limits::MAX_SLOTS`].
    pub homes: Vec<SlotHome>,
    /// The proposer's time.
    pub at: Millis,
}

/// The new home of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotHome {
    /// Which slot.
    pub slot: SlotId,
    /// Its home when this was decided.
    pub expected: NodeId,
    /// The new one.
    pub home: NodeId,
}

/// A node is to stay without a vote until it is promoted by hand, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldNode {
    /// Which node.
    pub node: NodeId,
    /// Whether it is held.
    pub held: bool,
    /// The proposer's time.
    pub at: Millis,
}
