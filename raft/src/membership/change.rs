//! What can be changed about the members, and why a change is refused.

use std::net::SocketAddr;

use holdline_model::{Name, NodeId, NodeRole, Rejection};
use serde::{Deserialize, Serialize};

use crate::membership::Tolerance;

/// A change of the members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberChange {
    /// A node is expected at an address: it gets a number.
    Expect {
        /// Where other nodes will reach it.
        rpc: SocketAddr,
        /// Its site.
        pop: Name,
        /// Its part.
        role: NodeRole,
    },
    /// A node gets a vote.
    Promote {
        /// Which node.
        node: NodeId,
    },
    /// A node loses its vote, and stays.
    Demote {
        /// Which node.
        node: NodeId,
    },
    /// A node goes for good.
    Remove {
        /// Which node.
        node: NodeId,
        /// Who gets its home slots and addresses; chosen if not named.
        heir: Option<NodeId>,
    },
    /// A node takes another one's place: its vote, its home slots and its addresses.
    Replace {
        /// Who goes.
        old: NodeId,
        /// Who comes: a member already.
        new: NodeId,
    },
    /// Another node leads.
    Transfer {
        /// Which node; the one that is furthest along if not named.
        to: Option<NodeId>,
    },
}

/// A change that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The node that was changed, or that leads.
    pub node: NodeId,
    /// How it was before.
    pub before: Tolerance,
    /// How it is now.
    pub after: Tolerance,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ChangeError {
    /// Only the leader changes members, and this node is not it.
    #[error("no leader that a majority follows could be asked")]
    NotLeader,
    /// Another change is under way.
    #[error("another change of the members is under way")]
    Busy,
    /// The node is no member.
    #[error("node {node} is no member")]
    UnknownNode {
        /// Which node.
        node: NodeId,
    },
    /// The node votes already.
    #[error("node {node} votes already")]
    IsVoter {
        /// Which node.
        node: NodeId,
    },
    /// The node has no vote to lose, or to lead with.
    #[error("node {node} has no vote")]
    NoVoter {
        /// Which node.
        node: NodeId,
    },
    /// A witness cannot do that.
    #[error("node {node} is a witness: it owns no calls")]
    Witness {
        /// Which node.
        node: NodeId,
    },
    /// The node is not alive.
    #[error("node {node} is not alive")]
    NotAlive {
        /// Which node.
        node: NodeId,
    },
    /// The node lacks too much.
    #[error("node {node} still lacks {entries} entries of the log")]
    CatchingUp {
        /// Which node.
        node: NodeId,
        /// How many.
        entries: u64,
    },
    /// There would be no majority during or after the change.
    #[error(
        "that would lose the majority: of {} voters {} are alive, and {} are needed (now {} of {}, and {} more may fail)",
        after.voters, after.alive, after.needed, before.alive, before.voters,
        before.may_fail().unwrap_or(0)
    )]
    LosesMajority {
        /// How it is.
        before: Tolerance,
        /// How it would be.
        after: Tolerance,
    },
    /// There are as many members as there may be.
    #[error("there are {limit} members, and no more may be")]
    TooMany {
        /// How many.
        limit: u32,
    },
    /// Nobody took the node's slots in time.
    #[error("node {node} still owns {slots} slots, which nobody took")]
    SlotsStay {
        /// Which node.
        node: NodeId,
        /// How many.
        slots: u32,
    },
    /// The replicated state refused it.
    #[error("{0}")]
    Rejected(Rejection),
    /// The outcome is unknown.
    #[error("the outcome is unknown: the change was proposed but not confirmed in time")]
    Undecided,
    /// Leadership was not taken over in time.
    #[error("node {node} did not take over in time")]
    NotTakenOver {
        /// Who should have.
        node: NodeId,
    },
}
