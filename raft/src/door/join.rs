//! A node that has never been a member asks for a number and a place, until it is let in or turned
//! away.

use std::net::SocketAddr;
use std::time::Duration;

use holdline_model::{ClusterId, Millis, Name, NodeId, NodeRole};

use crate::door::ask::refusal;
use crate::door::{Callers, JoinAnswer, JoinAsk, Refusal};

/// Who asks to be let in.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The cluster, if it was named.
    pub cluster: Option<ClusterId>,
    /// The number that it has or wants, if any.
    pub node: Option<NodeId>,
    /// It is a member that lost its data.
    pub again: bool,
    /// Tells this attempt from others; not 0.
    pub nonce: u64,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Its site.
    pub pop: Name,
    /// Its part.
    pub role: NodeRole,
}

/// A node that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The cluster's name.
    pub cluster: String,
    /// Its number.
    pub node: NodeId,
    /// Where the others gossip.
    pub gossip: Vec<SocketAddr>,
}

/// A node was turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cluster at {seed} turns this node away: {refusal}")]
pub struct JoinError {
    /// Who said so.
    pub seed: SocketAddr,
    /// Why.
    pub refusal: Refusal,
}

/// Asks until an answer is final. Cancel-safe: asking again gets the same number.
///
/// # Errors
/// The node was turned away.
pub async fn join(
    callers: &Callers,
    seeds: &[SocketAddr],
    joining: &Joining,
    now: impl Fn() -> Millis + Send,
) -> Result<Joined, JoinError> {
    let mut round = 0_u32;
    loop {
        let mut asked: Vec<SocketAddr> = Vec::new();
        let mut next: Vec<SocketAddr> = seeds.to_vec();
        let mut why = "there is no seed".to_owned();
        while let Some(seed) = next.pop() {
            if asked.contains(&seed) {
                continue;
            }
            asked.push(seed);
            let turned_away = |refusal| JoinError { seed, refusal };
            match callers.join(seed, ask(joining, now())).await {
                Ok(JoinAnswer::Welcome { cluster, node, gossip }) => {
                    tracing::info!(%node, %cluster, "this node is let in");
                    return Ok(Joined { cluster, node, gossip });
                }
                Ok(JoinAnswer::AskLeader(leader)) => {
                    why = format!("{seed} does not lead");
                    next.extend(leader);
                }
                Ok(JoinAnswer::Later(text)) => why = format!("{seed}: {text}"),
                Ok(JoinAnswer::Refused(refusal)) => return Err(turned_away(refusal)),
                Err(status) => match refusal(&status) {
                    Some(refusal) => return Err(turned_away(refusal)),
                    None => why = format!("{seed}: {}", status.message()),
                },
            }
        }
        if round.is_multiple_of(LOG_EVERY) {
            tracing::warn!(%why, "this node waits to be let in; asking again");
        }
        round = round.wrapping_add(1);
        tokio::time::sleep(PAUSE).await;
    }
}

fn ask(joining: &Joining, at: Millis) -> JoinAsk {
    let Joining { cluster, node, again, nonce, rpc, pop, role } = joining.clone();
    JoinAsk { cluster, node, again, nonce, rpc, pop, role, at }
}

const PAUSE: Duration = Duration::from_millis(200);
const LOG_EVERY: u32 = 25;
