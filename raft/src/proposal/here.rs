//! Writing a batch on this node, which leads.

use holdline_model::Reply;
use openraft::errors::{ClientWriteError, RaftError};

use crate::RaftInstance;
use crate::proposal::decider::Attempt;
use crate::proposal::queue::Pending;
use crate::types::Batch;

/// Writes the batch as one entry and waits until it is applied.
///
/// Not cancel-safe: the entry stays in the log, and may be committed, when the future is dropped.
/// Whoever drops it does not know the outcome.
pub(super) async fn write(raft: &RaftInstance, batch: &[Pending]) -> Attempt {
    let commands = batch.iter().map(|pending| pending.command.clone()).collect();
    match raft.client_write(Batch { commands }).await {
        Ok(written) => Attempt::Decided(matching(written.data.0, batch.len())),
        Err(RaftError::Fatal(_)) => Attempt::Stopped,
        Err(RaftError::APIError(error)) => match error {
            ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_) => {
                Attempt::Unknown
            }
            // Neither can come of a write of commands; trying again is right for any error.
            ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_) => Attempt::Unknown,
        },
    }
}

/// The replies, one for each command. Apply makes as many as there are commands.
fn matching(replies: Vec<Reply>, commands: usize) -> Vec<Option<Reply>> {
    let mut all: Vec<_> = replies.into_iter().map(Some).collect();
    all.resize(commands, None);
    all
}
