//! Why the cluster could not answer a request.

use holdline_model::{CallId, Name, NodeId, Rejection};
use holdline_raft::ChangeError;

/// The cluster could not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClusterApiError {
    /// There is no leader, or this node has no majority behind it.
    #[error("there is no leader that a majority follows")]
    NoMajority,
    /// This node cannot tell whether it knows everything that is committed.
    #[error("{0}")]
    NotCurrent(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The outcome of a change is unknown: it may or may not take effect.
    #[error("the outcome is unknown: the change was proposed but not confirmed in time")]
    Undecided,
    /// A queue is full.
    #[error("too much is waiting to be committed")]
    Overloaded,
    /// The call does not exist.
    #[error("there is no call {0}")]
    UnknownCall(CallId),
    /// The node does not exist.
    #[error("there is no node {0}")]
    UnknownNode(NodeId),
    /// The user does not exist.
    #[error("there is no such user")]
    UnknownUser,
    /// The user exists and was not to be replaced.
    #[error("there is a user of that name")]
    UserExists,
    /// The user has no such binding.
    #[error("there is no such binding")]
    NoSuchBinding,
    /// The replicated state refused the change.
    #[error("{0}")]
    Refused(Rejection),
    /// The trunk is not in the configuration of the node that was asked.
    #[error("there is no trunk \"{0}\" in this node's configuration")]
    UnknownTrunk(Name),
    /// The call's owner cannot be reached.
    #[error("node {owner}, which owns call {call}, cannot be reached")]
    OwnerUnreachable {
        /// Which call.
        call: CallId,
        /// Its owner.
        owner: NodeId,
    },
    /// The replicated state could not be read.
    #[error("the state cannot be read: {0}")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A ban cannot be made or lifted.
    #[error("{0}")]
    Ban(#[from] holdline_guard::BanError),
    /// The members were not changed.
    #[error("{0}")]
    Members(#[from] ChangeError),
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
}
