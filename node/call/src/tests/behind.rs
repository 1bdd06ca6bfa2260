//! Calls to users who are nowhere, and credentials that prove nothing, as far as this node knows: it catches
//! up first.

use holdline_model::{Command, Epoch, Millis, PutUser, UserRecord};
use holdline_sip::digest::ha1;
use holdline_sip::message::{HeaderName, Message};

use super::registrar_world::{DOMAIN, Decide, Device, SLOT, START, World, aor};
use crate::behind::MAX_WAITING;
use crate::{Authentication, DropReason, Event, Input, Refusal};

const TRUNK: &str = "198.51.100.1:5060";

fn request(method: &str, to: &str, id: &str) -> String {
    format!(
        "{method} sip:{to}@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{id}\r\n\
         From: <sip:1@c>;tag=1\r\nTo: <sip:{to}@example.com>\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:1@198.51.100.1>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A world whose nodes have not applied the newest entries.
fn behind() -> World {
    let mut world = World::new();
    world.decide = Decide::Hold;
    world
}

fn call(world: &mut World, to: &str, id: &str) -> Vec<Message> {
    world.receive_at(0, TRUNK, &request("INVITE", to, id))
}

fn caught_up(world: &mut World, is_current: bool) -> Vec<Message> {
    world.sent.clear();
    world.catch_up(is_current);
    std::mem::take(&mut world.sent).into_iter().map(|(_, message)| message).collect()
}

#[test]
fn a_call_right_after_a_register_elsewhere_waits_for_it() {
    let mut world = behind();
    assert!(call(&mut world, "alice", "c1").is_empty(), "she is nowhere, as far as is known");
    let mut device = Device::new();
    let challenge = world.answer(&device.register());
    device.challenged(&challenge);
    let register = device.register();
    assert!(world.receive(&register).is_empty());
    world.decide_held(0);
    let sent = caught_up(&mut world, true);
    let statuses: Vec<Option<u16>> = sent.iter().map(Message::status).collect();
    assert_eq!(statuses, [Some(100), None], "it is admitted");
    assert_eq!(sent[1].request_uri(), Some("sip:alice@203.0.113.5:5062"));
    assert_eq!(world.nodes[0].behind.len(), 0);
}

#[test]
fn what_is_current_is_answered_with() {
    let mut world = behind();
    assert!(call(&mut world, "bob", "c1").is_empty());
    assert!(call(&mut world, "nobody", "c2").is_empty());
    let sent = caught_up(&mut world, true);
    let statuses: Vec<Option<u16>> = sent.iter().map(Message::status).collect();
    assert_eq!(statuses, [Some(480), Some(404)]);
}

#[test]
fn repetitions_and_a_cancel_are_passed_over_meanwhile() {
    let mut world = behind();
    assert!(call(&mut world, "bob", "c1").is_empty());
    assert!(call(&mut world, "bob", "c1").is_empty());
    assert!(world.receive_at(0, TRUNK, &request("CANCEL", "bob", "c1")).is_empty());
    let waits = |event: &&Event| **event == Event::Dropped { reason: DropReason::Waiting };
    assert_eq!(world.events.iter().filter(waits).count(), 2);
    assert_eq!(world.behind.len(), 1, "it is asked once");
    let stranger = world.receive_at(0, TRUNK, &request("CANCEL", "bob", "c2"));
    assert_eq!(stranger[0].status(), Some(481));
}

#[test]
fn without_a_majority_nobody_is_said_to_be_absent() {
    let mut world = behind();
    assert!(call(&mut world, "bob", "c1").is_empty());
    let sent = caught_up(&mut world, false);
    assert_eq!(sent[0].status(), Some(503));
    assert!(sent[0].header(HeaderName::RetryAfter).is_some());
    assert!(world.events.contains(&Event::Refused { reason: Refusal::NotCurrent }));
    let again = call(&mut world, "bob", "c1");
    assert_eq!(again[0].status(), Some(503), "the same INVITE gets the same answer");
}

#[test]
fn a_slot_that_is_lost_takes_its_waiting_calls_with_it() {
    for told in [Input::Lost { slot: SLOT }, gained_anew()] {
        let mut world = behind();
        assert!(call(&mut world, "bob", "c1").is_empty());
        world.input(told);
        assert!(caught_up(&mut world, true).is_empty());
        let stray = Event::Dropped { reason: DropReason::StrayDecision };
        assert!(world.events.contains(&stray), "{:?}", world.events);
    }
}

#[test]
fn a_node_without_a_lease_says_nothing_and_forgets() {
    let mut world = behind();
    assert!(call(&mut world, "bob", "c1").is_empty());
    world.input(Input::Suspended(true));
    assert!(caught_up(&mut world, true).is_empty());
    assert_eq!(world.nodes[0].behind.len(), 0);
    world.input(Input::Suspended(false));
    assert!(call(&mut world, "bob", "c1").is_empty(), "the repetition waits anew");
    assert_eq!(caught_up(&mut world, true)[0].status(), Some(480));
}

#[test]
fn so_many_wait_and_no_more() {
    let mut world = behind();
    for n in 0..MAX_WAITING {
        assert!(call(&mut world, "bob", &format!("c{n}")).is_empty());
    }
    assert_eq!(call(&mut world, "bob", "more")[0].status(), Some(480));
    assert_eq!(caught_up(&mut world, true).len(), MAX_WAITING);
}

fn gained_anew() -> Input {
    Input::Gained { slot: SLOT, epoch: Epoch(9), calls: Vec::new() }
}

const NEW: &str = "a new password";

/// Another node has committed what this one has not applied.
fn put(world: &mut World, user: &str, password: &str) {
    let record = UserRecord {
        aor: aor(user),
        tenant: "acme".into(),
        ha1: ha1(user, DOMAIN, password),
        max_bindings: None,
        changed_at: Millis(START),
    };
    world.apply(&Command::PutUser(Box::new(PutUser { record, replace: true })));
}

/// A device that has been challenged and answers with a password that this node does not know yet.
fn early(world: &mut World, user: &'static str) -> Device {
    let mut device = Device { user, password: NEW, ..Device::new() };
    let challenge = world.answer(&device.register());
    device.challenged(&challenge);
    device
}

fn statuses(messages: &[Message]) -> Vec<Option<u16>> {
    messages.iter().map(Message::status).collect()
}

fn wrong(world: &World) -> usize {
    let is = |event: &&Event| {
        matches!(event, Event::Authenticated { outcome: Authentication::Wrong, .. })
    };
    world.events.iter().filter(is).count()
}

#[test]
fn a_register_right_after_its_password_was_written_elsewhere_waits_for_it() {
    let mut world = behind();
    let mut device = early(&mut world, "alice");
    assert!(world.receive(&device.register()).is_empty(), "wrong, as far as is known");
    put(&mut world, "alice", NEW);
    assert!(caught_up(&mut world, true).is_empty());
    assert_eq!((world.held.len(), wrong(&world)), (1, 0));
    world.sent.clear();
    world.decide_held(0);
    assert_eq!(world.sent[0].1.status(), Some(200));
    assert_eq!(world.nodes[0].behind.len(), 0);
}

#[test]
fn a_call_of_a_user_who_was_added_elsewhere_waits_for_it() {
    let mut world = behind();
    let mut device = Device { user: "carol", password: NEW, ..Device::new() };
    let challenge = world.answer(&device.invite("sip:+4930@example.com"));
    assert_eq!(challenge.status(), Some(407));
    device.challenged(&challenge);
    let invite = device.invite("sip:+4930@example.com");
    assert!(world.receive(&invite).is_empty(), "nobody, as far as is known");
    assert!(world.receive(&invite).is_empty(), "the repetition is passed over");
    put(&mut world, "carol", NEW);
    let sent = caught_up(&mut world, true);
    assert_eq!(statuses(&sent), [Some(100), None], "it is admitted");
    assert_eq!(world.behind.len(), 0);
}

#[test]
fn wrong_is_wrong_when_it_is_current_whether_there_is_such_a_user_or_not() {
    for user in ["alice", "nobody"] {
        let mut world = behind();
        let mut device = early(&mut world, user);
        let register = device.register();
        assert!(world.receive(&register).is_empty());
        assert!(world.receive(&register).is_empty(), "the repetition is passed over");
        assert_eq!(world.behind.len(), 1, "it is asked once");
        assert_eq!(statuses(&caught_up(&mut world, true)), [Some(401)]);
        assert_eq!(wrong(&world), 1);
    }
}

#[test]
fn without_a_majority_no_password_is_wrong() {
    let mut world = behind();
    let mut device = early(&mut world, "alice");
    let register = device.register();
    assert!(world.receive(&register).is_empty());
    let sent = caught_up(&mut world, false);
    assert_eq!(statuses(&sent), [Some(503)]);
    assert!(sent[0].header(HeaderName::RetryAfter).is_some());
    assert_eq!(wrong(&world), 0);
    assert!(world.receive(&register).is_empty(), "the next try is looked at anew");
    assert_eq!(world.behind.len(), 1);
}

#[test]
fn when_too_many_wait_a_wrong_password_is_judged_by_what_is_known() {
    let mut world = behind();
    for n in 0..MAX_WAITING {
        assert!(call(&mut world, "bob", &format!("c{n}")).is_empty());
    }
    let mut device = early(&mut world, "alice");
    assert_eq!(world.answer(&device.register()).status(), Some(401));
    assert_eq!(wrong(&world), 1);
}
