//! Batches that other nodes send to the leader.

use std::time::Duration;

use holdline_model::limits;
use tokio::sync::mpsc;

use crate::clock;
use crate::network::wire::{Proposal, ProposeAnswer};
use crate::proposal::queue::Pending;
use crate::proposal::{Proposals, ReplyTo};

/// Puts the batch's commands into the queue and waits for their outcomes.
pub(crate) async fn answer(
    proposals: &Proposals,
    proposal: Proposal,
    longest: Duration,
) -> ProposeAnswer {
    let count = proposal.commands.len();
    if count == 0 || count > limits::MAX_BATCH_COMMANDS {
        return ProposeAnswer::Decided(Vec::new());
    }
    let now = clock::now();
    let deadline = now + Duration::from_millis(proposal.budget_ms).min(longest);
    let (to, mut decided) = mpsc::channel(count);
    for (token, command) in (0_u64..).zip(proposal.commands) {
        let pending = Pending {
            command,
            reply_to: ReplyTo { token, to: to.clone() },
            submitted: now,
            deadline,
            is_remote: true,
        };
        // The sender tries those that found no room again.
        if proposals.push(pending).is_err() {
            break;
        }
    }
    drop(to);
    let mut replies = vec![None; count];
    while let Some(one) = decided.recv().await {
        let place = usize::try_from(one.token).ok().and_then(|at| replies.get_mut(at));
        if let Some(place) = place {
            *place = one.outcome.ok();
        }
    }
    ProposeAnswer::Decided(replies)
}
