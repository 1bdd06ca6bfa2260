//! What may be lost is committed later, with that of other calls, or not at all.

use std::time::Duration;

use holdline_model::Phase;

use super::driver::*;

const EVERY: u64 = 250;

fn world() -> World {
    World::with(|options| options.note_every = Duration::from_millis(EVERY))
}

#[test]
fn ringing_is_committed_after_one_to_two_intervals() {
    let mut world = world();
    world.ringing();
    world.pass(EVERY);
    assert!(world.record().early.is_empty());
    world.pass(EVERY);
    assert_eq!(world.record().early.first().map(|early| early.status), Some(180));
}

#[test]
fn a_call_that_is_answered_at_once_needs_no_entry_for_its_ringing() {
    let mut world = world();
    world.up();
    assert_eq!(world.proposed, 2, "admit, answer");
    assert_eq!(world.record().phase, Phase::Answered);
    world.pass(2 * EVERY);
    assert_eq!((world.proposed, world.record().phase), (3, Phase::Confirmed));
}

#[test]
fn a_call_that_ends_at_once_needs_no_entry_for_its_ack() {
    let mut world = world();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.summaries(), ["200 BYE > caller", "BYE > target0"]);
    world.pass(4 * EVERY);
    assert_eq!(world.proposed, 3, "admit, answer, end");
}

#[test]
fn an_acknowledged_answer_is_not_repeated_while_its_note_waits() {
    let mut world = world();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.receive(caller(), invite("1"));
    world.pass(2 * EVERY);
    assert_eq!(world.summaries(), Vec::<String>::new());
}

#[test]
fn the_next_owner_repeats_the_answer_of_a_call_whose_ack_was_not_noted() {
    let mut world = world();
    let (_, ok) = world.up();
    world.take_over();
    world.pass(100);
    let repeated = world.summaries();
    assert!(repeated.iter().any(|sent| sent == "200 INVITE > caller"), "{repeated:?}");
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.pass(2 * EVERY);
    assert_eq!(world.record().phase, Phase::Confirmed);
}

#[test]
fn a_change_of_the_session_does_not_make_it_forget_what_it_has_to_note() {
    let mut world = world();
    let (_, ok) = world.up();
    world.pass(EVERY);
    world.receive(caller(), request_from_caller("UPDATE", 2, &ok, SDP));
    let passed = world.the("UPDATE > target0").message();
    world.receive(target(0), response(&passed, 200, SDP));
    world.the("200 UPDATE > caller");
    world.pass(EVERY);
    assert_eq!(
        world.record().phase,
        Phase::Confirmed,
        "that the caller has acknowledged the answer"
    );
}

#[test]
fn both_acknowledgements_are_noted_at_the_same_moment() {
    let mut world = world();
    let (ok, passed) = reinviting(&mut world);
    world.receive(target(0), response(&passed, 200, SDP));
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.sent();
    world.pass(2 * EVERY);
    let record = world.record();
    let reinvite = record.session.as_ref().and_then(|session| session.reinvite.as_ref());
    assert!(record.phase == Phase::Confirmed && reinvite.unwrap().acked, "{record:?}");
}

#[test]
fn the_next_owner_does_not_acknowledge_again_what_is_noted() {
    let mut world = world();
    let (ok, passed) = reinviting(&mut world);
    world.receive(target(0), response(&passed, 200, SDP));
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.pass(EVERY);
    world.receive(caller(), request_from_caller("UPDATE", 3, &ok, SDP));
    let update = world.the("UPDATE > target0").message();
    world.receive(target(0), response(&update, 200, SDP));
    world.pass(EVERY);
    world.sent();
    world.take_over();
    world.pass(1_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
}

#[test]
fn the_answer_to_a_reinvite_is_not_repeated_once_its_sender_has_hung_up() {
    let mut world = world();
    let (ok, passed) = reinviting(&mut world);
    world.receive(target(0), response(&passed, 200, SDP));
    world.take_over();
    world.pass(100);
    world.sent();
    world.receive(caller(), request_from_caller("BYE", 3, &ok, ""));
    assert_eq!(world.summaries(), ["200 BYE > caller", "BYE > target0"]);
    world.receive(target(0), response(&passed, 200, SDP));
    world.sent();
    world.pass(2_000);
    let sent = world.summaries();
    assert!(!sent.iter().any(|sent| sent.ends_with("INVITE > caller")), "{sent:?}");
}

#[test]
fn a_reinvite_says_that_its_sender_has_the_answer_to_the_invite() {
    let mut world = world();
    let (_, ok) = world.up();
    world.take_over();
    world.pass(100);
    assert!(world.summaries().contains(&"200 INVITE > caller".to_owned()));
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, SDP));
    let passed = world.the("INVITE > target0").message();
    world.pass(1_000);
    let sent = world.summaries();
    assert!(!sent.contains(&"200 INVITE > caller".to_owned()), "{sent:?}");
    world.receive(target(0), response(&passed, 200, SDP));
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.pass(2 * EVERY);
    assert_eq!(world.record().phase, Phase::Confirmed);
}
