//! Which slots should find another home, so that every member that may own has its share. PURE.
//!
//! A member that joined gets slots from those that have most; one that was lost keeps its own, since
//! it may come back. A slot that changes its home moves afterwards as slots go home
//! ([`super::plan`]).
//!
//! Invariant: afterwards no two members that take part differ by more than one slot, and balancing
//! again gives nothing. A home keeps its lowest slots: its addresses go with the lowest.

use std::collections::BTreeMap;

use holdline_model::{NodeId, SlotHome, SlotRecord};

use super::{NodeState, PlanOptions, Verdict};

/// The slots that should find another home.
#[must_use]
pub fn balance(slots: &[SlotRecord], nodes: &[NodeState], options: &PlanOptions) -> Vec<SlotHome> {
    let settled = |state: &NodeState| {
        state.verdict == Verdict::Alive
            && state.caught_up
            && u128::from(state.up_for_ms) >= options.hand_back_after.as_millis()
    };
    let may = nodes.iter().filter(|state| state.may_own && !state.draining);
    let mut homes: BTreeMap<NodeId, Home<'_>> = may
        .map(|state| (state.node, Home { slots: Vec::new(), may_take: settled(state) }))
        .collect();
    let mut all: Vec<&SlotRecord> = slots.iter().collect();
    all.sort_unstable_by_key(|record| record.slot);
    for record in all {
        if let Some(home) = homes.get_mut(&record.home) {
            home.slots.push(record);
        }
    }
    let mut moves = Vec::new();
    while let Some((from, to)) = pair(&homes) {
        let Some(record) = homes.get_mut(&from).and_then(|home| home.slots.pop()) else { break };
        moves.push(SlotHome { slot: record.slot, expected: record.home, home: to });
        if let Some(home) = homes.get_mut(&to) {
            home.slots.push(record);
        }
    }
    moves.sort_unstable_by_key(|step| step.slot);
    moves
}

struct Home<'a> {
    /// By number.
    slots: Vec<&'a SlotRecord>,
    /// It has been there long enough to be given more.
    may_take: bool,
}

/// Who gives a slot to whom, as long as that makes them more equal.
fn pair(homes: &BTreeMap<NodeId, Home<'_>>) -> Option<(NodeId, NodeId)> {
    let takers = homes.iter().filter(|(_, home)| home.may_take);
    let (to, least) = takers.min_by_key(|(node, home)| (home.slots.len(), **node))?;
    let (from, most) = homes.iter().max_by_key(|(node, home)| (home.slots.len(), **node))?;
    (most.slots.len() > least.slots.len() + 1).then_some((*from, *to))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use holdline_model::{Epoch, Name, SlotId};

    use super::*;

    const OPTIONS: PlanOptions = PlanOptions { hand_back_after: Duration::from_millis(1000) };

    fn slots(homes: &[u64]) -> Vec<SlotRecord> {
        let record = |(slot, home): (u16, &u64)| SlotRecord {
            slot: SlotId(slot),
            home: NodeId(*home),
            owner: NodeId(*home),
            epoch: Epoch(1),
            history: Vec::new(),
            origin: NodeId(*home),
        };
        (0_u16..).zip(homes).map(record).collect()
    }

    fn up(node: u64) -> NodeState {
        NodeState {
            node: NodeId(node),
            pop: Name::from("a"),
            verdict: Verdict::Alive,
            caught_up: true,
            up_for_ms: 1000,
            draining: false,
            voter: true,
            may_own: true,
        }
    }

    fn moved(slots: &[SlotRecord], nodes: &[NodeState]) -> Vec<(u16, u64, u64)> {
        let moves = balance(slots, nodes, &OPTIONS);
        moves.iter().map(|step| (step.slot.0, step.expected.0, step.home.0)).collect()
    }

    #[test]
    fn a_new_member_gets_its_share_from_those_that_have_most() {
        let before = slots(&[1, 2, 3, 1, 2, 3, 1, 2, 3]);
        assert_eq!(moved(&before, &[up(1), up(2), up(3)]), []);
        let nodes = [up(1), up(2), up(3), up(4)];
        assert_eq!(moved(&before, &nodes), [(7, 2, 4), (8, 3, 4)]);
        let mut after = before;
        for step in balance(&after.clone(), &nodes, &OPTIONS) {
            after[usize::from(step.slot.0)].home = step.home;
        }
        assert_eq!(moved(&after, &nodes), []);
    }

    #[test]
    fn who_is_not_settled_gets_nothing_and_who_is_lost_loses_nothing() {
        let before = slots(&[1, 1, 1, 2, 2, 2]);
        for unfit in [
            NodeState { up_for_ms: 999, ..up(3) },
            NodeState { caught_up: false, ..up(3) },
            NodeState { draining: true, ..up(3) },
            NodeState { verdict: Verdict::Suspect, ..up(3) },
            NodeState { may_own: false, ..up(3) },
        ] {
            assert_eq!(moved(&before, &[up(1), up(2), unfit]), []);
        }
        let lost = NodeState { verdict: Verdict::Dead, ..up(3) };
        assert_eq!(moved(&slots(&[1, 1, 2, 2, 3, 3]), &[up(1), up(2), lost]), []);
    }

    #[test]
    fn what_a_removed_node_left_to_its_heir_is_spread() {
        let before = slots(&[1, 2, 2, 1, 2, 2]);
        assert_eq!(moved(&before, &[up(1), up(2)]), [(5, 2, 1)]);
    }
}
