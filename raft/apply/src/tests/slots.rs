//! Who owns what, and since when.

use holdline_model::{
    ClusterId, Command, Epoch, FormCluster, Millis, NodeId, Rejection, Reply, SetDraining, SlotId,
    SlotMove, TransferReason, TransferSlots, limits,
};

use super::{Cluster, node_up};
use crate::Action;

fn transfer(moves: Vec<SlotMove>, reason: TransferReason) -> Command {
    Command::TransferSlots(TransferSlots { moves, reason, at: Millis(4_000) })
}

fn to(slot: u16, expected: u64, node: u64) -> SlotMove {
    SlotMove { slot: SlotId(slot), expected: Epoch(expected), to: NodeId(node) }
}

#[test]
fn forming_deals_the_slots_out_in_turn() {
    let cluster = Cluster::new();
    let owners: Vec<_> = cluster
        .state
        .slots
        .values()
        .map(|slot| (slot.home.0, slot.owner.0, slot.epoch.0))
        .collect();
    assert_eq!(owners, [(1, 1, 1), (2, 2, 1), (3, 3, 1), (1, 1, 1), (2, 2, 1), (3, 3, 1)]);
}

#[test]
fn forming_happens_once() {
    let mut cluster = Cluster::new();
    let before = cluster.state.clone();
    let mut form = FormCluster {
        cluster: ClusterId(7),
        slots: 9,
        members: vec![NodeId(3)],
        at: Millis(5_000),
    };
    assert_eq!(cluster.run(&Command::FormCluster(form.clone())), Reply::Done);
    form.cluster = ClusterId(8);
    let other = cluster.run(&Command::FormCluster(form));
    assert_eq!(other, Reply::Rejected(Rejection::AlreadyFormed));
    assert_eq!(cluster.state, before);
}

#[test]
fn a_late_or_repeated_move_does_nothing() {
    let mut cluster = Cluster::new();
    let moves = vec![to(0, 1, 2), to(3, 1, 2)];
    let command = transfer(moves, TransferReason::Failure);
    assert_eq!(cluster.run(&command), Reply::Count(2));
    let before = cluster.state.clone();
    assert_eq!(cluster.run(&command), Reply::Count(0));
    assert_eq!(cluster.state, before);
    assert_eq!(cluster.actions.len(), 2);
    let expected = Action::SlotMoved {
        slot: SlotId(0),
        from: Some(NodeId(1)),
        to: NodeId(2),
        epoch: Epoch(2),
        reason: TransferReason::Failure,
    };
    assert_eq!(cluster.actions[0], expected);
}

#[test]
fn slots_do_not_move_to_nodes_that_never_came_up() {
    let mut cluster = Cluster::new();
    let command = transfer(vec![to(0, 1, 2), to(3, 1, 9)], TransferReason::Failure);
    let unknown = Rejection::UnknownNode { node: NodeId(9) };
    assert_eq!(cluster.run(&command), Reply::Rejected(unknown));
    assert_eq!(cluster.state.slots[&SlotId(0)].epoch, Epoch(1), "all or nothing");
}

#[test]
fn a_restart_raises_the_epochs_of_slots_still_owned() {
    let mut cluster = Cluster::new();
    cluster.run(&transfer(vec![to(3, 1, 2)], TransferReason::Failure));
    cluster.actions.clear();
    assert_eq!(cluster.run(&node_up(NodeId(1), 2)), Reply::Done);
    assert_eq!(cluster.state.slots[&SlotId(0)].epoch, Epoch(2));
    assert_eq!(cluster.state.slots[&SlotId(0)].owner, NodeId(1));
    assert_eq!(cluster.state.slots[&SlotId(3)].owner, NodeId(2), "taken over before: left alone");
    assert_eq!(cluster.actions.len(), 2, "node changed, one slot in a new epoch");
    cluster.actions.clear();
    cluster.run(&node_up(NodeId(1), 2));
    assert!(cluster.actions.is_empty(), "the same run may say it again");
}

#[test]
fn draining_is_a_mark_that_a_restart_clears() {
    let mut cluster = Cluster::new();
    let drain = SetDraining { node: NodeId(2), draining: true, at: Millis(5_000) };
    assert!(matches!(cluster.run(&Command::SetDraining(drain)), Reply::At(_)));
    assert!(cluster.state.nodes[&NodeId(2)].draining);
    cluster.run(&node_up(NodeId(2), 2));
    assert!(!cluster.state.nodes[&NodeId(2)].draining);
    let unknown = SetDraining { node: NodeId(9), ..drain };
    let reply = cluster.run(&Command::SetDraining(unknown));
    assert_eq!(reply, Reply::Rejected(Rejection::UnknownNode { node: NodeId(9) }));
}

#[test]
fn the_history_of_a_slot_is_bounded() {
    let mut cluster = Cluster::new();
    for epoch in 1..100 {
        let owner = 1 + epoch % 3;
        cluster.run(&transfer(vec![to(0, epoch, owner)], TransferReason::HandBack));
    }
    let slot = &cluster.state.slots[&SlotId(0)];
    assert_eq!(slot.epoch, Epoch(100));
    assert_eq!(slot.history.len(), limits::SLOT_HISTORY);
    assert_eq!(slot.history.last().map(|span| span.epoch), Some(Epoch(100)));
}
