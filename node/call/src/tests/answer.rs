use holdline_model::{Disposition, HangupBy, Phase, Token};

use super::driver::*;
use crate::{Event, Unconfirmed};

#[test]
fn a_2xx_is_relayed_and_acknowledged_after_its_commit() {
    let mut world = World::new();
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.held.len(), 1, "a repeated 2xx proposes nothing more");
    world.commit_held();
    assert_eq!(world.summaries(), ["200 INVITE > caller", "ACK > target0"]);
    assert_eq!(world.record().phase, Phase::Answered);
}

#[test]
fn the_200_is_resent_until_its_ack() {
    let mut world = World::new();
    let (_, ok) = world.answered();
    world.pass(1_500);
    assert_eq!(world.summaries(), ["200 INVITE > caller", "200 INVITE > caller"]);
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.pass(20_000);
    assert_eq!(world.summaries(), Vec::<String>::new(), "stopped before the commit already");
    world.commit_held();
    assert_eq!(world.record().phase, Phase::Confirmed);
    assert!(world.record().invite.is_empty());
}

#[test]
fn every_repeated_2xx_is_acknowledged_again_with_the_same_ack() {
    let mut world = World::new();
    let invite = world.ringing();
    world.receive(target(0), response(&invite, 200, SDP));
    let sent = world.sent();
    let ack = sent[1].clone();
    assert_eq!(ack.summary(), "ACK > target0");
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.sent(), std::slice::from_ref(&ack));
    world.receive(caller(), request_from_caller("ACK", 1, &sent[0].message(), ""));
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.sent(), [ack]);
}

#[test]
fn with_a_late_offer_the_callee_is_acknowledged_with_the_callers_sdp() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+1555", ""));
    let invite = world.the("INVITE > target0").message();
    world.receive(target(0), response(&invite, 200, SDP));
    let ok = world.the("200 INVITE > caller").message();
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new(), "no ACK without the caller's SDP");
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("ACK", 1, &ok, "v=0 answer"));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    let ack = world.the("ACK > target0");
    assert_eq!(ack.message().body(), b"v=0 answer");
    assert_eq!(values(&ack.message(), "Content-Type"), ["application/sdp"]);
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.sent(), [ack]);
}

#[test]
fn without_an_ack_both_sides_get_a_bye_after_64_t1() {
    let mut world = World::new();
    world.answered();
    world.pass(31_999);
    assert!(world.summaries().iter().all(|line| line == "200 INVITE > caller"));
    world.pass(1);
    assert_eq!(world.summaries(), ["BYE > target0", "BYE > caller"]);
    let cdr = world.cdr();
    assert_eq!(cdr.disposition, Disposition::Answered);
    assert_eq!(cdr.hangup_by, HangupBy::Timer);
    let what = Unconfirmed::Answer;
    assert!(world.events.contains(&Event::GaveUp { call: world.call(), what }));
}

#[test]
fn another_forks_2xx_is_hung_up_and_then_acknowledged() {
    let mut world = World::new();
    let (invite, _) = world.up();
    let other = response_tagged(&invite, 200, SDP, "other");
    world.receive(target(0), other.clone());
    let bye = world.the("BYE > target0").message();
    assert_eq!(bye.to().tag, Some("other"));
    world.receive(target(0), other.clone());
    assert_eq!(world.summaries(), Vec::<String>::new(), "its 2xx is all the next owner has");
    world.receive(target(0), response(&bye, 200, ""));
    let ack = world.the("ACK > target0");
    assert_eq!(ack.message().to().tag, Some("other"));
    world.receive(target(0), other);
    assert_eq!(world.sent(), [ack]);
    world.pass(60_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert_eq!(world.record().phase, Phase::Confirmed, "the call goes on");
}

#[test]
fn both_dialogs_are_recorded_as_rfc_3261_section_12_says() {
    let mut world = World::new();
    let (invite, ok) = world.up();
    let record = world.record();
    let answer = record.answer.as_ref().unwrap();
    let call = record.call;
    assert_eq!(answer.caller.call_id, "call1@192.0.2.10");
    assert_eq!(answer.caller.route_set, ["<sip:192.0.2.10;lr>"]);
    assert_eq!(answer.caller.remote_target, "sip:alice@192.0.2.10:5060");
    assert_eq!((answer.caller.local_cseq, answer.caller.remote_cseq), (0, 1));
    assert_eq!(answer.callee.call_id, Token::callee_call_id(call));
    assert_eq!(answer.callee.local_cseq, 1);
    assert_eq!(answer.callee.remote_target, "sip:bob@198.51.100.1:5060");
    assert_eq!(invite.from().tag, Some(Token::callee_tag(call).as_str()));
    assert_eq!(ok.to().tag, Some(Token::caller_tag(call).as_str()));
    assert_eq!(values(&ok, "Record-Route"), ["<sip:192.0.2.10;lr>"]);
    assert_eq!(values(&ok, "X-Callee"), ["kept"]);
}

#[test]
fn the_maximum_duration_ends_the_call_from_both_sides() {
    let mut world = World::with(|options| {
        options.max_call_duration = Some(std::time::Duration::from_secs(60));
    });
    world.up();
    world.pass(59_999);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.decide = Decide::Withhold;
    world.pass(5);
    assert_eq!(world.summaries(), Vec::<String>::new(), "a timer acts once it is committed");
    assert_eq!(world.held.len(), 1);
    world.commit_held();
    assert_eq!(world.summaries(), ["BYE > target0", "BYE > caller"]);
    assert_eq!(world.cdr().hangup_by, HangupBy::Timer);
    assert_eq!(world.cdr().cause.status, 200);
}
