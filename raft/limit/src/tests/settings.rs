//! Replacing and resetting limits; what is refused.

use holdline_model::limit::{
    Action, ClassConfig, Dimension, LimitConfig, LimitFault, Match, Rate, Tokens,
};
use holdline_model::{Millis, Name, Rejection};

use super::{World, cap, class, config, each, tenant};
use crate::check;

fn fault(classes: Vec<ClassConfig>) -> String {
    check(&config(classes)).expect_err("it is faulty").to_string()
}

#[test]
fn faults_name_both_values() {
    let all = || class("all", None, 100, 40);
    for (classes, words) in [
        (vec![all(), all()], ["\"all\"", "twice"]),
        (vec![class("a", Some("b"), 1, 1)], ["\"a\"", "\"b\""]),
        (vec![class("a", Some("b"), 1, 1), class("b", Some("a"), 1, 1)], ["\"a\"", "\"b\""]),
        (
            vec![all(), class("a", Some("all"), 60, 9), class("b", Some("all"), 60, 9)],
            ["120/s", "100/s"],
        ),
        (vec![all(), class("a", Some("all"), 10, 50)], ["50", "40"]),
        (vec![all(), class("a", Some("all"), 10, 40)], ["a burst of 40", "have 40"]),
        (
            vec![ClassConfig { ceiling: Some(Rate::per_second(9)), ..class("all", None, 10, 1) }],
            ["9/s", "10/s"],
        ),
        (vec![class("all", None, 10, 0)], ["10/s", "burst of 0"]),
        (vec![class("all", None, 0, 10)], ["0/s", "1000000/s"]),
        (vec![ClassConfig { assured: Rate::Share(2_500), ..all() }], ["25%", "no parent"]),
        (vec![ClassConfig { weight: 0, ..all() }], ["weight 0", "1000000"]),
        (vec![ClassConfig { status: Some(404), ..all() }], ["404", "503"]),
        (vec![ClassConfig { action: Action::Delay, ..all() }], ["delay", "max_wait_ms"]),
        (
            vec![ClassConfig { mark: Some("X-A: b\r\nX-C: d".into()), ..all() }],
            ["X-A: b\\r\\nX-C", "header"],
        ),
        (vec![ClassConfig { mark: Some("Via: b".into()), ..all() }], ["Via: b", "header"]),
        (
            vec![ClassConfig {
                matches: Match { source: vec!["1.2.3.4/99".into()], ..Match::default() },
                ..all()
            }],
            ["1.2.3.4/99", "\"all\""],
        ),
        (
            vec![ClassConfig {
                matches: Match { trunk_out: vec!["x".into()], ..Match::default() },
                ..all()
            }],
            ["trunk_out", "\"all\""],
        ),
        (
            vec![ClassConfig {
                ceiling: Some(Rate::per_second(200)),
                ceiling_burst: Some(Tokens::whole(40)),
                ..all()
            }],
            ["ceiling_burst of 40", "40 are"],
        ),
        (vec![class("", None, 1, 1)], ["0 bytes", "64"]),
    ] {
        let text = fault(classes);
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
    }
    let many = (0..1_025).map(|n| class(&n.to_string(), None, 1, 1)).collect();
    assert!(fault(many).contains("1025"));
    let lease = LimitConfig { lease_ms: 5, ..LimitConfig::default() };
    assert!(check(&lease).expect_err("it is faulty").to_string().contains("lease_ms is 5"));
}

#[test]
fn a_faulty_or_outdated_change_changes_nothing() {
    let mut world = World::new(&config(vec![class("all", None, 10, 5)]));
    world.admitted("acme", 3);
    let before = world.table.clone();
    let faulty = config(vec![class("all", None, 10, 0)]);
    assert!(matches!(world.table.set(1, &faulty, Millis(0)), Err(Rejection::Limits(_))));
    let outdated = world.table.set(0, &config(vec![]), Millis(0));
    assert_eq!(outdated, Err(Rejection::LimitVersion { expected: 0, current: 1 }));
    assert_eq!(world.table, before);
}

#[test]
fn a_change_keeps_the_tokens_and_makes_none() {
    let mut world = World::new(&config(vec![class("all", None, 10, 20)]));
    assert_eq!(world.admitted("acme", 15), 15);
    let wider = config(vec![class("all", None, 10, 100), tenant("acme", "all", 5, 10)]);
    world.table.set(1, &wider, Millis(0)).unwrap();
    assert_eq!(world.admitted("acme", 100), 5, "what was left");
    world.pass(2_000);
    assert_eq!(world.admitted("acme", 100), 20, "at the old rate, which is the new one");
    world.table.set(2, &config(vec![class("all", None, 10, 3)]), Millis(0)).unwrap();
    world.pass(5_000);
    assert_eq!(world.admitted("acme", 100), 3);
}

#[test]
fn a_reset_fills_a_class_and_those_beneath_it() {
    let mut limits = config(vec![
        class("all", None, 10, 20),
        tenant("a", "all", 2, 4),
        tenant("b", "all", 2, 4),
    ]);
    limits.each.push(each("source", Dimension::Source, 1, 50));
    limits.cap.push(cap("cap", None, 100));
    let mut world = World::new(&limits);
    world.admitted("a", 100);
    world.admitted("b", 100);
    world.table.reset(Some(&"a".into())).unwrap();
    assert_eq!((world.admitted("a", 100), world.admitted("b", 100)), (4, 0));
    world.table.reset(Some(&"all".into())).unwrap();
    assert_eq!(world.admitted("a", 100), 16);
    assert_eq!(world.table.view().each[0].count, 1);
    world.table.reset(Some(&"source".into())).unwrap();
    assert_eq!(world.table.view().each[0].count, 0);
    let unknown: Name = "c".into();
    let fault = LimitFault::UnknownClass { class: unknown.clone() };
    assert_eq!(world.table.reset(Some(&unknown)), Err(Rejection::Limits(Box::new(fault))));
}
