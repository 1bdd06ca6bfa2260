//! Trunks by name: where they lead is known by the time of the call, and written into its admission.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use holdline_model::Transport;
use holdline_sip::locate::{Asked, Location, Server};

use super::driver::*;
use crate::{
    Event, Heard, Input, Names, Route, Routing, Trunk, TrunkAddress, TrunkNews, TrunkProxy,
    TrunkView,
};

/// What some names lead to.
#[derive(Clone, Debug, Default)]
struct Book(BTreeMap<Asked, Arc<Location>>);

impl Names for Book {
    fn location(&self, asked: &Asked) -> Option<Arc<Location>> {
        self.0.get(asked).cloned()
    }
}

fn asked(text: &str) -> Asked {
    Asked::name(text, None).unwrap()
}

fn location(addresses: &[SocketAddr]) -> Arc<Location> {
    let server = |address: &SocketAddr| Server {
        name: "s".to_owned(),
        transport: Transport::Udp,
        port: address.port(),
        weight: 0,
        addresses: vec![address.ip()],
    };
    Arc::new(Location { groups: addresses.iter().map(|address| vec![server(address)]).collect() })
}

/// The first trunk has a name, the second an address.
fn world(names: Book, proxy: Option<TrunkProxy>) -> World {
    let trunk = |name: &str, address: TrunkAddress, proxy| Trunk {
        name: name.into(),
        tenant: "acme".into(),
        address,
        transport: Transport::Udp,
        proxy,
        sources: vec![],
        policy: Default::default(),
    };
    let trunks = vec![
        trunk("pbx", caller().into(), None),
        trunk("named", TrunkAddress::Name(asked("carrier.test")), proxy),
        trunk("other", "198.51.100.9:5060".parse().unwrap(), None),
    ];
    let trunk_names = vec!["named".into(), "other".into()];
    let route = Route { prefix: "+49".to_owned(), trunks: trunk_names, ..Route::default() };
    let routing = Arc::new(Routing::new(trunks, vec![route]).unwrap());
    let mut world = World::new();
    let options = crate::Options::default();
    world.engine = crate::CallEngine::new(options, routing, 7).with_names(Arc::new(names));
    let epoch = world.epoch;
    world.input(Input::Gained { slot: SLOT, epoch, calls: vec![] });
    world
}

fn two_places() -> Book {
    Book([(asked("carrier.test"), location(&[target(0), target(1)]))].into())
}

fn news(world: &World) -> Vec<(SocketAddr, Heard)> {
    let news = world.events.iter().filter_map(|event| {
        let Event::Trunk(TrunkNews { peer, heard, .. }) = event else { return None };
        Some((*peer, *heard))
    });
    news.collect()
}

#[test]
fn a_503_leads_to_the_next_address_of_the_name_and_then_to_the_next_trunk() {
    let mut world = world(two_places(), None);
    world.receive(caller(), invite_to("1", "+49", SDP));
    let first = world.the("INVITE > target0").message();
    assert_eq!(first.request_uri(), Some("sip:+49@carrier.test"));
    world.receive(target(0), response(&first, 503, ""));
    assert_eq!(world.sent()[1].summary(), "INVITE > target1");
    assert!(news(&world).contains(&(target(0), Heard::OtherPlace)), "{:?}", news(&world));
    let targets: Vec<String> =
        world.record().targets.iter().map(|target| target.hop.peer.to_string()).collect();
    assert_eq!(targets, ["198.51.100.1:5060", "198.51.100.2:5060", "198.51.100.9:5060"]);
    world.receive(target(1), response(&first, 100, ""));
}

#[test]
fn another_failure_leads_to_the_next_trunk_at_once() {
    let mut world = world(two_places(), None);
    world.receive(caller(), invite_to("1", "+49", SDP));
    let first = world.the("INVITE > target0").message();
    world.receive(target(0), response(&first, 500, ""));
    assert_eq!(world.sent()[1].summary(), "INVITE > 198.51.100.9:5060");
    assert!(!news(&world).iter().any(|(_, heard)| *heard == Heard::OtherPlace));
}

#[test]
fn an_address_that_failed_lately_is_tried_last() {
    let mut world = world(two_places(), None);
    let view = TrunkView { avoid: [target(0)].into(), ..TrunkView::default() };
    world.input(Input::Trunks(Arc::new(view)));
    world.receive(caller(), invite_to("1", "+49", SDP));
    world.the("INVITE > target1");
}

#[test]
fn a_name_that_leads_nowhere_is_passed_over() {
    let mut world = world(Book::default(), None);
    world.receive(caller(), invite_to("1", "+49", SDP));
    world.the("INVITE > 198.51.100.9:5060");
}

#[test]
fn calls_through_a_proxy_keep_their_request_uri_and_have_a_route() {
    let proxy = TrunkProxy {
        address: TrunkAddress::Name(asked("proxy.test:5070")),
        transport: Transport::Udp,
    };
    let names = Book([(asked("proxy.test:5070"), location(&[target(0)]))].into());
    let mut world = world(names, Some(proxy));
    world.receive(caller(), invite_to("1", "+49", SDP));
    let invite = world.the("INVITE > target0").message();
    assert_eq!(invite.request_uri(), Some("sip:+49@carrier.test"));
    assert_eq!(invite.routes(), ["<sip:proxy.test:5070;lr>"]);
}

#[test]
fn a_call_from_where_a_name_leads_is_its_trunks() {
    let mut world = world(two_places(), None);
    world.receive(target(1), invite_to("1", "+49", SDP));
    assert_eq!(world.record().admission.trunk.as_str(), "named");
}
