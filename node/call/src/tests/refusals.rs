use holdline_model::Hop;
use holdline_sip::message::Message;

use super::driver::*;
use crate::{DropReason, Event, Input, Refusal};

fn refused(world: &mut World, text: String, line: &str, reason: Refusal) -> Message {
    world.receive(caller(), text);
    let answer = world.the(line).message();
    assert!(world.events.contains(&Event::Refused { reason }));
    assert_eq!(world.proposed, 0, "no state");
    assert_eq!(world.engine.live_calls(), 0);
    answer
}

#[test]
fn an_unknown_source_is_403_without_state() {
    let mut world = World::new();
    let stranger = "203.0.113.9:5060".parse().unwrap();
    world.receive(stranger, invite("1"));
    assert_eq!(world.summaries(), ["403 INVITE > 203.0.113.9:5060"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::UnknownSource }));
    assert_eq!((world.proposed, world.engine.live_calls()), (0, 0));
}

#[test]
fn used_up_max_forwards_is_483() {
    let mut world = World::new();
    let text = invite("1").replace("Max-Forwards: 70", "Max-Forwards: 0");
    refused(&mut world, text, "483 INVITE > caller", Refusal::TooManyHops);
}

#[test]
fn a_required_extension_that_we_lack_is_420_and_named() {
    let mut world = World::new();
    let text = invite("1").replace("Supported: ", "Require: histinfo, eventlist, ");
    let answer = refused(&mut world, text, "420 INVITE > caller", Refusal::BadExtension);
    assert_eq!(values(&answer, "Unsupported"), ["eventlist"]);
}

#[test]
fn an_invite_without_contact_is_400() {
    let mut world = World::new();
    let text = invite("1").replace("Contact: ", "X-Contact: ");
    refused(&mut world, text, "400 INVITE > caller", Refusal::BadRequest);
}

#[test]
fn other_methods_outside_of_a_call_are_405_501_or_481() {
    for (method, status, reason) in [
        ("REGISTER", 405, Refusal::Method),
        ("SUBSCRIBE", 405, Refusal::Method),
        ("DANCE", 501, Refusal::Method),
        ("BYE", 481, Refusal::NoDialog),
    ] {
        let mut world = World::new();
        let text = invite("1").replace("INVITE", method);
        refused(&mut world, text, &format!("{status} {method} > caller"), reason);
    }
}

#[test]
fn options_tell_what_we_can_do_but_only_those_we_know() {
    let mut world = World::new();
    let text = invite("1").replace("INVITE", "OPTIONS");
    world.receive(caller(), text.clone());
    let answer = world.the("200 OPTIONS > caller").message();
    assert_eq!(values(&answer, "Allow"), [super::ALLOW]);
    assert_eq!(values(&answer, "Accept"), ["application/sdp"]);
    world.receive("203.0.113.9:5060".parse().unwrap(), text);
    assert_eq!(world.summaries(), ["403 OPTIONS > 203.0.113.9:5060"]);
}

#[test]
fn the_same_invite_by_another_path_is_482() {
    let mut world = World::new();
    world.inviting();
    world.receive(caller(), invite("1").replace("z9hG4bKcaller1", "z9hG4bKother"));
    assert_eq!(world.summaries(), ["482 INVITE > caller"]);
}

#[test]
fn an_unknown_dialog_is_481_and_its_ack_is_dropped() {
    let mut world = World::new();
    let (_, ok) = world.up();
    let wrong = |method: &str| request_from_caller(method, 2, &ok, "").replace("call1@", "callX@");
    world.receive(caller(), wrong("BYE"));
    assert_eq!(world.summaries(), ["481 BYE > caller"]);
    world.receive(caller(), wrong("ACK"));
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::StrayAck }));
    let foreign = request_from_caller("BYE", 2, &ok, "").replace(";tag=from1", ";tag=nobody");
    world.receive(caller(), foreign);
    assert_eq!(world.summaries(), ["481 BYE > caller"]);
}

#[test]
fn the_ack_of_a_stateless_refusal_is_swallowed() {
    let mut world = World::new();
    let text = invite("1").replace("Max-Forwards: 70", "Max-Forwards: 0");
    world.receive(caller(), text);
    let refusal = world.the("483 INVITE > caller").message();
    world.events.clear();
    world.receive(caller(), request_from_caller("ACK", 1, &refusal, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert_eq!(world.events, [Event::Request { method: "ACK" }]);
}

#[test]
fn an_answer_that_matches_nothing_is_dropped_and_counted() {
    let mut world = World::new();
    let invite = world.inviting();
    let stray = Event::Dropped { reason: DropReason::StrayResponse };
    let ok = String::from_utf8(response(&invite, 200, SDP).to_vec()).unwrap();
    let branch = invite.top_via().branch.unwrap();
    let other_call = branch.replace("z9hG4bKhl0000", "z9hG4bKhl0001");
    for text in [
        ok.replace(".i0", ".i7"),
        ok.replace(branch, "z9hG4bKnotOurs"),
        ok.replace(branch, &other_call),
        ok.replace("1 INVITE", "1 BYE"),
    ] {
        assert_ne!(text, ok);
        world.events.clear();
        world.receive(target(0), text);
        assert_eq!(world.summaries(), Vec::<String>::new());
        assert!(world.events.contains(&stray));
    }
    assert_eq!(world.record().phase, holdline_model::Phase::Inviting);
}

#[test]
fn a_malformed_request_is_answered_where_that_can_be_done() {
    let mut world = World::new();
    let parse = |text: String| Message::parse(text.into_bytes().into()).unwrap_err();
    let hop = Hop::udp(switch(), caller());
    let error = parse(invite("1").replace("Max-Forwards: 70", "Max-Forwards: many"));
    world.input(Input::Malformed { hop, error });
    assert_eq!(world.summaries(), ["400 INVITE > caller"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::Malformed }));
    let error = parse("noise".to_owned());
    world.input(Input::Malformed { hop, error });
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::Unanswerable }));
}

#[test]
fn answers_go_to_the_port_in_the_via_unless_rport_is_asked_for() {
    let mut world = World::new();
    let nat = "192.0.2.10:9999".parse().unwrap();
    world.receive(nat, invite("1"));
    assert_eq!(world.sent()[0].summary(), "100 INVITE > caller");
    world.receive(nat, invite("2").replace(";branch", ";rport;branch"));
    let trying = world.sent()[0].clone();
    assert_eq!(trying.to, nat);
    assert!(values(&trying.message(), "Via")[0].ends_with(";received=192.0.2.10;rport=9999"));
}
