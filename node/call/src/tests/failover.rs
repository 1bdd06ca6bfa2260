use holdline_model::{Disposition, HangupBy};

use super::driver::*;
use crate::Event;

/// A call to +49, which has two targets.
fn inviting(world: &mut World) -> holdline_sip::message::Message {
    world.receive(caller(), invite_to("1", "+49", SDP));
    world.the("INVITE > target0").message()
}

#[test]
fn a_503_is_acknowledged_and_the_next_target_tried_after_the_commit() {
    let mut world = World::new();
    let first = inviting(&mut world);
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&first, 503, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    let sent = world.sent();
    assert_eq!(sent[0].summary(), "ACK > target0");
    assert_eq!(sent[1].summary(), "INVITE > target1");
    let second = sent[1].message();
    assert_eq!(second.cseq().number, 2);
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!(second.from().tag, first.from().tag);
    assert_ne!(second.top_via().branch, first.top_via().branch);
    assert!(world.events.iter().any(|event| matches!(event, Event::Attempted { .. })));
    world.receive(target(0), response(&first, 503, ""));
    assert_eq!(world.sent(), [sent[0].clone()], "a repeated 503 gets its ACK again");
}

#[test]
fn a_silent_target_is_given_up_for_the_next_after_64_t1() {
    let mut world = World::new();
    inviting(&mut world);
    world.pass(31_999);
    assert!(world.summaries().iter().all(|line| line == "INVITE > target0"));
    world.pass(1);
    assert_eq!(world.summaries(), ["INVITE > target1"]);
}

#[test]
fn a_silent_target_is_given_up_sooner_if_so_configured() {
    let mut world = World::with(|options| {
        options.target_timeout = std::time::Duration::from_secs(3);
    });
    let first = inviting(&mut world);
    world.pass(3_000);
    assert_eq!(world.summaries().last().map(String::as_str), Some("INVITE > target1"));
    // It rings after all: it is told to stop, and if it answers, it is hung up.
    world.receive(target(0), response(&first, 180, ""));
    assert_eq!(world.summaries(), ["CANCEL > target0"]);
    world.receive(target(0), response(&first, 200, SDP));
    let bye = world.the("BYE > target0").message();
    world.receive(target(0), response(&bye, 200, ""));
    assert_eq!(world.summaries(), ["ACK > target0"]);
}

#[test]
fn a_target_that_rings_while_it_is_given_up_is_told_to_stop() {
    let mut world = World::with(|options| {
        options.target_timeout = std::time::Duration::from_secs(3);
    });
    let first = inviting(&mut world);
    world.decide = Decide::Withhold;
    world.pass(3_000);
    world.sent();
    world.receive(target(0), response(&first, 100, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    assert_eq!(world.summaries(), ["CANCEL > target0", "INVITE > target1"]);
}

#[test]
fn when_no_target_is_left_the_last_failure_is_relayed() {
    let mut world = World::new();
    let first = inviting(&mut world);
    world.receive(target(0), response(&first, 503, ""));
    let second = world.the("INVITE > target1").message();
    world.receive(target(1), response(&second, 503, ""));
    let sent = world.sent();
    assert_eq!(sent[0].summary(), "ACK > target1");
    assert_eq!(sent[1].summary(), "503 INVITE > caller");
    assert_eq!(values(&sent[1].message(), "X-Callee"), ["kept"]);
    assert_eq!(world.cdr().trunk_out.as_deref(), Some("carrier-b"));
}

#[test]
fn when_no_target_answers_the_caller_gets_408() {
    let mut world = World::new();
    world.inviting();
    world.pass(32_000);
    assert_eq!(world.summaries().last().map(String::as_str), Some("408 INVITE > caller"));
    assert_eq!(world.cdr().hangup_by, HangupBy::Timer);
}

#[test]
fn a_6xx_or_another_failure_ends_the_search() {
    for (status, disposition) in [
        (603, Disposition::Busy),
        (486, Disposition::Busy),
        (600, Disposition::Busy),
        (480, Disposition::NoAnswer),
        (404, Disposition::Failed),
        (487, Disposition::Failed),
    ] {
        let mut world = World::new();
        let first = inviting(&mut world);
        world.receive(target(0), response(&first, status, ""));
        let failure = format!("{status} INVITE > caller");
        assert_eq!(world.summaries(), ["ACK > target0", failure.as_str()]);
        assert_eq!(world.cdr().disposition, disposition, "{status}");
        assert_eq!(world.cdr().cause.status, status);
        assert_eq!(world.cdr().hangup_by, HangupBy::Callee);
    }
}

#[test]
fn a_failure_is_resent_until_its_ack() {
    let mut world = World::new();
    let first = world.inviting();
    world.receive(target(0), response(&first, 486, ""));
    let busy = world.the("486 INVITE > caller");
    world.pass(1_500);
    assert_eq!(world.sent(), [busy.clone(), busy.clone()]);
    world.receive(caller(), invite("1"));
    assert_eq!(world.sent(), std::slice::from_ref(&busy), "a repeated INVITE gets it, too");
    let ack = request_from_caller("ACK", 1, &busy.message(), "");
    world.receive(caller(), ack);
    world.pass(20_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
}

#[test]
fn after_giving_up_no_further_target_is_tried() {
    let mut world = World::new();
    let first = inviting(&mut world);
    world.receive(target(0), response(&first, 180, ""));
    world.receive(caller(), cancel_to_49());
    world.sent();
    world.receive(target(0), response(&first, 503, ""));
    assert_eq!(world.summaries(), ["ACK > target0", "487 INVITE > caller"]);
}

fn cancel_to_49() -> String {
    cancel("1").replace("+1555", "+49")
}
