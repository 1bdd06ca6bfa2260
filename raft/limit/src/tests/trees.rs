//! How tokens flow.

use holdline_model::limit::{
    Action, Borrow, ClassConfig, Dimension, LimitConfig, Passage, Rate, Shortage, Tokens, Verdict,
};

use super::{World, class, config, each, is_admitted, tenant};

#[test]
fn a_single_bucket_holds_its_burst_and_fills_at_its_rate() {
    let mut world = World::new(&config(vec![class("all", None, 10, 5)]));
    assert_eq!(world.admitted("acme", 9), 5);
    let refusal = world.refusal("acme");
    assert_eq!((refusal.class.as_str(), refusal.shortage), ("all", Shortage::Tokens));
    assert_eq!((refusal.status, refusal.retry_after_ms), (503, 100));
    world.pass(99);
    assert_eq!(world.admitted("acme", 1), 0);
    world.pass(1);
    assert_eq!(world.admitted("acme", 2), 1, "as Retry-After has promised");
    world.pass(3_600);
    assert_eq!(world.admitted("acme", 9), 5, "no more than the burst");
}

#[test]
fn a_share_of_a_quarter_is_kept_whatever_the_rest_do() {
    let (assured, borrow) = (Rate::Share(2_500), Borrow::Never);
    let paying = ClassConfig { assured, borrow, ..tenant("paying", "all", 0, 5) };
    let rest = class("rest", Some("all"), 0, 0);
    let mut world = World::new(&config(vec![class("all", None, 100, 20), paying, rest]));
    world.admitted("rest", 100);
    let (mut paid, mut others) = (0, 0);
    for _ in 0..100 {
        world.pass(100);
        others += world.admitted("rest", 200);
        paid += world.admitted("paying", 9);
    }
    assert_eq!(paid, 5 + 247, "its burst, and 25 a second from the moment it is not full");
    assert_eq!(others, 750 + 2, "the rest, and what did not fit into a full bucket");
}

#[test]
fn what_a_class_leaves_unused_goes_to_its_siblings() {
    let classes =
        vec![class("all", None, 100, 30), tenant("a", "all", 50, 10), tenant("b", "all", 50, 10)];
    let mut world = World::new(&config(classes));
    world.admitted("a", 100);
    let mut admitted = 0;
    for _ in 0..10 {
        world.pass(100);
        admitted += world.admitted("a", 100);
    }
    assert_eq!(admitted, 100, "the whole of it: b does not ask");
    assert_eq!(world.admitted("b", 100), 10, "b's own burst was not touched");
}

#[test]
fn siblings_that_borrow_share_by_weight_and_priority() {
    let heavy = ClassConfig { weight: 3, ..tenant("heavy", "all", 0, 0) };
    let light = tenant("light", "all", 0, 0);
    let last = ClassConfig { priority: 1, ..tenant("last", "all", 0, 0) };
    let mut world = World::new(&config(vec![class("all", None, 100, 40), heavy, light, last]));
    for name in ["heavy", "light", "last"] {
        world.admitted(name, 100);
    }
    let (mut heavy, mut light, mut last) = (0, 0, 0);
    for _ in 0..100 {
        world.pass(100);
        last += world.admitted("last", 20);
        light += world.admitted("light", 20);
        heavy += world.admitted("heavy", 20);
    }
    assert!((740..=760).contains(&heavy) && (240..=260).contains(&light), "{heavy} {light}");
    assert_eq!(last, 0, "those of a higher priority take it all");
    for _ in 0..50 {
        world.pass(100);
        last += world.admitted("last", 20);
    }
    assert!(last >= 390, "once they are silent for a second it has everything: {last}");
}

#[test]
fn a_ceiling_holds_even_when_there_is_plenty_to_borrow() {
    let low = ClassConfig {
        ceiling: Some(Rate::per_second(20)),
        ceiling_burst: Some(Tokens::whole(7)),
        status: Some(429),
        ..tenant("low", "all", 10, 5)
    };
    let mut world = World::new(&config(vec![class("all", None, 1_000, 100), low]));
    assert_eq!(world.admitted("low", 10), 7);
    let refusal = world.refusal("low");
    assert_eq!(
        (refusal.shortage, refusal.status, refusal.retry_after_ms),
        (Shortage::Ceiling, 429, 100)
    );
    world.pass(1_000);
    assert_eq!(world.admitted("low", 100), 7, "the ceiling's burst");
}

#[test]
fn who_may_not_borrow_has_only_its_own() {
    let never = ClassConfig { borrow: Borrow::Never, ..tenant("never", "mid", 1, 1) };
    let sibling = ClassConfig { borrow: Borrow::Sibling, ..tenant("sibling", "mid", 1, 1) };
    let parent = tenant("parent", "mid", 1, 1);
    let mid = class("mid", Some("all"), 10, 8);
    let classes = || {
        vec![
            class("all", None, 100, 50),
            mid.clone(),
            never.clone(),
            sibling.clone(),
            parent.clone(),
        ]
    };
    let mut world = World::new(&config(classes()));
    assert_eq!(world.admitted("never", 100), 1);
    assert_eq!(world.admitted("sibling", 100), 1 + 5, "what its parent has to lend");
    assert_eq!(world.admitted("parent", 100), 1 + 42, "and what the root has, too");
}

#[test]
fn debt_is_overdrawn_once_and_paid_back() {
    let dear = ClassConfig { debt: Tokens::whole(3), ..class("all", None, 1, 1) };
    let mut world = World::new(&config(vec![dear]));
    assert_eq!(world.admitted("acme", 9), 4);
    world.pass(999);
    assert_eq!(world.admitted("acme", 1), 0);
    world.pass(1);
    assert_eq!(world.admitted("acme", 2), 1);
}

#[test]
fn an_operation_costs_what_is_configured() {
    let cost = [(holdline_model::limit::Operation::Invite, "2.5".parse().unwrap())].into();
    let mut world = World::new(&LimitConfig { cost, ..config(vec![class("all", None, 10, 10)]) });
    assert_eq!(world.admitted("acme", 9), 4);
    assert_eq!(world.refusal("acme").retry_after_ms, 250);
}

#[test]
fn a_class_that_marks_admits_and_says_so() {
    let mark = ClassConfig { action: Action::Mark, ..class("all", None, 1, 2) };
    let mut world = World::new(&config(vec![mark]));
    assert_eq!(world.ask("acme"), Verdict::Admitted(Passage::default()));
    world.ask("acme");
    let passage = Passage { marks: vec!["X-Limit: all".into()], ..Passage::default() };
    assert_eq!(world.ask("acme"), Verdict::Admitted(passage));
    world.pass(1_000);
    assert_eq!(
        world.ask("acme"),
        Verdict::Admitted(Passage::default()),
        "marked ones took nothing"
    );
    let view = world.table.view();
    assert_eq!((view.classes[0].admitted, view.classes[0].marked), (4, 1));
}

#[test]
fn a_shaped_class_is_released_evenly_and_refuses_what_would_wait_too_long() {
    let shaped =
        ClassConfig { action: Action::Delay, max_wait_ms: 300, ..class("all", None, 10, 1) };
    let mut world = World::new(&config(vec![shaped]));
    let holds: Vec<Option<u64>> = (0..5)
        .map(|_| match world.ask("acme") {
            Verdict::Admitted(passage) => Some(passage.hold_ms),
            Verdict::Refused(refusal) => {
                assert_eq!((refusal.shortage, refusal.retry_after_ms), (Shortage::Queue, 100));
                None
            }
        })
        .collect();
    assert_eq!(holds, [Some(0), Some(100), Some(200), Some(300), None]);
}

#[test]
fn each_source_has_a_bucket_of_its_own_that_is_forgotten_when_it_is_full() {
    let mut limits = config(vec![]);
    limits.each.push(each("source", Dimension::Source, 2, 3));
    let mut world = World::new(&limits);
    let admitted = |world: &mut World, source| {
        (0..9).filter(|_| is_admitted(&world.ask_from("acme", source, "1"))).count()
    };
    assert_eq!(admitted(&mut world, "192.0.2.1"), 3);
    assert_eq!(admitted(&mut world, "::ffff:192.0.2.1"), 0, "the same in other words");
    assert_eq!(admitted(&mut world, "2001:db8::1"), 3);
    assert_eq!(world.table.view().each[0].count, 2);
    world.pass(1_500);
    assert!(!world.table.needs_tick(), "both are full again, and gone");
    assert_eq!(world.table.view().each[0].count, 0);
}

#[test]
fn emergency_calls_are_never_limited() {
    let mut limits = config(vec![class("all", None, 1, 1)]);
    limits.emergency = vec!["112".to_owned(), "911*".to_owned()];
    let mut world = World::new(&limits);
    world.admitted("acme", 10);
    for called in ["112", "9110", "urn:service:sos.fire"] {
        assert!(is_admitted(&world.ask_from("acme", "192.0.2.1", called)), "{called}");
    }
    assert!(!is_admitted(&world.ask_from("acme", "192.0.2.1", "1120")));
}

#[test]
fn a_refusal_takes_nothing_anywhere() {
    let mut limits = config(vec![class("one", None, 10, 10), class("two", None, 1, 1)]);
    limits.each.push(each("called", Dimension::Called, 1, 5));
    let mut world = World::new(&limits);
    assert_eq!(world.admitted("acme", 8), 1);
    let view = world.table.view();
    assert_eq!(view.classes[0].tokens, Tokens::whole(9), "only the admitted one's");
    assert_eq!(view.each[0].emptiest, [("100".to_owned(), Tokens::whole(4))]);
}
