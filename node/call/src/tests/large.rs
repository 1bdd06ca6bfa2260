//! INVITEs that are too large for UDP.

use std::sync::Arc;

use holdline_model::{Listener, Transport};

use super::driver::*;
use crate::{Input, Listeners};

fn world() -> World {
    let mut world = World::new();
    let listener = |transport| Listener { transport, addr: switch(), advertised: None };
    let home = vec![listener(Transport::Udp), listener(Transport::Tcp)];
    world.engine.set_listeners(Arc::new(Listeners::new(vec![home])));
    world
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
