//! What a transport changes: nothing is repeated on a reliable one, answers go over the connection
//! that the request came on, and our Via and Contact say how we are reached.

use holdline_model::{Hop, Transport};
use holdline_sip::message::HeaderName;

use super::driver::{
    SDP, World, caller, invite, invite_to, request_from_caller, response, switch, target,
};

/// The end of a connection that the caller opened.
const FLOW: &str = "192.0.2.10:49152";

fn flow(transport: Transport) -> Hop {
    Hop { transport, local: switch(), peer: FLOW.parse().unwrap() }
}

fn over(transport: Transport, text: &str) -> String {
    text.replace("SIP/2.0/UDP", &format!("SIP/2.0/{transport}"))
}

/// A call from a caller on `from` to target 0 on `to`, at the moment when the INVITE has left.
fn inviting(from: Transport, to: Transport) -> (World, holdline_sip::message::Message) {
    let mut world = World::to_targets_over(to);
    world.receive_over(flow(from), over(from, &invite("1")));
    let sent = world.sent();
    assert_eq!(sent.len(), 2, "100 and INVITE");
    assert_eq!(sent[0].hop, flow(from), "answers go over the caller's connection");
    assert_eq!(sent[1].hop, Hop { transport: to, local: switch(), peer: target(0) });
    let invite = sent[1].message();
    (world, invite)
}

#[test]
fn an_invite_is_resent_over_udp_and_not_over_a_connection() {
    for (to, again) in [(Transport::Udp, 3), (Transport::Tcp, 0), (Transport::Wss, 0)] {
        let (mut world, _) = inviting(Transport::Tcp, to);
        world.pass(4_000);
        let sent = world.sent();
        assert_eq!(sent.len(), again, "{to}");
        assert!(sent.iter().all(|sent| sent.hop.transport == to));
    }
}

#[test]
fn our_via_and_contact_name_the_transport() {
    for (to, uri, contact) in [
        (Transport::Udp, "sip:+1555@198.51.100.1:5060", "<sip:192.0.2.1:5060>"),
        (
            Transport::Tcp,
            "sip:+1555@198.51.100.1:5060;transport=tcp",
            "<sip:192.0.2.1:5060;transport=tcp>",
        ),
        (
            Transport::Tls,
            "sip:+1555@198.51.100.1:5060;transport=tls",
            "<sip:192.0.2.1:5060;transport=tls>",
        ),
    ] {
        let (_, invite) = inviting(Transport::Tcp, to);
        assert_eq!(invite.request_uri(), Some(uri));
        assert_eq!(invite.top_via().transport, to.as_str());
        assert_eq!(invite.header(HeaderName::Contact), Some(contact.as_bytes()));
    }
}

#[test]
fn requests_to_a_caller_behind_its_connection_go_over_it_and_are_not_repeated() {
    let (mut world, invite) = inviting(Transport::Tls, Transport::Udp);
    world.receive(target(0), response(&invite, 200, SDP));
    let ok = world.sent().remove(0);
    assert_eq!(ok.hop, flow(Transport::Tls));
    let contact = ok.message().header(HeaderName::Contact).unwrap().to_vec();
    assert_eq!(contact, b"<sip:192.0.2.1:5060;transport=tls>");
    let ack = request_from_caller("ACK", 1, &ok.message(), "");
    world.receive_over(flow(Transport::Tls), over(Transport::Tls, &ack));
    let hang_up = crate::Input::HangUp { call: world.call() };
    world.input(hang_up);
    let bye = world.sent().into_iter().find(|sent| sent.hop.transport == Transport::Tls).unwrap();
    assert_eq!(bye.hop, flow(Transport::Tls));
    assert_eq!(bye.message().top_via().transport, "TLS");
    world.pass(8_000);
    assert!(world.sent().iter().all(|sent| sent.hop.transport == Transport::Udp));
}

#[test]
fn a_2xx_is_repeated_until_its_ack_also_over_a_connection() {
    let (mut world, invite) = inviting(Transport::Tcp, Transport::Udp);
    world.receive(target(0), response(&invite, 200, SDP));
    world.sent();
    world.pass(2_000);
    let again = world.summaries();
    assert!(again.iter().filter(|sent| sent.starts_with("200 INVITE")).count() >= 2, "{again:?}");
}

#[test]
fn a_target_that_cannot_be_connected_to_is_given_up_at_once() {
    let mut world = World::to_targets_over(Transport::Tcp);
    world.receive(caller(), invite_to("1", "+4969", SDP));
    let first = world.the("INVITE > target0").message();
    world.input(crate::Input::Unsent { message: first });
    assert_eq!(world.summaries(), ["INVITE > target1"]);
    assert_eq!(world.record().attempt, 1);
}

#[test]
fn a_peer_that_comes_back_over_another_connection_gets_its_requests_over_that_one() {
    let (mut world, invite) = inviting(Transport::Tcp, Transport::Udp);
    world.receive(target(0), response(&invite, 200, SDP));
    let ok = world.sent().remove(0).message();
    world.take_over();
    let again = Hop { peer: "192.0.2.10:50001".parse().unwrap(), ..flow(Transport::Tcp) };
    let ack = request_from_caller("ACK", 1, &ok, "");
    world.receive_over(again, over(Transport::Tcp, &ack));
    world.sent();
    let hang_up = crate::Input::HangUp { call: world.call() };
    world.input(hang_up);
    let sent = world.sent();
    let bye = sent.iter().find(|sent| sent.hop.transport == Transport::Tcp).unwrap();
    assert_eq!(bye.hop, again);
}
