use std::net::IpAddr;

use holdline_model::Transport;

use super::*;

fn us() -> SocketAddr {
    "192.0.2.99:5060".parse().unwrap()
}

fn trunk(name: &str, address: &str, sources: &[&str]) -> Trunk {
    Trunk {
        name: name.into(),
        tenant: "acme".into(),
        address: address.parse().unwrap(),
        transport: Transport::Udp,
        proxy: None,
        sources: sources.iter().map(|source| source.parse().unwrap()).collect(),
        policy: Default::default(),
    }
}

fn route(prefix: &str, trunks: &[&str], strip: usize) -> Route {
    Route {
        prefix: prefix.to_owned(),
        trunks: trunks.iter().map(|name| Name::from(*name)).collect(),
        strip,
        ..Route::default()
    }
}

fn uris(routing: &Routing, uri: &str) -> Vec<String> {
    routing.targets(uri, us()).into_iter().map(|target| target.uri).collect()
}

#[test]
fn the_longest_prefix_wins_and_keeps_the_order_of_its_trunks() {
    let routing = Routing::new(
        vec![trunk("a", "10.0.0.1:5060", &[]), trunk("b", "[2001:db8::2]:5070", &[])],
        vec![route("", &["a"], 0), route("+49", &["b", "a"], 0), route("00", &["a"], 2)],
    )
    .unwrap();
    assert_eq!(
        uris(&routing, "sip:+49-30-1@h"),
        ["sip:+49-30-1@[2001:db8::2]:5070", "sip:+49-30-1@10.0.0.1:5060"]
    );
    assert_eq!(uris(&routing, "sip:0-0-1@h"), ["sip:1@10.0.0.1:5060"]);
    assert_eq!(uris(&routing, "sip:h"), ["sip:10.0.0.1:5060"]);
    assert!(uris(&routing, "urn:service:sos").is_empty());
}

#[test]
fn no_matching_prefix_gives_no_target() {
    let routing =
        Routing::new(vec![trunk("a", "10.0.0.1:5060", &[])], vec![route("+1", &["a"], 0)]).unwrap();
    assert!(routing.targets("sip:+49@h", us()).is_empty());
}

#[test]
fn a_source_belongs_to_the_trunk_with_the_smallest_block_around_it() {
    let routing = Routing::new(
        vec![
            trunk("wide", "10.0.0.1:5060", &["10.0.0.0/8"]),
            trunk("narrow", "10.1.0.1:5060", &["10.1.0.0/16"]),
            trunk("implied", "192.0.2.9:5060", &[]),
        ],
        vec![],
    )
    .unwrap();
    let name = |ip: &str| {
        routing
            .source(&ip.parse::<IpAddr>().unwrap().into(), &crate::NoNames)
            .map(|trunk| trunk.name.to_string())
    };
    assert_eq!(name("10.2.3.4").as_deref(), Some("wide"));
    assert_eq!(name("10.1.3.4").as_deref(), Some("narrow"));
    assert_eq!(name("192.0.2.9").as_deref(), Some("implied"));
    assert_eq!(name("192.0.2.10"), None);
}

/// A trunk that is known by a certificate for this domain, and by its sources if it is to be.
fn certified(name: &str, domain: &str, by_source: bool, sources: &[&str]) -> Trunk {
    let mut trunk = trunk(name, "10.0.0.1:5060", sources);
    trunk.policy.proof =
        Proof { by_source, by_certificate: Some(domain.to_owned()), ..Proof::default() };
    trunk
}

#[test]
fn a_certificate_tells_whose_a_call_is() {
    let routing = Routing::new(
        vec![
            trunk("plain", "10.0.0.1:5060", &["10.0.0.0/8"]),
            certified("anywhere", "a.test", false, &[]),
            certified("here", "b.test", true, &["10.0.0.0/8"]),
            certified("here, too", "c.test", true, &["10.0.0.0/8"]),
        ],
        vec![],
    )
    .unwrap();
    let name = |ip: &str, shown: &[&str]| {
        let identities = shown.iter().map(|&name| name.to_owned()).collect();
        let sender = Sender { address: ip.parse().unwrap(), identities: Some(identities) };
        routing.source(&sender, &crate::NoNames).map(|trunk| trunk.name.to_string())
    };
    assert_eq!(name("192.0.2.1", &["x.test", "A.test"]).as_deref(), Some("anywhere"));
    assert_eq!(name("10.1.2.3", &["a.test"]).as_deref(), Some("anywhere"));
    assert_eq!(name("10.1.2.3", &["b.test"]).as_deref(), Some("here"));
    assert_eq!(name("10.1.2.3", &["c.test"]).as_deref(), Some("here, too"));
    assert_eq!(name("192.0.2.1", &["b.test"]), None, "from elsewhere");
    assert_eq!(name("10.1.2.3", &["d.test"]).as_deref(), Some("plain"));
    let uncertified: Sender = "10.1.2.3".parse::<IpAddr>().unwrap().into();
    let found = routing.source(&uncertified, &crate::NoNames).map(|trunk| trunk.name.as_str());
    assert_eq!(found, Some("plain"));
}

#[test]
fn two_trunks_cannot_share_all_that_they_are_known_by() {
    let fault = |one, two| Routing::new(vec![one, two], vec![]).unwrap_err().to_string();
    let alone = |name| certified(name, "a.test", false, &[]);
    let found = fault(alone("a"), alone("b"));
    assert!(
        found.contains("\"a\" and \"b\" are both known by a certificate for a.test"),
        "{found}"
    );
    let there = |name| certified(name, "a.test", true, &["10.0.0.0/8"]);
    let found = fault(there("a"), there("b"));
    assert!(found.contains("both claim the source 10.0.0.0/8"), "{found}");
}

#[test]
fn faults_name_the_trunk_or_the_route() {
    let a = || trunk("a", "10.0.0.1:5060", &[]);
    let fault = |trunks, routes| Routing::new(trunks, routes).unwrap_err().to_string();
    for (text, want) in [
        (fault(vec![a(), a()], vec![]), "trunk \"a\" is defined twice"),
        (fault(vec![trunk("z", "0.0.0.0:5060", &[])], vec![]), "trunk \"z\": calls cannot"),
        (fault(vec![trunk("", "10.0.0.1:5060", &[])], vec![]), "empty name"),
        (
            fault(vec![a(), trunk("b", "10.0.0.2:5060", &["10.0.0.1"])], vec![]),
            "trunks \"a\" and \"b\" both claim the source 10.0.0.1/32",
        ),
        (fault(vec![a()], vec![route("+1", &["b"], 0)]), "route \"+1\" names trunk \"b\""),
        (fault(vec![a()], vec![route("+1", &[], 0)]), "route \"+1\" names no trunk"),
        (fault(vec![a()], vec![route("+1", &["a"; 17], 0)]), "names 17 trunks"),
        (
            fault(vec![a()], vec![route("1", &["a"], 0), route("1", &["a"], 1)]),
            "route \"1\" is defined twice",
        ),
        (fault(vec![a()], vec![route("+1-2", &["a"], 0)]), "visual separator"),
    ] {
        assert!(text.contains(want), "{text}");
    }
}
