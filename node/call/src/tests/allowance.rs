//! Requests that spend leased tokens: REGISTER, OPTIONS, MESSAGE, SUBSCRIBE outside of dialogs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use holdline_model::limit::{Operation, Request};

use super::driver;
use super::registrar_world::{Decide, Device, World};
use crate::{Allowance, Allowed, Event, Refusal, Registration, Throttled};

/// Says what it was told to say, then lets everything in; remembers what it was asked.
#[derive(Debug, Default)]
struct Script {
    says: Mutex<VecDeque<Allowed>>,
    asked: Mutex<Vec<(Operation, String, String, bool)>>,
}

impl Allowance for Script {
    fn take(&self, request: &Request<'_>, again: bool) -> Allowed {
        let (tenant, trunk) = (request.tenant.to_owned(), request.trunk.to_owned());
        self.asked.lock().unwrap().push((request.operation, tenant, trunk, again));
        self.says.lock().unwrap().pop_front().unwrap_or(Allowed::Pass)
    }
}

impl Script {
    fn saying(says: impl IntoIterator<Item = Allowed>) -> Arc<Self> {
        Arc::new(Self { says: Mutex::new(says.into_iter().collect()), ..Self::default() })
    }

    fn asked(&self) -> Vec<(Operation, String, String, bool)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn throttled() -> Throttled {
    Throttled { class: "phones".into(), status: 429, retry_after_ms: 2_100 }
}

fn waiting() -> Allowed {
    Allowed::Wait(Throttled { retry_after_ms: 1_000, ..throttled() })
}

fn world(script: &Arc<Script>) -> World {
    let mut world = World::new();
    for node in &mut world.nodes {
        let engine = std::mem::replace(
            node,
            crate::CallEngine::new(crate::Options::default(), super::registrar_world::routing(), 0),
        );
        *node = engine.with_allowance(Arc::clone(script) as _);
    }
    world
}

/// A device that has its challenge, and its next REGISTER.
fn proved(world: &mut World) -> (Device, String) {
    let mut device = Device::new();
    let text = device.register();
    let challenge = world.answer(&text);
    device.challenged(&challenge);
    let text = device.register();
    (device, text)
}

fn request(method: &str, from: &str) -> String {
    format!(
        "{method} sip:+49112@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKo{method}\r\n\
         From: <sip:x@{from}>;tag=x\r\nTo: <sip:+49112@192.0.2.1>\r\nCall-ID: o{method}\r\n\
         CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

const REGISTER: Operation = Operation::Register;

#[test]
fn a_register_costs_its_users_tenant_a_token_once_its_password_is_proved() {
    let script = Script::saying([]);
    let mut world = world(&script);
    let (_, text) = proved(&mut world);
    assert_eq!(script.asked(), [], "a challenge costs nothing");
    assert_eq!(world.answer(&text).status(), Some(200));
    assert_eq!(script.asked(), [(REGISTER, "acme".into(), "users".into(), false)]);
    assert_eq!(world.answer(&text).status(), Some(200), "a retransmission");
    assert_eq!(script.asked(), [], "costs nothing more");
}

#[test]
fn without_tokens_a_register_is_refused_with_retry_after_and_leaves_no_state() {
    let script = Script::saying([Allowed::Refused(throttled())]);
    let mut world = world(&script);
    let (_, text) = proved(&mut world);
    let answer = world.answer(&text);
    assert_eq!(answer.status(), Some(429));
    assert_eq!(driver::values(&answer, "Retry-After"), ["3"]);
    assert_eq!((world.commits, world.contacts()), (0, vec![]));
    let event = Event::Throttled { class: "phones".into(), operation: REGISTER, status: 429 };
    assert!(
        world.events.contains(&event)
            && world.events.contains(&Event::Refused { reason: Refusal::Limited })
    );
    // The device comes again, as it was told.
    assert_eq!(world.answer(&text).status(), Some(200));
}

#[test]
fn a_register_waits_in_silence_for_tokens_that_are_being_leased() {
    let script = Script::saying([waiting(), waiting()]);
    let mut world = world(&script);
    let (_, text) = proved(&mut world);
    assert!(world.receive(&text).is_empty(), "it waits");
    for (pass_ms, answers) in [(10, 0), (10, 1), (10, 0)] {
        world.now += pass_ms;
        world.sent.clear();
        world.input(crate::Input::Tick);
        assert_eq!(world.sent.len(), answers, "after {} ms", world.now);
    }
    let again: Vec<bool> = script.asked().iter().map(|asked| asked.3).collect();
    assert_eq!(again, [false, true, true], "it is one demand");
    assert_eq!(world.commits, 1);
}

#[test]
fn what_waits_in_vain_is_refused_before_it_would_be_repeated() {
    let script = Script::saying(std::iter::repeat_n(waiting(), 100));
    let mut world = world(&script);
    let (_, text) = proved(&mut world);
    world.receive(&text);
    let engine = &mut world.nodes[0];
    let mut ticks = 0;
    while let Some(at) = engine.next_timer() {
        engine.handle(at, crate::Input::Tick);
        world.now = at.0;
        ticks += 1;
        assert!(ticks < 100, "it waits for ever");
    }
    assert_eq!(world.now, super::registrar_world::START + 300);
    let mut sent = std::iter::from_fn(|| engine.poll());
    assert!(sent.any(|output| matches!(output, crate::Output::Send { bytes, .. } if bytes.starts_with(b"SIP/2.0 429"))));
    assert_eq!(world.nodes[0].held.len(), 0);
}

#[test]
fn a_repetition_of_a_register_that_waits_is_committed_once() {
    let script = Script::saying([waiting(), waiting()]);
    let mut world = world(&script);
    let (_, text) = proved(&mut world);
    assert!(world.receive(&text).is_empty());
    assert!(world.receive(&text).is_empty());
    world.decide = Decide::Hold;
    world.now += 10;
    world.input(crate::Input::Tick);
    assert_eq!(world.held.len(), 1, "{:?}", world.held);
    let committed =
        |event: &&Event| matches!(event, Event::Registered { outcome: Registration::Committed });
    world.decide = Decide::Commit;
    world.decide_held(0);
    assert_eq!(world.events.iter().filter(committed).count(), 1);
}

#[test]
fn what_waits_is_forgotten_with_its_slot() {
    let script = Script::saying([waiting()]);
    let mut world = world(&script);
    let (_, text) = proved(&mut world);
    world.receive(&text);
    world.input(crate::Input::Lost { slot: super::registrar_world::SLOT });
    assert_eq!(world.nodes[0].held.len(), 0);
}

#[test]
fn what_waits_is_bounded() {
    let script = Script::saying(std::iter::repeat_n(waiting(), 2_000));
    let mut world = world(&script);
    let text = request("MESSAGE", "203.0.113.5:5062");
    let silent = (0..1_024).all(|_| world.receive(&text).is_empty());
    assert!(silent, "they wait");
    assert_eq!(world.answer(&text).status(), Some(429));
}

#[test]
fn options_message_subscribe_and_publish_cost_tokens_and_nothing_else_outside_of_a_dialog_does() {
    let trunk = "198.51.100.1:5060";
    for (method, operation, status) in [
        ("OPTIONS", Some(Operation::Options), 200),
        ("MESSAGE", Some(Operation::Message), 405),
        ("SUBSCRIBE", Some(Operation::Subscribe), 405),
        ("PUBLISH", Some(Operation::Subscribe), 405),
        ("INFO", None, 481),
        ("BYE", None, 481),
    ] {
        let script = Script::saying([]);
        let mut world = world(&script);
        let text = request(method, trunk);
        let answers = world.receive_at(0, trunk, &text);
        assert_eq!(answers[0].status(), Some(status), "{method}");
        let asked = script.asked();
        let expected =
            operation.map(|operation| (operation, "acme".into(), "carrier".into(), false));
        assert_eq!(asked, expected.into_iter().collect::<Vec<_>>(), "{method}");
        if operation.is_some() {
            script.says.lock().unwrap().push_back(Allowed::Refused(throttled()));
            assert_eq!(world.receive_at(0, trunk, &text)[0].status(), Some(429), "{method}");
        }
    }
}

#[test]
fn calls_and_what_belongs_to_them_ask_for_no_leased_token() {
    let script = Script::saying([]);
    let mut world = driver::World::new();
    let engine = std::mem::replace(
        &mut world.engine,
        crate::CallEngine::new(crate::Options::default(), driver::routing(), 0),
    );
    world.engine = engine.with_allowance(Arc::clone(&script) as _);
    let (_, ok) = world.up();
    for (cseq, method) in ["INFO", "MESSAGE", "OPTIONS", "UPDATE", "BYE"].into_iter().enumerate() {
        let cseq = u32::try_from(cseq).unwrap() + 2;
        let request = driver::request_from_caller(method, cseq, &ok, "");
        world.receive(driver::caller(), request);
    }
    assert_eq!(script.asked(), []);
}
