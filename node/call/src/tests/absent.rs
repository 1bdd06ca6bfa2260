//! Calls to users who are nowhere as far as this node knows: it catches up first.

use holdline_model::Epoch;
use holdline_sip::message::{HeaderName, Message};

use super::registrar_world::{Decide, Device, SLOT, World};
use crate::absent::MAX_WAITING;
use crate::{DropReason, Event, Input, Refusal};

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
    assert_eq!(world.nodes[0].absent.len(), 0);
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
    assert_eq!(world.nodes[0].absent.len(), 0);
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
