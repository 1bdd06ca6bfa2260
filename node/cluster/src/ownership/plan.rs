//! Which slots should move, and where to.
//!
//! | reason | which slots | where to |
//! |---|---|---|
//! | `Failure` | the owner is dead, or no member any more | one survivor for all of one home |
//! | `HandBack` | the owner is not the home | the home, once it is settled |
//! | `Drain` | the owner is draining, or may not own any more | one survivor for all of one home |
//!
//! A node is *settled* when it may own, is alive, caught up, not draining, and has been up for
//! [`PlanOptions::hand_back_after`].
//!
//! Slots of one home move together because the home's floating addresses move with them. So the
//! survivor is, in this order: the home itself if it is settled; not draining; caught up; not the
//! home (which is not settled, so it may be flapping); already owner of other slots of this home; in
//! the home's PoP, where its addresses are reachable; owner of the fewest slots; lowest id.
//!
//! Nodes that may not own (without a vote, or witnesses) never get any.
//!
//! Invariant: nothing moves unless a majority of those that vote is alive.
//! Invariant: one round is enough. With the same nodes, planning again after the moves were made
//! gives none; so there is no oscillation.
//! Invariant: the outcome depends on the arguments' contents only, not on their order.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use holdline_model::{NodeId, SlotMove, SlotRecord, TransferReason};

use super::{NodeState, Verdict};

/// How eagerly slots move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// How long a node must have been up before its home slots go back to it.
    pub hand_back_after: Duration,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { hand_back_after: Duration::from_secs(10) }
    }
}

/// Decides what should move now. One element per reason, each one `TransferSlots` entry; none
/// is empty.
///
/// `nodes` are all members of the cluster; an owner that is not among them counts as dead.
#[must_use]
pub fn plan(
    slots: &[SlotRecord],
    nodes: &[NodeState],
    options: &PlanOptions,
) -> Vec<(TransferReason, Vec<SlotMove>)> {
    let mut planner = Planner::new(slots, nodes, options);
    if !planner.has_majority() {
        return Vec::new();
    }
    let mut groups: BTreeMap<(Ordinal, NodeId), Vec<&SlotRecord>> = BTreeMap::new();
    let mut ordered: Vec<&SlotRecord> = slots.iter().collect();
    ordered.sort_unstable_by_key(|record| record.slot);
    for record in ordered {
        if let Some(cause) = planner.cause(record) {
            groups.entry((cause, record.home)).or_default().push(record);
        }
    }
    let mut transfers: BTreeMap<Ordinal, Vec<SlotMove>> = BTreeMap::new();
    for ((cause, home), group) in groups {
        let Some(to) = planner.target(cause, home) else { continue };
        for record in group {
            planner.count(record, to);
            let step = SlotMove { slot: record.slot, expected: record.epoch, to };
            transfers.entry(cause).or_default().push(step);
        }
    }
    transfers.into_iter().map(|(cause, moves)| (cause.reason(), moves)).collect()
}

/// The causes, in the order in which they are planned: who is without an owner comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ordinal {
    Failure,
    HandBack,
    Drain,
}

impl Ordinal {
    const fn reason(self) -> TransferReason {
        match self {
            Self::Failure => TransferReason::Failure,
            Self::HandBack => TransferReason::HandBack,
            Self::Drain => TransferReason::Drain,
        }
    }
}

struct Planner<'a> {
    nodes: BTreeMap<NodeId, &'a NodeState>,
    /// Slots of each home by owner, with the moves planned so far.
    owned: BTreeMap<(NodeId, NodeId), usize>,
    hand_back_after_ms: u128,
}

impl<'a> Planner<'a> {
    fn new(slots: &[SlotRecord], nodes: &'a [NodeState], options: &PlanOptions) -> Self {
        let mut owned = BTreeMap::new();
        for record in slots {
            *owned.entry((record.home, record.owner)).or_default() += 1;
        }
        let nodes = nodes.iter().map(|state| (state.node, state)).collect();
        Self { nodes, owned, hand_back_after_ms: options.hand_back_after.as_millis() }
    }

    fn has_majority(&self) -> bool {
        let voters = || self.nodes.values().filter(|state| state.voter);
        let alive = voters().filter(|state| state.verdict == Verdict::Alive).count();
        alive * 2 > voters().count()
    }

    /// Why a slot should move, if it should.
    fn cause(&self, record: &SlotRecord) -> Option<Ordinal> {
        let Some(owner) = self.nodes.get(&record.owner) else { return Some(Ordinal::Failure) };
        match owner.verdict {
            Verdict::Dead => Some(Ordinal::Failure),
            // Its lease may still run, and it may not hear of the move.
            Verdict::Suspect => None,
            Verdict::Alive if record.owner != record.home && self.is_settled(record.home) => {
                Some(Ordinal::HandBack)
            }
            Verdict::Alive => (owner.draining || !owner.may_own).then_some(Ordinal::Drain),
        }
    }

    fn is_settled(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|state| {
            state.may_own
                && state.verdict == Verdict::Alive
                && state.caught_up
                && !state.draining
                && self.is_up_long_enough(state)
        })
    }

    fn is_up_long_enough(&self, state: &NodeState) -> bool {
        u128::from(state.up_for_ms) >= self.hand_back_after_ms
    }

    /// Where the slots of `home` go, if anywhere.
    fn target(&self, cause: Ordinal, home: NodeId) -> Option<NodeId> {
        if self.is_settled(home) {
            return Some(home);
        }
        let may = |state: &&&NodeState| {
            state.may_own
                && state.verdict == Verdict::Alive
                && match cause {
                    // Somebody must, so anybody may.
                    Ordinal::Failure => true,
                    Ordinal::HandBack => false,
                    // The owner still serves: it waits for somebody fit.
                    Ordinal::Drain => !state.draining && state.caught_up && state.node != home,
                }
        };
        let pop = self.nodes.get(&home).map(|state| &state.pop);
        let rank = |state: &&&NodeState| {
            let holds_part = self.owned.get(&(home, state.node)).is_some_and(|count| *count > 0);
            (
                state.draining,
                !state.caught_up,
                state.node == home,
                Reverse(holds_part),
                Reverse(pop == Some(&state.pop)),
                self.load(state.node),
                state.node,
            )
        };
        self.nodes.values().filter(may).min_by_key(rank).map(|state| state.node)
    }

    fn load(&self, node: NodeId) -> usize {
        self.owned.iter().filter(|((_, owner), _)| *owner == node).map(|(_, count)| count).sum()
    }

    fn count(&mut self, record: &SlotRecord, to: NodeId) {
        if let Some(count) = self.owned.get_mut(&(record.home, record.owner)) {
            *count = count.saturating_sub(1);
        }
        *self.owned.entry((record.home, to)).or_default() += 1;
    }
}

#[cfg(test)]
mod tests;
