//! Tokens leased to nodes.

use holdline_model::limit::{
    Action, ClassConfig, LeaseTokens, LimitConfig, Match, Operation, Request, TokenGrant, Tokens,
};
use holdline_model::{Incarnation, Millis, NodeId};

use super::{World, class, config, tenant};

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

#[test]
fn what_is_too_little_for_a_whole_token_is_leased_where_an_operation_costs_less() {
    let mut limits = config(vec![ClassConfig {
        burst: Tokens(Tokens::ONE.0 / 2),
        matches: Match { operation: vec![Operation::Register], ..Match::default() },
        ..class("all", None, 1, 1)
    }]);
    limits.cost = [(Operation::Register, Tokens(Tokens::ONE.0 / 5))].into();
    let mut world = World::new(&limits);
    let granted = lease(&mut world, 1, 1, (0, 0, 1)).granted;
    assert!(granted >= Tokens(Tokens::ONE.0 / 5), "{granted}");
}

#[test]
fn a_lease_is_no_request() {
    let mut world = World::new(&limits());
    lease(&mut world, 1, 1, (0, 0, 4));
    let view = world.table.view();
    let class = view.classes.first().expect("there is one");
    assert_eq!((class.admitted, class.leased), (0, Tokens::whole(4)));
}

#[test]
fn several_nodes_can_hold_a_slice_and_each_slice_pays_for_the_dearest_operation() {
    let mark = ClassConfig { action: Action::Mark, ..class("mark", Some("large"), 10, 10) };
    let all = |name, rate, burst| ClassConfig {
        matches: Match { operation: vec![Operation::Options], ..Match::default() },
        ..class(name, None, rate, burst)
    };
    let limits = config(vec![
        all("large", 100, 1_000),
        all("small", 10, 10),
        mark,
        ClassConfig { status: Some(429), ..tenant("poor", "small", 0, 5) },
    ]);
    let plan = crate::Plan::new(&limits).expect("it is valid");
    let lendings: Vec<_> = plan.lendings().collect();
    let of =
        |name: &str| *lendings.iter().find(|lending| lending.name.as_str() == name).expect("there");
    assert_eq!((of("large").least, of("large").status), (Tokens::whole(4), Some(503)));
    assert_eq!(of("small").least, Tokens::ONE);
    assert_eq!((of("poor").least, of("poor").status), (Tokens::ONE, Some(429)));
    assert_eq!(of("mark").status, None, "what marks lets pass");
    let request = Request {
        operation: Operation::Options,
        pop: "fra",
        tenant: "poor",
        trunk: "",
        source: [192, 0, 2, 1].into(),
        caller: "",
        called: "",
    };
    let names: Vec<_> = plan.classes_of(&request).map(|at| lendings[at].name.as_str()).collect();
    assert_eq!(names, ["mark", "poor"], "one of each tree");
}

#[test]
fn what_is_no_call_is_limited_only_where_its_operation_is_named_or_costs_something() {
    let named = |operation| Match { operation: vec![operation], ..Match::default() };
    let phones =
        ClassConfig { matches: named(Operation::Register), ..class("phones", Some("all"), 1, 1) };
    let mut limits = config(vec![class("all", None, 10, 10), phones]);
    let classes = |limits: &LimitConfig, operation| {
        let plan = crate::Plan::new(limits).expect("it is valid");
        let request = Request {
            operation,
            pop: "fra",
            tenant: "acme",
            trunk: "",
            source: [192, 0, 2, 1].into(),
            caller: "",
            called: "",
        };
        let names: Vec<_> = plan.lendings().map(|lending| lending.name.to_string()).collect();
        plan.classes_of(&request).map(|at| names[at].clone()).collect::<Vec<_>>()
    };
    assert_eq!(classes(&limits, Operation::Invite), ["all"]);
    assert_eq!(classes(&limits, Operation::Register), ["phones"]);
    assert_eq!(classes(&limits, Operation::Options), Vec::<String>::new());
    limits.cost = [(Operation::Options, Tokens::ONE)].into();
    assert_eq!(classes(&limits, Operation::Options), ["all"]);
    assert_eq!(classes(&limits, Operation::Api), Vec::<String>::new());
}
