//! Calls that the replicated limits refuse, hold back, mark, or keep from a full trunk. The driver decides
//! with the real `apply`, so these are the engine and the limits together.

use holdline_limit::LimitTable;
use holdline_model::limit::{
    Action, Borrow, CapConfig, ClassConfig, Dimension, LimitConfig, Match, Rate, Shortage, Tokens,
};
use holdline_model::{HangupBy, Phase};

use super::driver::*;
use crate::{Event, Refusal};

/// One class: a call a second, one at once.
fn class() -> ClassConfig {
    ClassConfig {
        name: "all".into(),
        parent: None,
        matches: Match::default(),
        assured: Rate::per_second(1),
        burst: Tokens::ONE,
        ceiling: None,
        ceiling_burst: None,
        debt: Tokens(0),
        borrow: Borrow::Parent,
        priority: 0,
        weight: 1,
        action: Action::Drop,
        status: None,
        max_wait_ms: 0,
        mark: None,
    }
}

fn cap(by: Dimension, calls: u32) -> CapConfig {
    let name = "lines".into();
    CapConfig { name, matches: Match::default(), by: Some(by), calls, status: None }
}

fn limited(config: &LimitConfig) -> World {
    let mut world = World::new();
    world.state.limits.set(0, config, START).unwrap();
    world
}

fn by_class(class: ClassConfig) -> World {
    limited(&LimitConfig { class: vec![class], ..LimitConfig::default() })
}

/// A world in which the one token is gone.
fn spent(class: ClassConfig) -> World {
    let mut world = by_class(class);
    world.receive(caller(), invite("first"));
    world.the("INVITE > target0");
    world
}

fn calls_up(table: &LimitTable) -> u64 {
    table.view().calls_up
}

#[test]
fn a_call_beyond_the_rate_is_refused_with_retry_after_and_leaves_no_record() {
    for (status, text) in [(None, "503 INVITE > caller"), (Some(429), "429 INVITE > caller")] {
        let mut world = spent(ClassConfig { status, ..class() });
        world.receive(caller(), invite("1"));
        let refusal = world.the(text).message();
        assert_eq!(values(&refusal, "Retry-After"), ["1"]);
        assert_eq!((world.state.calls.len(), world.state.cdrs.len()), (1, 0));
        assert_eq!(world.engine.live_calls(), 1, "nothing is kept of it");
        let event = Event::Limited {
            class: "all".into(),
            shortage: Shortage::Tokens,
            status: status.unwrap_or(503),
        };
        assert!(world.events.contains(&event), "{:?}", world.events);
        assert!(world.events.contains(&Event::Refused { reason: Refusal::Limited }));
    }
}

#[test]
fn nothing_is_said_before_the_refusal_is_committed() {
    let mut world = spent(class());
    world.decide = Decide::Withhold;
    world.receive(caller(), invite("1"));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    world.the("503 INVITE > caller");
}

#[test]
fn a_refused_invite_that_is_repeated_is_refused_again_although_there_are_tokens() {
    let mut world = spent(class());
    world.receive(caller(), invite("1"));
    let first = world.the("503 INVITE > caller");
    world.pass(3_000);
    world.sent();
    world.receive(caller(), invite("1"));
    assert_eq!(world.the("503 INVITE > caller"), first, "by this owner");
    world.take_over();
    world.sent();
    world.receive(caller(), invite("1"));
    assert_eq!(world.the("503 INVITE > caller"), first, "and by the next");
    world.receive(caller(), invite("2"));
    world.the("INVITE > target0");
}

#[test]
fn the_ack_of_a_refusal_is_taken_in_silence() {
    let mut world = spent(class());
    world.receive(caller(), invite("1"));
    let refusal = world.the("503 INVITE > caller").message();
    let ack = request_from_caller("ACK", 1, &refusal, "");
    world.receive(caller(), ack);
    assert_eq!(world.summaries(), Vec::<String>::new());
}

#[test]
fn an_emergency_call_passes_empty_buckets_and_full_caps() {
    let config = LimitConfig {
        class: vec![class()],
        cap: vec![cap(Dimension::Trunk, 1)],
        emergency: vec!["+1112".into()],
        ..LimitConfig::default()
    };
    let mut world = limited(&config);
    world.receive(caller(), invite("first"));
    world.the("INVITE > target0");
    world.receive(caller(), invite("1"));
    world.the("503 INVITE > caller");
    for n in 0..5 {
        world.receive(caller(), invite_to(&format!("e{n}"), "+1112", SDP));
        world.the("INVITE > target0");
    }
}

fn delaying() -> ClassConfig {
    ClassConfig { action: Action::Delay, max_wait_ms: 2_500, ..class() }
}

#[test]
fn shaped_calls_hear_100_and_go_on_evenly_when_there_are_tokens() {
    let mut world = by_class(delaying());
    // What rings is repeated no more.
    let ring = |world: &mut World| {
        let invite = world.the("INVITE > target0").message();
        world.receive(target(0), response(&invite, 180, ""));
        world.sent();
    };
    world.receive(caller(), invite("first"));
    ring(&mut world);
    for id in ["1", "2"] {
        world.receive(caller(), invite(id));
        assert_eq!(world.summaries(), ["100 INVITE > caller"], "{id}");
    }
    for _ in 0..2 {
        world.pass(990);
        assert_eq!(world.summaries(), Vec::<String>::new(), "at {}", world.now);
        world.pass(10);
        ring(&mut world);
    }
}

#[test]
fn a_call_that_would_be_held_for_too_long_is_refused() {
    let mut world = spent(delaying());
    for n in 1..=2 {
        world.receive(caller(), invite(&n.to_string()));
        assert_eq!(world.summaries(), ["100 INVITE > caller"]);
    }
    world.receive(caller(), invite("3"));
    let refusal = world.the("503 INVITE > caller").message();
    assert_eq!(values(&refusal, "Retry-After"), ["1"]);
}

#[test]
fn the_next_owner_goes_on_waiting_for_a_held_call() {
    let mut world = spent(delaying());
    world.receive(caller(), invite("1"));
    world.sent();
    world.pass(400);
    world.take_over();
    let ours = |world: &mut World| {
        let sent = world.sent();
        sent.iter().filter(|sent| sent.summary() == "INVITE > target0").count()
    };
    let resent = ours(&mut world);
    assert!(resent <= 1, "the first call's at most");
    // The first call is at its target since long; only the held one is new there.
    world.pass(590);
    let ids = |sent: Vec<Sent>| -> std::collections::BTreeSet<String> {
        let invites = sent.iter().filter(|sent| sent.summary() == "INVITE > target0");
        invites.map(|sent| sent.message().call_id().to_owned()).collect()
    };
    let before = ids(world.sent());
    assert!(before.len() <= 1, "{before:?}");
    world.pass(30);
    world.pass(600);
    assert_eq!(ids(world.sent()).union(&before).count(), 2, "both are at the target now");
}

#[test]
fn a_held_call_that_is_cancelled_is_never_heard_of_by_its_target() {
    let mut world = spent(delaying());
    world.receive(caller(), invite("1"));
    world.sent();
    world.receive(caller(), cancel("1"));
    let said = world.summaries();
    assert!(said.contains(&"200 CANCEL > caller".to_owned()), "{said:?}");
    assert!(said.contains(&"487 INVITE > caller".to_owned()), "{said:?}");
    world.pass(5_000);
    let sent = world.sent();
    let ids: std::collections::BTreeSet<String> = sent
        .iter()
        .filter(|sent| sent.to == target(0))
        .map(|sent| sent.message().call_id().to_owned())
        .collect();
    assert!(ids.len() <= 1, "the first call's alone: {ids:?}");
}

#[test]
fn a_marked_call_bears_the_header_field_after_a_takeover_too() {
    let mark = Some("X-Load: over".into());
    let mut world = spent(ClassConfig { action: Action::Mark, mark, ..class() });
    world.receive(caller(), invite("1"));
    let sent = world.the("INVITE > target0").message();
    assert_eq!(values(&sent, "X-Load"), ["over"]);
    assert!(world.events.iter().any(|event| matches!(event, Event::Marked { .. })));
    world.take_over();
    world.pass(2_000);
    let resent = world.sent();
    let same = |message: &holdline_sip::message::Message| message.call_id() == sent.call_id();
    let again: Vec<_> = resent.iter().map(Sent::message).filter(same).collect();
    assert!(!again.is_empty(), "it is sent again");
    assert!(again.iter().all(|message| values(message, "X-Load") == ["over"]));
}

#[test]
fn a_cap_is_released_by_the_end_of_the_call_and_never_below_nothing() {
    let mut world =
        limited(&LimitConfig { cap: vec![cap(Dimension::Trunk, 1)], ..LimitConfig::default() });
    let (_, ok) = world.up();
    assert_eq!(calls_up(&world.state.limits), 1);
    world.receive(caller(), invite("2"));
    world.the("503 INVITE > caller");
    let bye = request_from_caller("BYE", 2, &ok, "");
    world.receive(caller(), bye.clone());
    world.receive(caller(), bye);
    assert_eq!(calls_up(&world.state.limits), 0);
    world.sent();
    world.receive(caller(), invite("3"));
    world.the("INVITE > target0");
}

#[test]
fn a_cap_is_exact_after_a_takeover() {
    let mut world =
        limited(&LimitConfig { cap: vec![cap(Dimension::Trunk, 1)], ..LimitConfig::default() });
    let (_, ok) = world.up();
    world.take_over();
    world.sent();
    assert_eq!(calls_up(&world.state.limits), 1);
    world.receive(caller(), invite("2"));
    world.the("503 INVITE > caller");
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(calls_up(&world.state.limits), 0);
}

#[test]
fn a_full_trunk_is_passed_over_in_hunting() {
    let mut world = limited(&LimitConfig {
        cap: vec![CapConfig {
            matches: Match { trunk_out: vec!["carrier-a".into()], ..Match::default() },
            ..cap(Dimension::TrunkOut, 1)
        }],
        ..LimitConfig::default()
    });
    world.receive(caller(), invite("1"));
    world.the("INVITE > target0");
    world.receive(caller(), invite_to("2", "+4969", SDP));
    let sent = world.the("INVITE > target1").message();
    // Its only other target is full: the call has failed.
    world.receive(target(1), response(&sent, 503, ""));
    let said = world.summaries();
    assert!(
        said.iter().any(|said| said.ends_with("INVITE > caller") && said.starts_with("503")),
        "{said:?}"
    );
    let failed = world.state.calls.values().find(|call| call.phase == Phase::Finished).unwrap();
    assert_eq!(failed.end.as_ref().unwrap().by, HangupBy::Callee);
    assert_eq!(calls_up(&world.state.limits), 1);
}

#[test]
fn a_target_that_became_full_meanwhile_fails_the_call_with_its_cdr() {
    let mut world = limited(&LimitConfig {
        cap: vec![CapConfig {
            matches: Match { trunk_out: vec!["carrier-b".into()], ..Match::default() },
            ..cap(Dimension::TrunkOut, 0)
        }],
        ..LimitConfig::default()
    });
    world.receive(caller(), invite_to("1", "+4969", SDP));
    let sent = world.the("INVITE > target0").message();
    world.receive(target(0), response(&sent, 503, ""));
    let said = world.summaries();
    assert!(said.contains(&"503 INVITE > caller".to_owned()), "{said:?}");
    let cdr = world.cdr();
    assert_eq!((cdr.hangup_by, cdr.cause.status), (HangupBy::Switch, 503));
    assert_eq!(calls_up(&world.state.limits), 0);
}
