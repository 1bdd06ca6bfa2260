//! Tokens leased to nodes.

use holdline_model::limit::{LeaseTokens, LimitConfig, TokenGrant, Tokens};
use holdline_model::{Incarnation, Millis, NodeId};

use super::{World, class, config};

fn lease(
    world: &mut World,
    node: u64,
    request: u64,
    (spent, returned, want): (u64, u64, u64),
) -> TokenGrant {
    let command = LeaseTokens {
        node: NodeId(node),
        incarnation: Incarnation(1),
        class: "all".into(),
        request,
        spent: Tokens::whole(spent),
        returned: Tokens::whole(returned),
        want: Tokens::whole(want),
        at: Millis(world.now),
    };
    world.table.lease(&command).expect("the class is there")
}

fn limits() -> LimitConfig {
    config(vec![class("all", None, 10, 10)])
}

#[test]
fn a_lease_takes_what_there_is_and_a_repeated_request_takes_nothing() {
    let mut world = World::new(&limits());
    let grant = lease(&mut world, 1, 1, (0, 0, 4));
    assert_eq!((grant.granted, grant.retry_after_ms), (Tokens::whole(4), 0));
    assert_eq!(lease(&mut world, 1, 1, (0, 0, 4)).granted, Tokens::whole(4), "the same again");
    let grant = lease(&mut world, 2, 1, (0, 0, 100));
    assert!(grant.granted >= Tokens::whole(5) && grant.granted <= Tokens::whole(6), "{grant:?}");
    assert!(grant.retry_after_ms > 0);
}

#[test]
fn what_is_leased_keeps_its_room_until_it_is_accounted_for() {
    let mut world = World::new(&limits());
    lease(&mut world, 1, 1, (0, 0, 4));
    world.pass(5_000);
    assert_eq!(world.admitted("acme", 100), 6, "bucket and lease together hold the burst");
    world.pass(5_000);
    lease(&mut world, 1, 2, (3, 0, 0));
    world.pass(5_000);
    assert_eq!(world.admitted("acme", 100), 9, "three were spent, one is still out");
    lease(&mut world, 1, 3, (0, 1, 0));
    assert_eq!(world.admitted("acme", 100), 1, "what is given back is there at once");
}

#[test]
fn a_dead_nodes_lease_counts_as_spent() {
    let mut world = World::new(&limits());
    lease(&mut world, 2, 1, (0, 0, 10));
    world.table.node_up(NodeId(2));
    assert_eq!(world.admitted("acme", 100), 0);
    world.pass(1_000);
    assert_eq!(world.admitted("acme", 100), 10);
}

#[test]
fn a_silent_nodes_lease_counts_as_spent_in_the_end() {
    let mut world = World::new(&limits());
    lease(&mut world, 2, 1, (0, 0, 10));
    for _ in 0..25 {
        world.pass(1_000);
    }
    lease(&mut world, 1, 1, (0, 0, 0));
    world.pass(1_000);
    assert_eq!(world.admitted("acme", 100), 10);
}

#[test]
fn nobody_gives_back_more_than_was_leased() {
    let mut world = World::new(&limits());
    world.admitted("acme", 100);
    lease(&mut world, 1, 1, (0, 1_000, 0));
    assert_eq!(world.admitted("acme", 100), 0);
}
