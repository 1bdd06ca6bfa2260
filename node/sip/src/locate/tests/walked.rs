//! The way from a URI to addresses.

use super::*;

/// The example of RFC 3263 section 4.1 and 4.2.
fn example() -> Zone {
    Zone::default()
        .naptr(
            "example.com",
            &[
                (50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
                (90, 50, "SIP+D2T", "_sip._tcp.example.com"),
                (100, 50, "SIP+D2U", "_sip._udp.example.com"),
            ],
        )
        .srv(
            "_sip._tcp.example.com",
            &[(0, 1, 5060, "server1.example.com"), (0, 2, 5060, "server2.example.com")],
        )
        .srv("_sips._tcp.example.com", &[(0, 0, 5061, "server1.example.com")])
        .host("server1.example.com", &["192.0.2.1"])
        .host("server2.example.com", &["192.0.2.2", "2001:db8::2"])
}

#[test]
fn a_client_without_tls_takes_the_next_transport_that_the_domain_prefers() {
    let mut zone = example();
    let means = Means { transports: vec![Transport::Udp, Transport::Tcp], v4: true, v6: true };
    let asked = Asked::name("example.com", None).unwrap();
    assert_eq!(
        zone.walk(&asked, &means).unwrap(),
        ["tcp 192.0.2.1:5060", "tcp 192.0.2.2:5060", "tcp [2001:db8::2]:5060"]
    );
    assert_eq!(
        zone.questions(),
        [
            "NAPTR example.com",
            "SRV _sip._tcp.example.com",
            "A/AAAA server1.example.com",
            "A/AAAA server2.example.com"
        ]
    );
}

#[test]
fn the_transport_that_the_domain_prefers_is_taken() {
    assert_eq!(example().find("sip:a@example.com").unwrap(), ["tls 192.0.2.1:5061"]);
    assert_eq!(example().find("sips:a@example.com").unwrap(), ["tls 192.0.2.1:5061"]);
}

#[test]
fn those_of_one_order_follow_each_other_by_preference() {
    let mut zone = Zone::default()
        .naptr("e.com", &[(1, 20, "SIP+D2U", "u.e.com"), (1, 10, "SIP+D2T", "t.e.com")])
        .srv("u.e.com", &[(0, 0, 5070, "h.e.com")])
        .srv("t.e.com", &[(0, 0, 5080, "h.e.com")])
        .host("h.e.com", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:e.com").unwrap(), ["tcp 192.0.2.1:5080", "udp 192.0.2.1:5070"]);
}

#[test]
fn an_address_is_asked_for_nowhere() {
    let mut zone = Zone::default();
    let mut found = |uri: &str| zone.find(uri).unwrap().remove(0);
    assert_eq!(found("sip:192.0.2.9"), "udp 192.0.2.9:5060");
    assert_eq!(found("sips:192.0.2.9"), "tls 192.0.2.9:5061");
    assert_eq!(found("sip:[2001:db8::1]:5070;transport=tcp"), "tcp [2001:db8::1]:5070");
    assert_eq!(found("sip:example.com;maddr=192.0.2.9;transport=tls"), "tls 192.0.2.9:5061");
    assert!(zone.asked.is_empty());
}

#[test]
fn a_port_leaves_only_the_address_to_ask_for() {
    let mut zone = example().host("example.com", &["192.0.2.7"]);
    assert_eq!(zone.find("sip:example.com:5070").unwrap(), ["udp 192.0.2.7:5070"]);
    assert_eq!(zone.questions(), ["A/AAAA example.com"]);
    let mut zone = example().host("example.com", &["192.0.2.7"]);
    assert_eq!(zone.find("sips:example.com:5071").unwrap(), ["tls 192.0.2.7:5071"]);
}

#[test]
fn a_transport_leaves_the_naptr_out() {
    let mut zone = example();
    let found = zone.find("sip:example.com;transport=tcp").unwrap();
    assert_eq!(found.first().unwrap(), "tcp 192.0.2.1:5060");
    assert_eq!(zone.questions().first().unwrap(), "SRV _sip._tcp.example.com");
}

#[test]
fn without_naptr_each_transport_of_ours_is_asked_for_at_once() {
    let mut zone = Zone::default()
        .srv("_sip._tcp.e.com", &[(5, 0, 5060, "h.e.com")])
        .host("h.e.com", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:e.com").unwrap(), ["tcp 192.0.2.1:5060"]);
    assert_eq!(
        zone.questions(),
        [
            "NAPTR e.com",
            "SRV _sip._udp.e.com",
            "SRV _sip._tcp.e.com",
            "SRV _sips._tcp.e.com",
            "A/AAAA h.e.com"
        ]
    );
}

#[test]
fn without_any_srv_it_is_the_address_at_the_usual_port() {
    let zone = || Zone::default().host("e.com", &["192.0.2.1"]);
    assert_eq!(zone().find("sip:e.com").unwrap(), ["udp 192.0.2.1:5060"]);
    assert_eq!(zone().find("sips:e.com").unwrap(), ["tls 192.0.2.1:5061"]);
    assert_eq!(zone().find("sip:e.com;transport=tls").unwrap(), ["tls 192.0.2.1:5061"]);
}

#[test]
fn a_naptr_for_something_else_counts_as_none() {
    let mut zone = Zone::default()
        .naptr("e.com", &[(1, 1, "SIP+D2S", "_sip._sctp.e.com"), (1, 1, "E2U+sip", "x.e.com")])
        .host("e.com", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:e.com").unwrap(), ["udp 192.0.2.1:5060"]);
}

#[test]
fn servers_come_by_priority_and_one_without_an_address_is_passed_over() {
    let mut zone = Zone::default()
        .srv(
            "_sip._udp.e.com",
            &[(20, 0, 5062, "c.e.com"), (10, 0, 5060, "a.e.com"), (10, 0, 5061, "gone.e.com")],
        )
        .host("a.e.com", &["192.0.2.1"])
        .host("c.e.com", &["192.0.2.3"]);
    let found = zone.find("sip:e.com;transport=udp").unwrap();
    assert_eq!(found, ["udp 192.0.2.1:5060", "udp 192.0.2.3:5062"]);
}

#[test]
fn a_lone_dot_says_that_the_service_is_not_offered() {
    let mut zone = Zone::default().srv("_sip._udp.e.com", &[(0, 0, 0, "")]);
    let why = zone.find("sip:e.com;transport=udp").unwrap_err();
    assert!(why.contains("SRV _sip._udp.e.com says that the service is not offered"), "{why}");
    let mut zone = Zone::default()
        .srv("_sip._udp.e.com", &[(0, 0, 0, "")])
        .srv("_sip._tcp.e.com", &[(0, 0, 5060, "h.e.com")])
        .host("h.e.com", &["192.0.2.1"])
        .host("e.com", &["192.0.2.9"]);
    assert_eq!(zone.find("sip:e.com").unwrap(), ["tcp 192.0.2.1:5060"]);
}

#[test]
fn errors_name_the_records() {
    let why = Zone::default().find("sip:e.com;transport=udp").unwrap_err();
    assert_eq!(why, "e.com: there is no SRV _sip._udp.e.com, no A/AAAA e.com");
    let mut zone = Zone::default().failing(Kind::Naptr, "e.com");
    let why = zone.find("sip:e.com").unwrap_err();
    assert_eq!(why, "e.com: NAPTR e.com cannot be asked: nobody answered");
    let mut zone = Zone::default()
        .srv("_sip._udp.e.com", &[(0, 0, 5060, "h.e.com")])
        .failing(Kind::Host, "h.e.com");
    let why = zone.find("sip:e.com;transport=udp").unwrap_err();
    assert_eq!(why, "e.com: A/AAAA h.e.com cannot be asked: nobody answered");
}

#[test]
fn what_we_cannot_reach_is_an_error_that_says_so() {
    let means = Means { transports: vec![Transport::Udp], v4: true, v6: false };
    let mut zone = Zone::default().host("e.com", &["2001:db8::1"]);
    let asked = Asked::name("e.com:5060", None).unwrap();
    let why = zone.walk(&asked, &means).unwrap_err();
    assert!(why.contains("A/AAAA e.com has only addresses of a kind"), "{why}");
    let asked = Asked::name("e.com", Some(Transport::Tls)).unwrap();
    let why = zone.walk(&asked, &means).unwrap_err();
    assert!(why.contains("over TLS, for which this node has no listener"), "{why}");
    let uri = crate::message::Uri::parse("sips:e.com;transport=udp").unwrap();
    let why = zone.walk(&Asked::of(&uri).unwrap(), &all()).unwrap_err();
    assert!(why.contains("has to be reached securely, which UDP is not"), "{why}");
}

#[test]
fn a_server_that_cannot_be_asked_for_does_not_keep_us_from_the_others() {
    let mut zone = Zone::default()
        .srv("_sip._udp.e.com", &[(0, 0, 5060, "a.e.com"), (1, 0, 5060, "b.e.com")])
        .failing(Kind::Host, "a.e.com")
        .host("b.e.com", &["192.0.2.2"]);
    assert_eq!(zone.find("sip:e.com;transport=udp").unwrap(), ["udp 192.0.2.2:5060"]);
}
