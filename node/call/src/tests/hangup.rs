use holdline_model::{Disposition, HangupBy, Token};

use super::driver::*;
use crate::{Event, Input, Refusal, Unconfirmed};

#[test]
fn the_callers_bye_is_confirmed_and_passed_on_after_its_commit() {
    let mut world = World::new();
    let (invite, ok) = world.up();
    world.pass(5_000);
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    let sent = world.sent();
    assert_eq!(sent[0].summary(), "200 BYE > caller");
    assert_eq!(sent[1].summary(), "BYE > target0");
    let bye = sent[1].message();
    assert_eq!(bye.cseq().number, 2);
    assert_eq!(bye.call_id(), invite.call_id());
    assert_eq!(bye.request_uri(), Some("sip:bob@198.51.100.1:5060"));
    let branch = Token::branch(world.call(), "yb");
    assert_eq!(bye.top_via().branch, Some(branch.as_str()));
    let cdr = world.cdr();
    assert_eq!((cdr.disposition, cdr.hangup_by), (Disposition::Answered, HangupBy::Caller));
    assert_eq!(cdr.duration_ms, 5_000);
}

#[test]
fn the_callees_bye_goes_to_the_caller_along_its_route() {
    let mut world = World::new();
    let (invite, _) = world.up();
    world.receive(target(0), request_from_callee("BYE", 7, &invite));
    let sent = world.sent();
    assert_eq!(sent[0].summary(), "200 BYE > target0");
    assert_eq!(sent[1].summary(), "BYE > caller");
    let bye = sent[1].message();
    assert_eq!(bye.cseq().number, 7, "it goes on with its number");
    assert_eq!(bye.call_id(), "call1@192.0.2.10");
    assert_eq!(bye.routes(), ["<sip:192.0.2.10;lr>"]);
    assert_eq!(world.cdr().hangup_by, HangupBy::Callee);
}

#[test]
fn our_bye_is_resent_until_answered() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let bye = world.the("BYE > target0");
    world.pass(1_500);
    assert_eq!(world.sent(), [bye.clone(), bye.clone()]);
    world.receive(target(0), response(&bye.message(), 200, ""));
    world.pass(20_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
}

#[test]
fn a_bye_that_is_never_answered_is_given_up_and_the_call_forgotten() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    world.pass(32_000);
    let what = Unconfirmed::Bye;
    assert!(world.events.contains(&Event::GaveUp { call: world.call(), what }));
    world.pass(1);
    assert_eq!(world.engine.tombstones(), 0);
    assert_eq!(world.engine.next_timer(), None);
}

#[test]
fn a_repeated_bye_gets_the_same_200() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let first = world.the("200 BYE > caller");
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.sent(), [first]);
}

#[test]
fn with_byes_from_both_sides_both_are_confirmed() {
    let mut world = World::new();
    let (invite, ok) = world.up();
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    world.receive(target(0), request_from_callee("BYE", 1, &invite));
    assert_eq!(world.held.len(), 1);
    world.commit_held();
    assert_eq!(world.summaries(), ["200 BYE > caller", "BYE > target0", "200 BYE > target0"]);
    assert_eq!(world.cdr().hangup_by, HangupBy::Caller);
}

#[test]
fn an_administrator_hangs_up_both_sides() {
    let mut world = World::new();
    world.up();
    let call = world.call();
    world.input(Input::HangUp { call });
    assert_eq!(world.summaries(), ["BYE > target0", "BYE > caller"]);
    let cdr = world.cdr();
    assert_eq!(cdr.hangup_by, HangupBy::Admin);
    assert!(cdr.cause.text.contains("administrator"));
}

#[test]
fn the_caller_gets_no_bye_before_its_ack() {
    let mut world = World::new();
    let (invite, ok) = world.answered();
    world.receive(target(0), request_from_callee("BYE", 1, &invite));
    assert_eq!(world.summaries(), ["200 BYE > target0"]);
    world.pass(500);
    assert_eq!(world.summaries(), ["200 INVITE > caller"], "the answer is still resent");
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    assert_eq!(world.summaries(), ["BYE > caller"]);
}

#[test]
fn the_caller_gets_its_bye_when_its_ack_is_given_up() {
    let mut world = World::new();
    let (invite, _) = world.answered();
    world.receive(target(0), request_from_callee("BYE", 1, &invite));
    world.pass(32_000);
    assert_eq!(world.summaries().last().map(String::as_str), Some("BYE > caller"));
}

#[test]
fn with_a_late_offer_the_callee_is_acknowledged_before_its_bye() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+1555", ""));
    let invite = world.the("INVITE > target0").message();
    world.receive(target(0), response(&invite, 200, SDP));
    world.sent();
    let call = world.call();
    world.input(Input::HangUp { call });
    assert_eq!(world.summaries(), ["ACK > target0", "BYE > target0"]);
}

#[test]
fn a_request_with_an_older_cseq_is_500() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("BYE", 0, &ok, ""));
    assert_eq!(world.summaries(), ["500 BYE > caller"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::OldCSeq }));
    assert!(world.state.cdrs.is_empty());
}

#[test]
fn what_is_not_supported_in_a_dialog_is_405_or_501_with_allow() {
    let mut world = World::new();
    let (_, ok) = world.up();
    for (cseq, method, status) in [(2, "PUBLISH", 405), (3, "REGISTER", 405), (4, "DANCE", 501)] {
        world.receive(caller(), request_from_caller(method, cseq, &ok, ""));
        let answer = world.the(&format!("{status} {method} > caller")).message();
        assert_eq!(values(&answer, "Allow"), [super::ALLOW]);
    }
}

#[test]
fn a_tombstone_is_forgotten_after_32_s() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let bye = world.the("BYE > target0").message();
    world.receive(target(0), response(&bye, 200, ""));
    world.pass(31_999);
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.summaries(), ["200 BYE > caller"]);
    world.pass(1);
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.summaries(), ["481 BYE > caller"]);
}
