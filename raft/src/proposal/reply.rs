//! What becomes of a proposal, and where that is told.

use std::time::Duration;

use holdline_model::Reply;
use holdline_storage::CodecError;
use tokio::sync::mpsc;

/// Where the outcome of a proposal goes. Cheap: many proposals share a channel and tell their
/// outcomes apart by the token.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// Comes back in [`Decided`].
    pub token: u64,
    /// The proposer's channel. It should have room for as many outcomes as the proposer has
    /// proposals in flight: while it is full, the writer waits, and with it others' proposals.
    pub to: mpsc::Sender<Decided>,
}

/// The outcome of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The proposer's token.
    pub token: u64,
    /// What apply replied, or why that is not known.
    pub outcome: Result<Reply, Undecided>,
}

/// The outcome of a proposal is not known: it may take effect still, or have taken effect.
/// Proposing it again does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// No leader answered for so long.
    #[error("no majority decided within {after:?}; the command may still take effect")]
    TimedOut {
        /// How long was tried.
        after: Duration,
    },
    /// This node is stopping.
    #[error("the node is stopping; the command may still take effect")]
    Stopped,
    /// The node lost its leadership. Only told to other nodes that had sent it the proposal.
    #[error("the leader was deposed; the command may still take effect")]
    LeaderLost,
}

/// A proposal was not accepted. It has had and will have no effect.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Too many wait already.
    #[error("{limit} proposals wait already: the cluster is overloaded or has no majority")]
    QueueFull {
        /// How many may wait in one writer's queue.
        limit: usize,
    },
    /// The command cannot be encoded.
    #[error("the command cannot be encoded")]
    Encode(#[from] CodecError),
    /// This node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// A proposal came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// It was not accepted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// It was, but its outcome is not known.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}
