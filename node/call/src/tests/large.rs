//! INVITEs that are too large for UDP.

use std::sync::Arc;

use holdline_model::{Listener, Transport};

use super::driver::*;
use crate::{Input, Listeners};

fn world() -> World {
    let mut world = World::new();
    listen(&mut world);
    world
}

fn listen(world: &mut World) {
    let listener = |transport| Listener { transport, addr: switch(), advertised: None };
    let home = vec![listener(Transport::Udp), listener(Transport::Tcp)];
    world.engine.set_listeners(Arc::new(Listeners::new(vec![home])));
}

fn large() -> String {
    format!("{SDP}{}", "a=candidate:1 1 UDP 1 192.0.2.10 9 typ host\r\n".repeat(30))
}

fn over(sent: &Sent) -> Transport {
    sent.hop.transport
}

#[test]
fn a_large_invite_goes_over_tcp_and_says_so() {
    let mut world = world();
    world.receive(caller(), invite_to("1", "+1", &large()));
    let sent = world.the("INVITE > target0");
    assert_eq!(over(&sent), Transport::Tcp);
    assert_eq!(sent.message().top_via().transport, "TCP");
    let transports: Vec<_> =
        world.record().targets.iter().map(|target| target.hop.transport).collect();
    assert_eq!(transports, [Transport::Tcp, Transport::Udp], "both are committed");
}

#[test]
fn a_small_one_does_not() {
    let mut world = world();
    world.receive(caller(), invite_to("1", "+1", SDP));
    assert_eq!(over(&world.the("INVITE > target0")), Transport::Udp);
}

#[test]
fn without_tcp_at_the_peer_it_goes_over_udp_and_the_next_one_at_once() {
    let mut world = world();
    world.receive(caller(), invite_to("1", "+1", &large()));
    let message = world.the("INVITE > target0").message();
    world.input(Input::Unsent { message });
    let again = world.the("INVITE > target0");
    assert_eq!(over(&again), Transport::Udp);
    assert_eq!(again.message().cseq().number, 2);
    world.receive(caller(), invite_to("2", "+1", &large()));
    assert_eq!(over(&world.the("INVITE > target0")), Transport::Udp);
}

#[test]
fn it_can_be_turned_off() {
    let mut world = World::with(|options| options.large_over_tcp = false);
    let listener = |transport| Listener { transport, addr: switch(), advertised: None };
    let home = vec![listener(Transport::Udp), listener(Transport::Tcp)];
    world.engine.set_listeners(Arc::new(Listeners::new(vec![home])));
    world.receive(caller(), invite_to("1", "+1", &large()));
    assert_eq!(over(&world.the("INVITE > target0")), Transport::Udp);
}

/// A call that is up and was set up over UDP.
fn up() -> (World, holdline_sip::message::Message, holdline_sip::message::Message) {
    let mut world = world();
    let (invite, ok) = world.up();
    (world, invite, ok)
}

#[test]
fn a_request_within_a_dialog_that_has_grown_goes_over_tcp_and_the_dialog_stays_where_it_was() {
    let (mut world, _, ok) = up();
    for (cseq, method) in [(2, "UPDATE"), (3, "INVITE")] {
        world.receive(caller(), request_from_caller(method, cseq, &ok, &large()));
        let sent = world.the(&format!("{method} > target0"));
        assert_eq!(over(&sent), Transport::Tcp);
        let message = sent.message();
        assert_eq!(message.top_via().transport, "TCP");
        assert!(message.contact_uri().is_none_or(|uri| !uri.contains("transport")));
        world.pass(1_000);
        assert!(!world.summaries().contains(&format!("{method} > target0")), "over TCP, once");
        world.receive(target(0), response(&message, 200, SDP));
        world.sent();
        if method == "INVITE" {
            world.receive(caller(), request_from_caller("ACK", cseq, &ok, ""));
        }
    }
    world.receive(caller(), request_from_caller("INFO", 4, &ok, ""));
    assert_eq!(over(&world.the("INFO > target0")), Transport::Udp);
}

#[test]
fn without_tcp_at_the_peer_the_same_request_goes_over_udp() {
    for method in ["UPDATE", "INVITE"] {
        let (mut world, _, ok) = up();
        world.receive(caller(), request_from_caller(method, 2, &ok, &large()));
        let first = world.the(&format!("{method} > target0")).message();
        world.input(Input::Unsent { message: first.clone() });
        let again = world.the(&format!("{method} > target0"));
        assert_eq!(over(&again), Transport::Udp);
        let again = again.message();
        assert_eq!(again.top_via().branch, first.top_via().branch);
        assert_eq!(again.cseq().number, first.cseq().number);
        // It is remembered.
        world.receive(target(0), response(&again, 488, ""));
        let ack = world.sent().into_iter().find(|sent| sent.summary() == "ACK > target0");
        assert_eq!(ack.map(|ack| over(&ack)), (method == "INVITE").then_some(Transport::Udp));
        world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
        world.receive(caller(), request_from_caller("INFO", 3, &ok, &large()));
        assert_eq!(over(&world.the("INFO > target0")), Transport::Udp);
    }
}

#[test]
fn the_ack_of_a_failure_and_the_cancel_go_as_their_invite_went() {
    let (mut world, _, ok) = up();
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, &large()));
    let invite = world.the("INVITE > target0").message();
    world.receive(target(0), response(&invite, 488, ""));
    let sent = world.sent();
    let ack = sent.iter().find(|sent| sent.summary() == "ACK > target0").unwrap();
    assert_eq!(over(ack), Transport::Tcp);
    assert_eq!(ack.message().top_via().branch, invite.top_via().branch);
}

#[test]
fn after_a_takeover_the_ack_of_a_failure_goes_as_its_invite_went() {
    for large_one in [true, false] {
        let (mut world, _, ok) = up();
        let body = if large_one { large() } else { String::new() };
        world.receive(caller(), request_from_caller("INVITE", 2, &ok, &body));
        let invite = world.the("INVITE > target0").message();
        world.receive(target(0), response(&invite, 488, ""));
        let first = acks(&mut world);
        world.take_over();
        listen(&mut world);
        world.pass(5_000);
        let again = acks(&mut world);
        let way = if large_one { Transport::Tcp } else { Transport::Udp };
        assert_eq!(first.iter().map(over).collect::<Vec<_>>(), [way]);
        assert_eq!(again.iter().map(over).collect::<Vec<_>>(), [way], "large: {large_one}");
        assert_eq!(again[0].bytes, first[0].bytes, "the very same");
        // Of a failure that is repeated to the new owner.
        world.receive(target(0), response(&invite, 488, ""));
        assert_eq!(acks(&mut world).iter().map(over).collect::<Vec<_>>(), [way]);
    }
}

/// The ACKs that the callee was sent, of failures.
fn acks(world: &mut World) -> Vec<Sent> {
    let sent = world.sent().into_iter();
    sent.filter(|sent| sent.summary() == "ACK > target0").collect()
}
