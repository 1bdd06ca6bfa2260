//! Listeners that peers reach at another address than the one they are bound to.

use std::net::SocketAddr;
use std::sync::Arc;

use holdline_model::{Listener, Transport};

use super::driver::*;
use crate::Listeners;

const PUBLIC: &str = "203.0.113.99:5070";

fn world() -> World {
    let mut world = World::new();
    world.engine.set_listeners(listeners(Some(PUBLIC.parse().unwrap())));
    world
}

fn listeners(advertised: Option<SocketAddr>) -> Arc<Listeners> {
    let listener = Listener { transport: Transport::Udp, addr: switch(), advertised };
    Arc::new(Listeners::new(vec![vec![listener]]))
}

/// Nothing that was sent names the address that the listener is bound to, and all leaves from it.
fn hidden(sent: &[Sent]) {
    let bound = switch().to_string();
    for sent in sent {
        let text = String::from_utf8_lossy(&sent.bytes).into_owned();
        let ours =
            text.lines().filter(|line| !line.starts_with("To:") && !line.starts_with("From:"));
        for line in ours.skip(1) {
            assert!(!line.contains(&bound), "{}: {line}", sent.summary());
        }
        assert_eq!(sent.hop.local, switch());
    }
}

#[test]
fn via_and_contact_name_the_advertised_address_on_both_sides_whoever_owns_the_call() {
    let mut world = world();
    world.receive(caller(), invite("1"));
    let sent = world.sent();
    hidden(&sent);
    let out = sent.iter().find(|sent| sent.summary() == "INVITE > target0").unwrap().message();
    assert_eq!(out.contact_uri(), Some(format!("sip:{PUBLIC}").as_str()));
    assert!(values(&out, "Via")[0].starts_with(&format!("SIP/2.0/UDP {PUBLIC};branch=")));
    world.receive(target(0), response(&out, 200, SDP));
    let sent = world.sent();
    hidden(&sent);
    let ok = sent.iter().find(|sent| sent.summary() == "200 INVITE > caller").unwrap().message();
    assert_eq!(ok.contact_uri(), Some(format!("sip:{PUBLIC}").as_str()));

    // The next owner is configured otherwise, and says the same.
    world.take_over();
    world.engine.set_listeners(listeners(None));
    world.pass(5);
    let again = world.sent();
    let again = again.iter().find(|sent| sent.summary() == "200 INVITE > caller").unwrap();
    assert_eq!(again.bytes, *ok.bytes());
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.receive(caller(), request_from_caller("INFO", 2, &ok, ""));
    world.receive(caller(), request_from_caller("BYE", 3, &ok, ""));
    let sent = world.sent();
    hidden(&sent);
    assert!(sent.iter().any(|sent| sent.summary() == "INFO > target0"));
    assert!(sent.iter().any(|sent| sent.summary() == "BYE > target0"));
}

#[test]
fn without_one_the_bound_address_is_named() {
    let mut world = World::new();
    world.engine.set_listeners(listeners(None));
    world.receive(caller(), invite("1"));
    let out = world.the("INVITE > target0").message();
    assert_eq!(out.contact_uri(), Some(format!("sip:{}", switch()).as_str()));
}
