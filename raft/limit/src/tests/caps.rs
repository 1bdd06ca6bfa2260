//! Caps on calls that are up, and refusals that are remembered.

use holdline_model::limit::{Dimension, LimitConfig, Passage, Shortage, Verdict};
use holdline_model::{CallRecord, Epoch, Millis, Step, limits};

use super::{World, cap, class, config, is_admitted};

fn capped(by: Option<Dimension>, calls: u32) -> LimitConfig {
    LimitConfig { cap: vec![cap("up", by, calls)], ..LimitConfig::default() }
}

#[test]
fn a_cap_counts_calls_from_their_admission_to_their_end() {
    let mut world = World::new(&capped(None, 2));
    let calls: Vec<_> = (0..3).map(|_| world.invite(&["out"])).collect();
    assert!(is_admitted(&world.admit(calls[0].0, &calls[0].1)));
    assert!(is_admitted(&world.admit(calls[1].0, &calls[1].1)));
    let Verdict::Refused(refusal) = world.admit(calls[2].0, &calls[2].1) else {
        panic!("admitted")
    };
    assert_eq!((refusal.class.as_str(), refusal.shortage), ("up", Shortage::Calls));
    world.table.call_over(calls[0].0);
    world.table.call_over(calls[0].0);
    let (call, admit) = world.invite(&["out"]);
    assert!(is_admitted(&world.admit(call, &admit)), "one place, though it was over twice");
    let (call, admit) = world.invite(&["out"]);
    assert!(!is_admitted(&world.admit(call, &admit)));
}

#[test]
fn a_full_trunk_is_passed_over_for_the_next_target() {
    let mut world = World::new(&capped(Some(Dimension::TrunkOut), 1));
    let (first, admit) = world.invite(&["a", "b"]);
    assert_eq!(world.admit(first, &admit), Verdict::Admitted(Passage::default()));
    let (second, admit) = world.invite(&["a", "b"]);
    let passed = Passage { first: 1, ..Passage::default() };
    assert_eq!(world.admit(second, &admit), Verdict::Admitted(passed));
    let (third, admit) = world.invite(&["a", "b"]);
    assert!(!is_admitted(&world.admit(third, &admit)), "both are full");
}

#[test]
fn a_call_counts_where_it_goes_to() {
    let mut world = World::new(&capped(Some(Dimension::TrunkOut), 1));
    let (call, admit) = world.invite(&["a", "b"]);
    world.admit(call, &admit);
    let mut record = CallRecord::admitted(call, Step(1), Epoch(1), Millis(0), &admit);
    assert_eq!(world.table.attempt(&record, 1), None);
    record.attempt = 1;
    world.table.call_up(&record);
    let (other, admit) = world.invite(&["a", "b"]);
    assert!(is_admitted(&world.admit(other, &admit)), "a has room again");
    let record = CallRecord::admitted(other, Step(1), Epoch(1), Millis(0), &admit);
    let refusal = world.table.attempt(&record, 1).expect("b is full");
    assert_eq!(refusal.shortage, Shortage::Calls);
}

#[test]
fn a_new_cap_counts_the_calls_that_are_up_already() {
    let mut world = World::new(&LimitConfig::default());
    for _ in 0..3 {
        let (call, admit) = world.invite(&["out"]);
        world.admit(call, &admit);
    }
    world.table.set(1, &capped(Some(Dimension::Tenant), 3), Millis(0)).unwrap();
    assert_eq!(world.table.view().caps[0].fullest, [("acme".to_owned(), 3)]);
    let (call, admit) = world.invite(&["out"]);
    assert!(!is_admitted(&world.admit(call, &admit)));
}

#[test]
fn the_same_invite_is_refused_again_whoever_proposes_it() {
    let mut world = World::new(&config(vec![class("all", None, 1, 1)]));
    let (call, admit) = world.invite(&[]);
    world.admit(call, &admit);
    let (call, refused) = world.invite(&[]);
    let verdict = world.admit(call, &refused);
    assert!(!is_admitted(&verdict));
    world.pass(2_000);
    let (other, fresh) = world.invite(&[]);
    assert_eq!(world.admit(other, &refused), verdict, "although there are tokens by now");
    assert!(is_admitted(&world.admit(other, &fresh)));
    for _ in 0..limits::TOMBSTONE_MS / 1_000 {
        world.pass(1_000);
    }
    let (call, _) = world.invite(&[]);
    assert!(is_admitted(&world.admit(call, &refused)), "it is no retransmission any more");
}
