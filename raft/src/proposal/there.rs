//! Sending a batch to the node that leads.

use std::net::SocketAddr;
use std::time::Duration;

use holdline_model::NodeId;
use tokio::time::timeout;

use crate::millis;
use crate::network::peers::Peers;
use crate::network::wire::{Proposal, ProposeAnswer};
use crate::proposal::decider::Attempt;
use crate::proposal::queue::Pending;

/// Sends the batch and waits for the outcome, for `limit` at most.
pub(super) async fn send(
    peers: &Peers,
    leader: NodeId,
    address: SocketAddr,
    limit: Duration,
    batch: &[Pending],
) -> Attempt {
    if peers.is_cut(leader) {
        return Attempt::Unknown;
    }
    let commands = batch.iter().map(|pending| pending.command.clone()).collect();
    let proposal = Proposal { budget_ms: millis::whole(limit), commands };
    let call = peers.propose(address, peers.envelope(leader, proposal));
    let (attempt, word) = match timeout(limit, call).await {
        Ok(Ok(answer)) => match answer {
            ProposeAnswer::Decided(replies) => (Attempt::Decided(replies), "decided"),
            ProposeAnswer::NotLeader => (Attempt::Unknown, "not_leader"),
            ProposeAnswer::Busy => (Attempt::Unknown, "busy"),
        },
        Ok(Err(status)) => {
            tracing::debug!(%leader, %status, "a batch of proposals did not get through");
            (Attempt::Unknown, "unreachable")
        }
        Err(_) => (Attempt::Unknown, "timeout"),
    };
    metrics::counter!("holdline_propose_forwards_total", "outcome" => word).increment(1);
    attempt
}
