use holdline_model::{Epoch, Name, SlotId};
use proptest::prelude::*;

use super::*;

const OPTIONS: PlanOptions = PlanOptions { hand_back_after: Duration::from_millis(1000) };

fn slot(slot: u16, home: u64, owner: u64) -> SlotRecord {
    SlotRecord {
        slot: SlotId(slot),
        home: NodeId(home),
        owner: NodeId(owner),
        epoch: Epoch(u64::from(slot) + 10),
        history: Vec::new(),
        origin: NodeId(home),
    }
}

/// Slots dealt out to homes in turn; `owners` gives each home's present owner.
fn dealt(count: u16, owners: &[(u64, u64)]) -> Vec<SlotRecord> {
    let turns = owners.iter().cycle();
    (0..count).zip(turns).map(|(number, (home, owner))| slot(number, *home, *owner)).collect()
}

fn up(node: u64) -> NodeState {
    NodeState {
        node: NodeId(node),
        pop: Name::from("a"),
        verdict: Verdict::Alive,
        caught_up: true,
        up_for_ms: 60_000,
        draining: false,
        voter: true,
        may_own: true,
    }
}

fn dead(node: u64) -> NodeState {
    NodeState { verdict: Verdict::Dead, caught_up: false, up_for_ms: 0, ..up(node) }
}

/// The plan as `(reason, [(slot, to)])`.
fn moves(slots: &[SlotRecord], nodes: &[NodeState]) -> Vec<(TransferReason, Vec<(u16, u64)>)> {
    let short = |step: &SlotMove| (step.slot.0, step.to.0);
    let short = |(reason, moves): (_, Vec<SlotMove>)| (reason, moves.iter().map(short).collect());
    plan(slots, nodes, &OPTIONS).into_iter().map(short).collect()
}

fn make(slots: &mut [SlotRecord], transfers: &[(TransferReason, Vec<SlotMove>)]) {
    for step in transfers.iter().flat_map(|(_, moves)| moves) {
        let record = slots.iter_mut().find(|record| record.slot == step.slot).unwrap();
        assert_eq!(record.epoch, step.expected);
        record.owner = step.to;
        record.epoch = record.epoch.next();
    }
}

#[test]
fn nothing_moves_when_all_is_well() {
    let slots = dealt(6, &[(1, 1), (2, 2), (3, 3)]);
    assert_eq!(moves(&slots, &[up(1), up(2), up(3)]), []);
}

#[test]
fn a_dead_nodes_slots_go_to_one_survivor_and_name_their_epochs() {
    let slots = dealt(6, &[(1, 1), (2, 2), (3, 3)]);
    let nodes = [up(1), dead(2), up(3)];
    let expected = [
        SlotMove { slot: SlotId(1), expected: Epoch(11), to: NodeId(1) },
        SlotMove { slot: SlotId(4), expected: Epoch(14), to: NodeId(1) },
    ];
    let got = plan(&slots, &nodes, &OPTIONS);
    assert_eq!(got, [(TransferReason::Failure, expected.to_vec())]);
}

#[test]
fn the_survivor_with_the_fewest_slots_is_chosen() {
    let slots = [slot(0, 1, 1), slot(1, 1, 1), slot(2, 2, 2), slot(3, 3, 3)];
    let got = moves(&slots, &[up(1), dead(2), up(3)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(2, 3)])]);
}

#[test]
fn homes_lost_together_are_spread() {
    let slots = dealt(10, &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    let got = moves(&slots, &[up(1), up(2), dead(3), up(4), dead(5)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(2, 1), (7, 1), (4, 2), (9, 2)])]);
}

#[test]
fn a_survivor_in_the_homes_pop_comes_before_one_with_fewer_slots() {
    let slots = [slot(0, 1, 1), slot(1, 1, 1), slot(2, 2, 2), slot(3, 3, 3)];
    let elsewhere = NodeState { pop: Name::from("b"), ..up(3) };
    let got = moves(&slots, &[up(1), dead(2), elsewhere]);
    assert_eq!(got, [(TransferReason::Failure, vec![(2, 1)])]);
}

#[test]
fn a_node_that_is_behind_or_draining_gets_slots_only_if_there_is_no_other() {
    let slots = dealt(6, &[(1, 1), (2, 2), (3, 3)]);
    let behind = NodeState { caught_up: false, ..up(1) };
    let draining = NodeState { draining: true, ..up(1) };
    let to = |one: &NodeState, three: NodeState| {
        let got = moves(&slots, &[one.clone(), dead(2), three]);
        let failure = got.into_iter().find(|(reason, _)| *reason == TransferReason::Failure);
        failure.map(|(_, moves)| moves.iter().map(|(_, to)| *to).collect::<Vec<_>>())
    };
    assert_eq!(to(&behind, up(3)), Some(vec![3, 3]));
    assert_eq!(to(&draining, up(3)), Some(vec![3, 3]));
    assert_eq!(to(&draining, NodeState { caught_up: false, ..up(3) }), Some(vec![3, 3]));
    assert_eq!(to(&draining, NodeState { draining: true, ..up(3) }), Some(vec![1, 1]));
}

#[test]
fn a_silent_node_keeps_its_slots_until_its_lease_is_over_and_gets_none() {
    let slots = dealt(6, &[(1, 1), (2, 2), (3, 3)]);
    let suspect = NodeState { verdict: Verdict::Suspect, ..up(2) };
    assert_eq!(moves(&slots, &[up(1), suspect.clone(), up(3)]), []);
    let got = moves(&dealt(4, &[(1, 1), (2, 4)]), &[up(1), suspect, up(3), dead(4), up(5)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(1, 3), (3, 3)])]);
}

#[test]
fn nothing_moves_without_a_majority() {
    let slots = dealt(6, &[(1, 1), (2, 2), (3, 3)]);
    assert_eq!(moves(&slots, &[up(1), dead(2), dead(3)]), []);
    let suspect = NodeState { verdict: Verdict::Suspect, ..up(3) };
    assert_eq!(moves(&slots, &[up(1), dead(2), suspect]), []);
    let four = [up(1), up(2), dead(3), dead(4)];
    assert_eq!(moves(&slots, &four), []);
}

#[test]
fn an_owner_that_is_no_member_any_more_is_dead() {
    let slots = dealt(4, &[(1, 1), (9, 9)]);
    let got = moves(&slots, &[up(1), up(2)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(1, 2), (3, 2)])]);
}

#[test]
fn a_home_gets_its_slots_back_when_it_is_settled_and_not_before() {
    let slots = dealt(6, &[(1, 1), (2, 1), (3, 3)]);
    let with = |home: NodeState| moves(&slots, &[up(1), home, up(3)]);
    assert_eq!(with(up(2)), [(TransferReason::HandBack, vec![(1, 2), (4, 2)])]);
    for unfit in [
        NodeState { up_for_ms: 999, ..up(2) },
        NodeState { caught_up: false, ..up(2) },
        NodeState { draining: true, ..up(2) },
        NodeState { verdict: Verdict::Suspect, ..up(2) },
        dead(2),
    ] {
        assert_eq!(with(unfit.clone()), [], "{unfit:?}");
    }
    assert_eq!(with(NodeState { up_for_ms: 1000, ..up(2) }).len(), 1);
}

#[test]
fn a_drain_moves_each_home_to_one_survivor_that_is_fit() {
    let slots = dealt(6, &[(1, 1), (2, 2), (3, 1)]);
    let draining = NodeState { draining: true, ..up(1) };
    let got = moves(&slots, &[draining.clone(), up(2), up(3)]);
    // Home 3 is settled: its slots go home. Home 1 then goes to whoever has the fewest.
    assert_eq!(
        got,
        [
            (TransferReason::HandBack, vec![(2, 3), (5, 3)]),
            (TransferReason::Drain, vec![(0, 2), (3, 2)])
        ]
    );
    let behind = |node| NodeState { caught_up: false, ..up(node) };
    assert_eq!(moves(&slots, &[draining, behind(2), behind(3)]), []);
}

#[test]
fn a_flapping_home_is_passed_over_when_its_stand_in_dies() {
    let slots = dealt(4, &[(1, 3), (2, 2)]);
    let flapping = NodeState { up_for_ms: 10, ..up(1) };
    let got = moves(&slots, &[flapping.clone(), up(2), dead(3)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(0, 2), (2, 2)])]);
    // Serving from a node that may be flapping is better than not serving.
    let got = moves(&slots, &[flapping, NodeState { draining: true, ..up(2) }, dead(3)]);
    let failure = (TransferReason::Failure, vec![(0, 1), (2, 1)]);
    assert!(got.contains(&failure), "{got:?}");
}

#[test]
fn who_may_not_own_gets_nothing_and_gives_up_what_it_has() {
    let witness = || NodeState { may_own: false, ..up(2) };
    let slots = dealt(4, &[(1, 1), (3, 3)]);
    let got = moves(&slots, &[up(1), witness(), dead(3)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(1, 1), (3, 1)])]);
    let slots = dealt(4, &[(1, 1), (2, 2)]);
    let got = moves(&slots, &[up(1), witness(), up(3)]);
    assert_eq!(got, [(TransferReason::Drain, vec![(1, 3), (3, 3)])]);
}

#[test]
fn only_those_that_vote_make_a_majority() {
    let learner = |node| NodeState { voter: false, may_own: false, ..dead(node) };
    let slots = dealt(4, &[(1, 1), (2, 2)]);
    let got = moves(&slots, &[up(1), dead(2), up(3), learner(4), learner(5)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(1, 3), (3, 3)])]);
    let alive = |node| NodeState { voter: false, may_own: false, ..up(node) };
    assert_eq!(moves(&slots, &[up(1), dead(2), dead(3), alive(4), alive(5)]), []);
}

#[test]
fn a_split_home_is_brought_together() {
    let slots = [slot(0, 4, 1), slot(1, 4, 2), slot(2, 1, 1), slot(3, 1, 1)];
    let got = moves(&slots, &[up(1), dead(2), up(3), dead(4), up(5)]);
    assert_eq!(got, [(TransferReason::Failure, vec![(1, 1)])]);
}

fn any_node(node: u64) -> impl Strategy<Value = NodeState> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Alive),
        1 => Just(Verdict::Suspect),
        2 => Just(Verdict::Dead)
    ];
    (verdict, any::<bool>(), 0u64..2000, any::<bool>(), 0u8..2).prop_map(
        move |(verdict, caught_up, up_for_ms, draining, pop)| NodeState {
            node: NodeId(node),
            pop: Name::from(if pop == 0 { "a" } else { "b" }),
            verdict,
            caught_up,
            up_for_ms,
            draining,
            voter: true,
            may_own: true,
        },
    )
}

fn any_cluster() -> impl Strategy<Value = (Vec<SlotRecord>, Vec<NodeState>)> {
    (1u64..8).prop_flat_map(|count| {
        let nodes: Vec<_> = (1..=count).map(any_node).collect();
        // Homes and owners may be nodes that are no members any more.
        let records = prop::collection::vec((1..=count + 1, 1..=count + 1), 0..40);
        let records = records.prop_map(|pairs| {
            let numbered = (0u16..).zip(pairs);
            numbered.map(|(number, (home, owner))| slot(number, home, owner)).collect()
        });
        (records, nodes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn one_round_reaches_a_fixed_point((mut slots, nodes) in any_cluster()) {
        let transfers = plan(&slots, &nodes, &OPTIONS);
        make(&mut slots, &transfers);
        prop_assert_eq!(plan(&slots, &nodes, &OPTIONS), []);
    }

    #[test]
    fn the_order_of_arguments_does_not_matter((slots, nodes) in any_cluster()) {
        let (mut turned, mut round) = (slots.clone(), nodes.clone());
        turned.reverse();
        round.rotate_left(nodes.len() / 2);
        prop_assert_eq!(plan(&slots, &nodes, &OPTIONS), plan(&turned, &round, &OPTIONS));
    }

    #[test]
    fn only_what_may_move_moves_and_only_to_who_may_own((slots, nodes) in any_cluster()) {
        let state = |node| nodes.iter().find(|state| state.node == node);
        let mut seen = std::collections::BTreeSet::new();
        for (reason, moves) in plan(&slots, &nodes, &OPTIONS) {
            prop_assert!(!moves.is_empty());
            for step in moves {
                prop_assert!(seen.insert(step.slot), "slot {} moves twice", step.slot);
                let record = slots.iter().find(|record| record.slot == step.slot).unwrap();
                prop_assert_eq!(record.epoch, step.expected);
                prop_assert_ne!(record.owner, step.to);
                let to = state(step.to).unwrap();
                prop_assert_eq!(to.verdict, Verdict::Alive);
                let owner = state(record.owner).map(|owner| owner.verdict);
                match reason {
                    TransferReason::Failure => {
                        prop_assert!(matches!(owner, None | Some(Verdict::Dead)));
                    }
                    TransferReason::HandBack => {
                        prop_assert_eq!(owner, Some(Verdict::Alive));
                        prop_assert_eq!(step.to, record.home);
                        prop_assert!(to.up_for_ms >= 1000 && to.caught_up && !to.draining);
                    }
                    TransferReason::Drain => {
                        prop_assert_eq!(owner, Some(Verdict::Alive));
                        prop_assert!(state(record.owner).unwrap().draining);
                        prop_assert!(to.caught_up && !to.draining);
                    }
                    TransferReason::Formed | TransferReason::Restart => prop_assert!(false),
                }
            }
        }
    }

    #[test]
    fn with_a_majority_no_slot_stays_with_a_dead_owner((mut slots, nodes) in any_cluster()) {
        let alive = nodes.iter().filter(|state| state.verdict == Verdict::Alive).count();
        let transfers = plan(&slots, &nodes, &OPTIONS);
        if alive * 2 <= nodes.len() {
            prop_assert_eq!(transfers, []);
            return Ok(());
        }
        make(&mut slots, &transfers);
        for record in &slots {
            let owner = nodes.iter().find(|state| state.node == record.owner);
            prop_assert!(owner.is_some_and(|state| state.verdict != Verdict::Dead));
        }
    }

    /// A node that comes and goes gets nothing back while it flaps, and everything afterwards.
    #[test]
    fn a_flapping_node_gets_nothing_before_its_time(ups in prop::collection::vec(0u64..1000, 1..20)) {
        let mut slots = dealt(12, &[(1, 1), (2, 2), (3, 3)]);
        let mut round = |first: NodeState| {
            let transfers = plan(&slots, &[first, up(2), up(3)], &OPTIONS);
            make(&mut slots, &transfers);
            slots.iter().filter(|record| record.owner == NodeId(1)).count()
        };
        for up_for_ms in ups {
            prop_assert_eq!(round(dead(1)), 0);
            prop_assert_eq!(round(NodeState { up_for_ms, ..up(1) }), 0);
        }
        prop_assert_eq!(round(NodeState { up_for_ms: 1000, ..up(1) }), 4);
    }
}
