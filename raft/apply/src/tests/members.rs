//! Numbers of nodes, homes of slots, and who is gone.

use holdline_model::{
    AdmitNode, Command, HoldNode, Millis, Name, NodeId, NodeRole, Rejection, Removal, RemoveNode,
    Reply, SetDraining, SetHomes, SlotHome, SlotId, SlotMove, Standing, TransferReason,
    TransferSlots,
};

use super::{Cluster, node_up};
use crate::Action;

fn admit(node: Option<u64>, nonce: u64, port: u16) -> Command {
    Command::AdmitNode(Box::new(AdmitNode {
        node: node.map(NodeId),
        nonce,
        rpc: ([127, 0, 0, 9], port).into(),
        pop: Name::from("pop-b"),
        role: NodeRole::Full,
        held: false,
        at: Millis(2_000),
    }))
}

fn remove(node: u64, heir: Option<u64>) -> Command {
    let heir = heir.map(NodeId);
    Command::RemoveNode(RemoveNode { node: NodeId(node), heir, at: Millis(3_000) })
}

fn home(slot: u16, expected: u64, home: u64) -> SlotHome {
    SlotHome { slot: SlotId(slot), expected: NodeId(expected), home: NodeId(home) }
}

fn homes(cluster: &Cluster) -> Vec<u64> {
    cluster.state.slots.values().map(|slot| slot.home.0).collect()
}

fn empty(cluster: &mut Cluster, node: u64, to: u64) {
    let slots = cluster.state.slots.values().filter(|slot| slot.owner == NodeId(node));
    let moves = slots.map(|s| SlotMove { slot: s.slot, expected: s.epoch, to: NodeId(to) });
    let (moves, reason, at) = (moves.collect(), TransferReason::Drain, Millis(2_500));
    cluster.run(&Command::TransferSlots(TransferSlots { moves, reason, at }));
}

#[test]
fn numbers_are_given_above_the_highest_and_once_per_attempt() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.run(&admit(None, 7, 1)), Reply::Node(NodeId(4)));
    assert_eq!(cluster.run(&admit(None, 7, 1)), Reply::Node(NodeId(4)), "the same attempt");
    assert_eq!(cluster.run(&admit(None, 8, 1)), Reply::Node(NodeId(4)), "it tries again");
    assert_eq!(cluster.run(&admit(None, 9, 2)), Reply::Node(NodeId(5)), "another machine");
    assert_eq!(cluster.run(&admit(Some(9), 10, 3)), Reply::Node(NodeId(9)), "a number it wants");
    let used = Reply::Rejected(Rejection::NodeUsed { node: NodeId(6), highest: NodeId(9) });
    assert_eq!(cluster.run(&admit(Some(6), 11, 4)), used, "below one that was used");
    assert_eq!(cluster.run(&admit(None, 12, 5)), Reply::Node(NodeId(10)));
}

#[test]
fn an_expected_node_gets_its_number_and_an_address_in_use_gives_none() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.run(&admit(None, 0, 1)), Reply::Node(NodeId(4)));
    let roster = |cluster: &Cluster| cluster.state.cluster.clone().unwrap().roster;
    assert_eq!(roster(&cluster).entry(NodeId(4)).unwrap().standing, Standing::Expected);
    assert_eq!(cluster.run(&admit(None, 7, 2)), Reply::Node(NodeId(5)), "somebody else");
    assert_eq!(cluster.run(&admit(None, 8, 1)), Reply::Node(NodeId(4)));
    assert_eq!(roster(&cluster).entry(NodeId(4)).unwrap().standing, Standing::Admitted);
    // All nodes of these tests announce themselves there.
    let rpc = "127.0.0.1:7060".parse().unwrap();
    let mut taken = admit(None, 9, 3);
    if let Command::AdmitNode(admit) = &mut taken {
        admit.rpc = rpc;
    }
    let rejected = Rejection::AddressTaken { rpc, node: NodeId(1) };
    assert_eq!(cluster.run(&taken), Reply::Rejected(rejected));
}

#[test]
fn a_removed_node_leaves_its_homes_to_its_heir_and_never_comes_back() {
    let mut cluster = Cluster::new();
    let owns = Reply::Rejected(Rejection::StillOwner { node: NodeId(3), slots: 2 });
    assert_eq!(cluster.run(&remove(3, Some(1))), owns);
    empty(&mut cluster, 3, 2);
    let no_heir = Reply::Rejected(Rejection::OutOfBounds { what: "heir".to_owned() });
    assert_eq!(cluster.run(&remove(3, None)), no_heir);
    let origins: Vec<_> = cluster.state.slots.values().map(|slot| slot.origin).collect();
    cluster.actions.clear();
    assert!(matches!(cluster.run(&remove(3, Some(1))), Reply::At(_)));
    assert_eq!(cluster.actions, [Action::NodeChanged(NodeId(3))]);
    assert_eq!(homes(&cluster), [1, 2, 1, 1, 2, 1]);
    let after: Vec<_> = cluster.state.slots.values().map(|slot| slot.origin).collect();
    assert_eq!(after, origins, "where calls belong does not change");
    let removed = cluster.state.nodes[&NodeId(3)].removed;
    assert_eq!(removed, Some(Removal { at: Millis(3_000), heir: Some(NodeId(1)) }));
    let gone = Reply::Rejected(Rejection::NodeRemoved { node: NodeId(3) });
    assert_eq!(cluster.run(&node_up(NodeId(3), 99)), gone);
    let step = SlotMove { slot: SlotId(0), expected: holdline_model::Epoch(1), to: NodeId(3) };
    let (moves, reason, at) = (vec![step], TransferReason::Failure, Millis(4_000));
    let back = Command::TransferSlots(TransferSlots { moves, reason, at });
    assert_eq!(cluster.run(&back), gone, "nor does it get slots");
    assert_eq!(cluster.run(&admit(None, 7, 1)), Reply::Node(NodeId(4)));
    assert_eq!(
        cluster.run(&remove(8, None)),
        Reply::Rejected(Rejection::UnknownNode { node: NodeId(8) })
    );
    // A heir that is itself gone is none.
    let unknown = Reply::Rejected(Rejection::UnknownNode { node: NodeId(3) });
    empty(&mut cluster, 2, 1);
    assert_eq!(cluster.run(&remove(2, Some(3))), unknown);
}

#[test]
fn homes_change_only_from_what_was_expected() {
    let mut cluster = Cluster::new();
    let set = |homes| Command::SetHomes(SetHomes { homes, at: Millis(2_000) });
    let before = cluster.state.slots.clone();
    assert_eq!(cluster.run(&set(vec![home(0, 2, 3)])), Reply::Count(0));
    assert_eq!(cluster.state.slots, before);
    assert!(cluster.actions.is_empty());
    assert_eq!(cluster.run(&set(vec![home(0, 1, 3), home(1, 2, 3)])), Reply::Count(2));
    assert_eq!(cluster.actions, [Action::HomesChanged]);
    assert_eq!(homes(&cluster), [3, 3, 3, 1, 2, 3]);
    let owners = |slots: &std::collections::BTreeMap<SlotId, holdline_model::SlotRecord>| {
        slots.values().map(|slot| (slot.owner, slot.epoch)).collect::<Vec<_>>()
    };
    assert_eq!(owners(&cluster.state.slots), owners(&before), "owners stay");
    let unknown = Reply::Rejected(Rejection::UnknownNode { node: NodeId(9) });
    assert_eq!(cluster.run(&set(vec![home(3, 1, 9)])), unknown);
}

#[test]
fn a_node_is_held_until_it_is_not() {
    let mut cluster = Cluster::new();
    let hold =
        |node, held| Command::HoldNode(HoldNode { node: NodeId(node), held, at: Millis(2_000) });
    let is_held =
        |cluster: &Cluster| cluster.state.cluster.clone().unwrap().roster.is_held(NodeId(2));
    assert!(matches!(cluster.run(&hold(2, true)), Reply::At(_)));
    assert!(is_held(&cluster));
    assert!(matches!(cluster.run(&hold(2, false)), Reply::At(_)));
    assert!(!is_held(&cluster));
    let unknown = Reply::Rejected(Rejection::UnknownNode { node: NodeId(9) });
    assert_eq!(cluster.run(&hold(9, true)), unknown);
    empty(&mut cluster, 2, 1);
    let drain = SetDraining { node: NodeId(2), draining: true, at: Millis(2_600) };
    cluster.run(&Command::SetDraining(drain));
    cluster.run(&remove(2, Some(1)));
    assert!(!cluster.state.nodes[&NodeId(2)].draining, "what is gone is not drained");
    let gone = Reply::Rejected(Rejection::NodeRemoved { node: NodeId(2) });
    assert_eq!(cluster.run(&hold(2, true)), gone);
}
