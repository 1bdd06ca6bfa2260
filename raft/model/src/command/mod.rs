//! The commands: everything that can be asked of the replicated state, one file each.
//!
//! A command carries the proposer's time and, if it concerns a call, the epoch of the call's slot
//! and the step it makes. What it does is in `raft/apply`.

mod call;
mod cdr;
mod cluster;
mod limits;
mod membership;
mod registrar;
mod reply;
mod session;
mod slots;
mod trunk;

pub use call::{
    AckSeen, Admit, Answer, Attempt, BranchOver, CallChange, CallCommand, Cancel, Early, End, Fail,
};
pub use cdr::{CdrCommand, CdrCursor, PurgeCdrs, RetainCdrs};
pub use cluster::{FormCluster, NodeUp, SetDraining, SetFormat, Sweep};
pub use limits::{LimitTick, ResetLimits, SetLimits};
pub use membership::{AdmitNode, HoldNode, RemoveNode, SetHomes, SlotHome};
pub use registrar::{
    BindingChange, PutUser, Register, RegisterBounds, RemoveBindings, RemoveUser, SweepBindings,
};
pub use reply::{Rejection, Reply};
pub use session::{Asked, Counted, NewTarget, Pracked, Reinvited, Reinviting, Updated};
pub use slots::{SlotMove, TransferSlots};
pub use trunk::SetTrunk;

use serde::{Deserialize, Serialize};

use crate::limit::LeaseTokens;

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
    /// Adds or replaces a user.
    PutUser(Box<PutUser>),
    /// Removes a user with its bindings.
    RemoveUser(RemoveUser),
    /// Changes the bindings of an address of record.
    Register(Box<Register>),
    /// Ends bindings for an administrator.
    RemoveBindings(RemoveBindings),
    /// Removes bindings that have ended.
    SweepBindings(SweepBindings),
    /// Replaces all limits.
    SetLimits(Box<SetLimits>),
    /// Fills buckets.
    ResetLimits(ResetLimits),
    /// A node asks for tokens that it spends by itself, and accounts for those it had.
    LeaseTokens(LeaseTokens),
    /// Time passes, although nothing is admitted.
    LimitTick(LimitTick),
    /// A trunk is to be called, or not.
    SetTrunk(SetTrunk),
    /// Gives a number to a node.
    AdmitNode(Box<AdmitNode>),
    /// A node is gone for good.
    RemoveNode(RemoveNode),
    /// Slots find other homes.
    SetHomes(SetHomes),
    /// A node is to stay without a vote, or no longer.
    HoldNode(HoldNode),
    /// Changes how call detail records are kept.
    Cdr(CdrCommand),
    /// The cluster goes on in a newer format.
    SetFormat(SetFormat),
}
