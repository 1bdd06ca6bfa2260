//! Trunks that ask for credentials, and trunks that are asked for theirs.

use std::sync::Arc;

use holdline_model::{Ha1, Transport};
use holdline_sip::digest::{Answer, Challenge, Credentials, ha1};
use holdline_sip::message::{HeaderName, Message};

use super::driver::*;
use crate::{PeerSecret, Proof, Routing, Trunk, TrunkCredentials, TrunkPolicy, TrunkSecret};

const MD5: &str = r#"Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth", opaque="o""#;
const SHA: &str = r#"Digest realm="carrier", nonce="n1", algorithm=SHA-256, qop="auth""#;

/// Who we are to both carriers.
fn with_credentials(secret: &TrunkSecret) -> Arc<Routing> {
    with_policies(|name| {
        let credentials = TrunkCredentials { username: "us".to_owned(), secret: secret.clone() };
        let credentials = (name != "pbx").then_some(credentials);
        TrunkPolicy { credentials, ..TrunkPolicy::default() }
    })
}

fn with_policies(policy: impl Fn(&str) -> TrunkPolicy) -> Arc<Routing> {
    let plain = routing_over(Transport::Udp);
    let trunks = plain.trunks().iter().cloned().map(|trunk| {
        let policy = policy(&trunk.name);
        Trunk { policy, ..trunk }
    });
    Arc::new(Routing::new(trunks.collect(), routes()).unwrap())
}

fn password() -> TrunkSecret {
    TrunkSecret::Password("secret".to_owned())
}

fn challenge(request: &Message, status: u16, values: &[&str]) -> String {
    let text = String::from_utf8(response(request, status, "").to_vec()).unwrap();
    let name = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
    let fields: String = values.iter().map(|value| format!("\r\n{name}: {value}")).collect();
    text.replacen("\r\n", &format!("{fields}\r\n"), 1)
}

fn proves(request: &Message, name: HeaderName, ha1: &Ha1) -> Credentials {
    let value = request.header(name).unwrap_or_else(|| panic!("no credentials"));
    let credentials = Credentials::parse(value).unwrap();
    let uri = request.request_uri().unwrap();
    assert!(credentials.prove(ha1, request.method().as_str(), uri), "they prove who we are");
    credentials
}

fn ours() -> Ha1 {
    ha1("us", "carrier", "secret")
}

fn world() -> World {
    let mut world = World::new();
    world.engine.set_routing(with_credentials(&password()));
    world
}

#[test]
fn a_challenge_is_answered_after_the_commit_and_again_with_the_same_bytes() {
    let mut world = world();
    let first = world.inviting();
    world.decide = Decide::Withhold;
    world.receive(target(0), challenge(&first, 401, &[MD5, SHA]));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    let sent = world.sent();
    assert_eq!([sent[0].summary(), sent[1].summary()], ["ACK > target0", "INVITE > target0"]);
    let second = sent[1].message();
    assert_eq!((second.cseq().number, second.call_id()), (2, first.call_id()));
    let credentials = proves(&second, HeaderName::Authorization, &ours());
    assert_eq!((credentials.nc, credentials.algorithm.as_str()), (1, "SHA-256"));
    world.take_over();
    world.pass(5);
    assert_eq!(world.sent(), [sent[1].clone()], "the record is all that is needed");
    world.engine.set_routing(with_credentials(&password()));
    world.receive(target(0), response(&second, 200, SDP));
    let sent = world.sent();
    assert_eq!(sent[1].summary(), "ACK > target0");
    assert_eq!(values(&sent[1].message(), "Authorization"), values(&second, "Authorization"));
}

#[test]
fn a_proxys_challenge_is_answered_in_the_proxys_field() {
    let mut world = world();
    let first = world.inviting();
    world.receive(target(0), challenge(&first, 407, &[MD5]));
    let second = world.the("INVITE > target0").message();
    let credentials = proves(&second, HeaderName::ProxyAuthorization, &ours());
    assert_eq!(credentials.algorithm.as_str(), "MD5");
    assert_eq!(values(&second, "Authorization"), Vec::<String>::new());
}

#[test]
fn one_that_does_not_accept_our_credentials_is_left_for_the_next_trunk() {
    let mut world = world();
    world.receive(caller(), invite_to("1", "+49", SDP));
    let first = world.the("INVITE > target0").message();
    world.receive(target(0), challenge(&first, 401, &[MD5]));
    let second = world.the("INVITE > target0").message();
    world.receive(target(0), challenge(&second, 401, &[MD5]));
    assert_eq!(world.summaries(), ["ACK > target0", "INVITE > target1"]);
}

#[test]
fn another_nonce_is_answered_if_nothing_else_was_wrong_but_not_for_ever() {
    let mut world = world();
    let mut last = world.inviting();
    for number in 1..=3 {
        let stale = MD5.replace("n1", &format!("n{number}"));
        let stale = if number == 1 { stale } else { stale + ", stale=true" };
        world.receive(target(0), challenge(&last, 401, &[&stale]));
        last = world.the("INVITE > target0").message();
        let credentials = proves(&last, HeaderName::Authorization, &ours());
        assert_eq!(credentials.nonce, format!("n{number}"));
        assert_eq!(values(&last, "Authorization").len(), 1);
    }
    world.receive(target(0), challenge(&last, 401, &[&(MD5.replace("n1", "n9") + ", stale=true")]));
    assert_eq!(world.summaries(), ["ACK > target0", "500 INVITE > caller"]);
    assert_eq!(&*world.cdr().cause.text, "the trunk refused our credentials");
}

#[test]
fn without_credentials_the_caller_is_not_asked_for_ours() {
    let mut world = World::new();
    let first = world.inviting();
    world.receive(target(0), challenge(&first, 401, &[MD5]));
    let sent = world.sent();
    assert_eq!(sent[1].summary(), "500 INVITE > caller");
    assert_eq!(values(&sent[1].message(), "WWW-Authenticate"), Vec::<String>::new());
}

#[test]
fn what_is_known_by_ha1_is_used_for_its_algorithm_only() {
    let mut world = World::new();
    let secret = TrunkSecret::Ha1 { md5: Some(ours().md5), sha256: None };
    world.engine.set_routing(with_credentials(&secret));
    let first = world.inviting();
    world.receive(target(0), challenge(&first, 401, &[SHA, MD5]));
    let second = world.the("INVITE > target0").message();
    let credentials = proves(&second, HeaderName::Authorization, &ours());
    assert_eq!(credentials.algorithm.as_str(), "MD5");
}

/// A call is up through a trunk that asked for credentials. Our INVITE, and the 200 to the caller.
fn up() -> (World, Message, Message) {
    let mut world = world();
    let first = world.inviting();
    world.receive(target(0), challenge(&first, 401, &[MD5]));
    let second = world.the("INVITE > target0").message();
    world.receive(target(0), response(&second, 200, SDP));
    let ok = world.the("200 INVITE > caller").message();
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    (world, second, ok)
}

#[test]
fn requests_within_the_dialog_bring_credentials_along_each_with_a_count_of_its_own() {
    let (mut world, invite, ok) = up();
    world.receive(caller(), request_from_caller("INFO", 2, &ok, ""));
    let info = world.the("INFO > target0").message();
    let first = proves(&info, HeaderName::Authorization, &ours());
    world.receive(caller(), request_from_caller("BYE", 3, &ok, ""));
    let bye = world.the("BYE > target0").message();
    let second = proves(&bye, HeaderName::Authorization, &ours());
    assert_eq!((first.nc, second.nc), (2, 3));
    assert_eq!((info.cseq().number, bye.cseq().number), (3, 4));
    assert_eq!(invite.cseq().number, 2);
}

#[test]
fn a_bye_that_is_challenged_is_sent_once_more_whoever_owns_the_call() {
    let (mut world, _, ok) = up();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let bye = world.the("BYE > target0").message();
    let stale = MD5.replace("n1", "n2");
    world.receive(target(0), challenge(&bye, 401, &[&stale]));
    let again = world.the("BYE > target0");
    let credentials = proves(&again.message(), HeaderName::Authorization, &ours());
    assert_eq!((&*credentials.nonce, credentials.nc), ("n2", 1));
    assert_eq!(again.message().cseq().number, bye.cseq().number + 1);
    world.receive(target(0), challenge(&bye, 401, &[&stale]));
    assert_eq!(world.summaries(), Vec::<String>::new(), "a late copy of the challenge");
    world.take_over();
    world.engine.set_routing(with_credentials(&password()));
    world.pass(5);
    world.sent();
    world.receive(target(0), challenge(&bye, 401, &[&stale]));
    assert_eq!(world.the("BYE > target0"), again);
    world.receive(target(0), response(&again.message(), 200, ""));
    world.pass(5_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
}

fn peer(by_source: bool) -> World {
    let mut world = World::new();
    world.engine.set_routing(with_policies(|name| {
        let secret = PeerSecret {
            username: "pbx".to_owned(),
            realm: "holdline".into(),
            ha1: ha1("pbx", "holdline", "theirs"),
        };
        let by_digest = (name == "pbx").then_some(secret);
        let by_source = by_source || name != "pbx";
        TrunkPolicy {
            proof: Proof { by_source, by_certificate: None, by_digest },
            ..TrunkPolicy::default()
        }
    }));
    world
}

/// An INVITE that answers a challenge.
fn answered(id: &str, challenge: &Message, password: &str, nc: u32) -> String {
    let challenge = Challenge::best(challenge.header_values(HeaderName::ProxyAuthenticate));
    let challenge = challenge.expect("a challenge");
    let invite = invite(id);
    let uri = invite.split(' ').nth(1).unwrap();
    let ha1 = ha1("pbx", &challenge.realm, password);
    let answer = Answer { username: "pbx", ha1: &ha1, method: "INVITE", uri, nc, cnonce: "c" };
    let field = format!("\r\nProxy-Authorization: {}\r\n", answer.to(&challenge));
    invite.replacen("\r\n", &field, 1)
}

#[test]
fn a_trunk_proves_its_calls_by_source_and_password() {
    let mut world = peer(true);
    world.receive(caller(), invite("1"));
    let asked = world.the("407 INVITE > caller").message();
    assert_eq!((world.proposed, world.engine.live_calls()), (0, 0), "without state");
    world.receive(caller(), answered("2", &asked, "wrong", 1));
    world.the("407 INVITE > caller");
    world.receive(target(7), answered("3", &asked, "theirs", 1));
    assert_eq!(world.sent()[0].message().status(), Some(403), "from elsewhere");
    world.receive(caller(), answered("4", &asked, "theirs", 1));
    let invite = world.the("INVITE > target0").message();
    assert_eq!(values(&invite, "Proxy-Authorization"), Vec::<String>::new());
    assert_eq!(&*world.record().admission.trunk, "pbx");
    // The same count for another call, and after a takeover.
    world.receive(caller(), answered("5", &asked, "theirs", 1));
    let again = world.the("407 INVITE > caller").message();
    assert!(values(&again, "Proxy-Authenticate")[0].contains("stale=true"));
    world.receive(caller(), answered("6", &again, "theirs", 1));
    world.the("INVITE > target0");
}

#[test]
fn a_trunk_may_be_known_by_its_password_alone_from_anywhere() {
    let mut world = peer(false);
    world.receive(target(7), invite("1"));
    let sent = world.sent();
    let asked = sent[0].message();
    assert_eq!(asked.status(), Some(407));
    world.receive(target(7), answered("2", &asked, "theirs", 1));
    world.the("INVITE > target0");
    assert_eq!(&*world.record().admission.trunk, "pbx");
}
