//! The commands: everything that can be asked of the replicated state, one file each.
//!
//! A command carries the proposer's time and, if it concerns a call, the epoch of the call's slot
//! and the step it makes. What it does is in `raft/apply`.

mod call;
mod cluster;
mod reply;
mod slots;

pub use call::{
    AckSeen, Admit, Answer, Attempt, CallChange, CallCommand, Cancel, Early, End, Fail,
};
pub use cluster::{FormCluster, NodeUp, SetDraining, Sweep};
pub use reply::{Rejection, Reply};
pub use slots::{SlotMove, TransferSlots};

use serde::{Deserialize, Serialize};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Changes one call.
    Call(CallCommand),
    /// Moves slots between nodes.
    TransferSlots(TransferSlots),
    /// A node's process has started.
    NodeUp(Box<NodeUp>),
    /// A node is to own nothing, or may own again.
    SetDraining(SetDraining),
    /// Forms the cluster: the very first command.
    FormCluster(FormCluster),
    /// Removes tombstones that are old enough.
    Sweep(Sweep),
}
