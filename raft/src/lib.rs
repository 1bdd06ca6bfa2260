//! One Raft group: openraft over `holdline-storage` and gRPC, with batches of proposals, leases and
//! the leader's notes on who is alive.
//!
//! [`RaftNode::start`] gives a [`RaftHandle`] to propose with and to ask, the RPC service to
//! serve, and the channel on which applied actions arrive. What a command does is in
//! `holdline-apply`; which slots to move, when to form the cluster and whom to drain is decided in
//! the node. Only this crate names `openraft` and `tonic`'s Raft service.
//!
//! | module | what |
//! |---|---|
//! | `node` | starts everything |
//! | `handle` | what the rest of the node has of it |
//! | `options` | time-outs and bounds, and their contradictions |
//! | `types` | openraft's type parameters |
//! | `store` | openraft's storage traits over `holdline-storage` |
//! | `network` | gRPC, token, messages |
//! | `offload` | what blocks on the disk |
//! | `proposal` | from a command to its reply, whoever leads meanwhile |
//! | `lease` | who may act as owner, who is dead |
//! | `membership` | who is a member, who votes |
//! | `door` | how a node without a log comes in, and how one that was removed finds out |
//! | `read` | linearizable reads, and the age of the state |
//! | `restore` | the state of a backup as that of a new cluster |
//! | `leadership`, `status` | who leads; the group as this node sees it |
//! | `placement` | where leadership belongs |
//! | `round_trips` | how far away the other members are |
//!
//! Invariant: a proposal that was accepted gets exactly one outcome, unless its proposer has gone.
//! Invariant: a node's lease has ended before any leader takes the node for dead (`lease`).

mod clock;
mod door;
mod handle;
mod leadership;
mod lease;
mod membership;
mod millis;
mod network;
mod node;
mod offload;
mod options;
mod placement;
mod proposal;
mod read;
mod restore;
mod round_trips;
mod status;
mod store;
mod types;

#[cfg(test)]
mod tests;

pub use holdline_apply::Action;

pub use door::{CLOCK_LIMIT, Callers, JoinError, Joined, Joining, Refusal, join};
pub use handle::{Fence, RaftHandle, RaftStopped, TransferError};
pub use leadership::Leadership;
pub use lease::{
    Contact, Contacts, Lease, NodeContact, Probe, ProbeOutcome, Rules, Verdict, verdict,
};
pub use membership::{ChangeError, Changed, MemberChange, Tolerance, Votes};
pub use network::{ClusterToken, Connect, InvalidToken};
pub use node::{RaftNode, StartError, Storage};
pub use offload::{aside, offload};
pub use options::{Options, OptionsError, Tuning, Wall};
pub use proposal::{Decided, ProposeError, ReplyTo, SubmitError, Undecided};
pub use read::ReadError;
pub use restore::{Restore, RestoreError, Restored};
pub use status::{Role, Status};
pub use store::{Applied, Replay, Replayed, applied_index};
pub use types::{Batch, Member, Replies, TypeConfig};

/// openraft, set up for Holdline.
pub(crate) type RaftInstance = openraft::Raft<types::TypeConfig, store::StateMachine>;
