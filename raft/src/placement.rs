//! Where leadership belongs: with the node that most commands come from.
//!
//! A command of the leader's own is committed after one round trip, another node's after two: to the
//! leader, and from it to a majority. Where calls come to one site, and the sites are far apart, a
//! leader elsewhere doubles what callers wait for. So each node says in its lease requests how many
//! commands it has proposed and how far away the leader is, and a leader that sees another node
//! propose most of them, for a while, and from far, hands over.
//!
//! It is not done between near nodes (`follow_calls_above_ms`): there a round trip is nothing, and a
//! node that both owns the calls and leads is the one whose death takes longest to get over.
//!
//! Invariant: this decides nothing about safety. Leadership moves by openraft's own transfer, and
//! only to a voter.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdline_model::NodeId;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::handle::RaftHandle;

/// The commands that this node has proposed since it last told the leader. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proposed(Arc<AtomicU64>);

impl Proposed {
    pub(crate) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// What another node has told lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Origin {
    commands: u64,
    round_trip: Duration,
}

/// What the other nodes have told since the last tick. Clones share it. A field lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Arc<Mutex<BTreeMap<NodeId, Origin>>>);

impl Origins {
    /// A member says how many commands it has proposed since the last time, and how long it waits
    /// for an answer of this node's.
    pub(crate) fn told(&self, node: NodeId, commands: u64, round_trip: Duration) {
        let mut origins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = origins.entry(node).or_default();
        origin.commands = origin.commands.saturating_add(commands);
        origin.round_trip = round_trip;
    }

    fn take(&self) -> BTreeMap<NodeId, Origin> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When a node is far enough for it to be worth it, and how long it must have proposed most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Far {
    pub(crate) above: Duration,
    pub(crate) after: Duration,
    /// How often the others tell. Ticks are longer, so that each sees something of everybody.
    pub(crate) told_every: Duration,
}

/// Decides when to hand over, tick by tick.
#[derive(Debug)]
struct Placement {
    /// The round trip from which on it is worth it.
    above: Duration,
    /// Ticks in which nothing is decided any more.
    rest: u32,
    /// Who proposed most, and in how many ticks on end.
    candidate: Option<(NodeId, u32)>,
}

impl Placement {
    /// For a node that begins to lead.
    const fn new(above: Duration) -> Self {
        Self { above, rest: TENURE, candidate: None }
    }

    /// A tick has passed, in which this node and the others proposed so much. Says who should lead
    /// in place of this node.
    fn tick(&mut self, own: u64, others: &BTreeMap<NodeId, Origin>) -> Option<NodeId> {
        self.rest = self.rest.saturating_sub(1);
        let sum = others.values().fold(own, |sum, other| sum.saturating_add(other.commands));
        let most = others.iter().max_by_key(|(_, origin)| origin.commands);
        let far = most.filter(|(_, origin)| {
            let most_of_all = origin.commands.saturating_mul(3) >= sum.saturating_mul(2);
            sum >= LEAST && most_of_all && origin.round_trip >= self.above
        });
        self.candidate = match (far, self.candidate) {
            (Some((node, _)), Some((same, ticks))) if *node == same => Some((same, ticks + 1)),
            (Some((node, _)), _) => Some((*node, 1)),
            (None, _) => None,
        };
        let (node, ticks) = self.candidate?;
        if ticks < PATIENCE || self.rest > 0 {
            return None;
        }
        // Should it not come to anything, it is not tried again at once.
        *self = Self::new(self.above);
        Some(node)
    }
}

/// Hands leadership to where the commands come from, until `cancel` is called.
pub(crate) async fn follow_calls(
    handle: RaftHandle,
    proposed: Proposed,
    origins: Origins,
    far: Far,
    cancel: CancellationToken,
) {
    let mut leadership = handle.leadership();
    let mut tick = interval((far.after / PATIENCE).max(far.told_every * 2));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut placement = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = cancel.cancelled() => return,
        }
        let seen = leadership.borrow_and_update().clone();
        if !seen.is_me {
            placement = None;
            continue;
        }
        let mut others = origins.take();
        others.retain(|node, _| seen.voters.contains(node));
        let placement = placement.get_or_insert_with(|| Placement::new(far.above));
        let Some(node) = placement.tick(proposed.take(), &others) else { continue };
        tracing::info!(%node, "most commands come from there: handing leadership over");
        let outcome = match handle.transfer_leader(node).await {
            Ok(()) => "moved",
            Err(error) => {
                tracing::warn!(%node, %error, "leadership did not follow the calls");
                "failed"
            }
        };
        metrics::counter!("holdline_raft_leader_followed_calls_total", "outcome" => outcome)
            .increment(1);
    }
}

/// Ticks on end in which a node must have proposed most: [`Far::after`] is divided by it.
const PATIENCE: u32 = 10;

/// Ticks that a leader leads before it hands over, and between two attempts.
const TENURE: u32 = 30;

/// With fewer commands in a tick it does not matter who leads.
const LEAST: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_millis(20);
    const ABOVE: Duration = Duration::from_millis(5);

    fn others(one: u64, two: u64, round_trip: Duration) -> BTreeMap<NodeId, Origin> {
        let origin = |commands| Origin { commands, round_trip };
        BTreeMap::from([(NodeId(1), origin(one)), (NodeId(2), origin(two))])
    }

    /// In which tick it hands over, and to whom.
    fn hands_over(own: u64, others: &BTreeMap<NodeId, Origin>) -> Option<(u32, NodeId)> {
        let mut placement = Placement::new(ABOVE);
        (1..=100).find_map(|tick| Some((tick, placement.tick(own, others)?)))
    }

    #[test]
    fn follows_the_node_that_proposes_most_after_its_tenure() {
        assert_eq!(hands_over(10, &others(0, 90, FAR)), Some((TENURE, NodeId(2))));
        assert_eq!(hands_over(0, &others(600, 300, FAR)), Some((TENURE, NodeId(1))));
    }

    #[test]
    fn stays_when_calls_are_spread_few_near_or_its_own() {
        assert_eq!(hands_over(300, &others(300, 300, FAR)), None);
        assert_eq!(hands_over(40, &others(0, 60, FAR)), None);
        assert_eq!(hands_over(0, &others(0, LEAST - 1, FAR)), None);
        assert_eq!(hands_over(0, &others(0, 900, Duration::from_millis(1))), None);
        assert_eq!(hands_over(900, &others(1, 2, FAR)), None);
        assert_eq!(hands_over(0, &BTreeMap::new()), None);
    }

    #[test]
    fn a_burst_moves_nothing() {
        let mut placement = Placement::new(ABOVE);
        for tick in 0..200 {
            let burst = tick % 10 < 9;
            let seen = if burst { others(0, 90, FAR) } else { others(90, 0, FAR) };
            assert_eq!(placement.tick(0, &seen), None, "{tick}");
        }
    }

    #[test]
    fn a_failed_attempt_is_not_repeated_at_once() {
        let mut placement = Placement::new(ABOVE);
        let seen = others(0, 90, FAR);
        let ticks: Vec<_> = (1..=100).filter(|_| placement.tick(0, &seen).is_some()).collect();
        assert_eq!(ticks, [TENURE, 2 * TENURE, 3 * TENURE]);
    }
}
