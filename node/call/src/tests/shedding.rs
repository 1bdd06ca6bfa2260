//! Refusing new calls because the node is overloaded.

use std::time::Duration;

use super::driver::*;
use crate::refused::MAX_REFUSED;
use crate::{Event, Refusal};

const LATER: Duration = Duration::from_secs(7);

#[test]
fn a_new_call_is_503_with_retry_after_and_without_state() {
    let mut world = World::new();
    world.shed(caller(), invite("1"), LATER);
    let refusal = world.the("503 INVITE > caller").message();
    assert_eq!(values(&refusal, "Retry-After"), ["7"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::Overload }));
    assert_eq!((world.proposed, world.engine.live_calls()), (0, 0));
}

#[test]
fn a_repeated_invite_gets_the_same_answer_although_there_is_room_again() {
    let mut world = World::new();
    world.shed(caller(), invite("1"), LATER);
    let first = world.sent();
    assert!(!world.begins_call(caller(), invite("1")), "it was answered");
    world.receive(caller(), invite("1"));
    assert_eq!(world.sent(), first, "not admitted while its refusal is on the way");
    world.receive(caller(), invite("2"));
    world.the("INVITE > target0");
    world.pass(33_000);
    world.shed(caller(), invite("3"), LATER);
    world.sent();
    assert!(world.begins_call(caller(), invite("1")), "what is repeated no more is forgotten");
}

#[test]
fn a_repeated_invite_of_a_call_that_is_known_is_not_refused() {
    let mut world = World::new();
    world.decide = Decide::Withhold;
    world.receive(caller(), invite("1"));
    assert!(!world.begins_call(caller(), invite("1")));
    world.shed(caller(), invite("1"), LATER);
    assert_eq!(world.summaries(), Vec::<String>::new(), "its admission is on the way");
}

#[test]
fn what_belongs_to_calls_is_never_refused() {
    let mut world = World::new();
    let (_, ok) = world.up();
    let bye = request_from_caller("BYE", 2, &ok, "");
    assert!(!world.begins_call(caller(), bye.clone()));
    world.shed(caller(), bye, LATER);
    assert!(world.summaries().contains(&"200 BYE > caller".to_owned()));
    let mut world = World::new();
    world.inviting();
    world.shed(caller(), cancel("1"), LATER);
    assert!(world.summaries().contains(&"200 CANCEL > caller".to_owned()));
}

#[test]
fn an_unknown_source_uses_up_no_call_unless_it_brings_credentials() {
    let world = World::new();
    let stranger = "203.0.113.9:5060".parse().unwrap();
    assert!(!world.begins_call(stranger, invite("1")), "it is nobody's call");
    let with = invite("1").replace("X-Custom: ", "Proxy-Authorization: Digest x=y\r\nX-Custom: ");
    assert!(world.begins_call(stranger, with));
}

#[test]
fn refusals_are_remembered_within_bounds() {
    let mut world = World::new();
    for n in 0..MAX_REFUSED + 10 {
        world.shed(caller(), invite(&n.to_string()), LATER);
    }
    assert_eq!(world.engine.refused.len(), MAX_REFUSED);
    assert!(world.begins_call(caller(), invite("0")), "the oldest is forgotten");
    assert!(!world.begins_call(caller(), invite("11")));
}
