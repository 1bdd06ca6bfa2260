//! Transfers with three phones: alice, who transfers, bob at the first carrier, carol at the second.

use std::sync::Arc;

use holdline_model::{CallId, CallRecord, HangupBy, Transport};
use holdline_sip::message::{HeaderName, Message, Uri};

use super::driver::*;
use crate::registrar::{Directory, Unreadable};
use crate::{Route, Routing};

/// +1 is bob, +44 is carol, +7 is alice.
fn world() -> World {
    let mut world = World::new();
    world.engine.set_routing(routing_of_three());
    world
}

fn routing_of_three() -> Arc<Routing> {
    let route = |prefix: &str, trunk: &str| Route {
        prefix: prefix.to_owned(),
        trunks: vec![trunk.into()],
        ..Route::default()
    };
    let plain = routing_over(Transport::Udp);
    let routes = vec![route("+1", "carrier-a"), route("+44", "carrier-b"), route("+7", "pbx")];
    Arc::new(Routing::new(plain.trunks().to_vec(), routes).unwrap())
}

/// Alice calls a number, which is at this carrier; what the call looks like at both ends.
fn call(world: &mut World, id: &str, number: &str, at: u8) -> (Message, Message) {
    world.receive(caller(), invite_to(id, number, SDP));
    let invite = world.the(&format!("INVITE > target{at}")).message();
    world.receive(target(at), ok_of(at, &invite, &format!("tag{at}")));
    let ok = world.the("200 INVITE > caller").message();
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.sent();
    (invite, ok)
}

/// The 200 of the phone at a carrier.
fn ok_of(at: u8, invite: &Message, tag: &str) -> String {
    let ok = String::from_utf8(response_tagged(invite, 200, SDP, tag).to_vec()).unwrap();
    ok.replace(&target(0).to_string(), &target(at).to_string())
}

/// A REFER of alice's within the dialog that this answer made.
fn refer(ok: &Message, refer_to: &str) -> String {
    let refer = request_from_caller("REFER", 2, ok, "");
    let fields = format!("\r\nContact: <sip:alice@192.0.2.10>\r\nRefer-To: {refer_to}\r\n");
    refer.replacen("\r\n", &fields, 1)
}

/// What a phone sends that was referred: the INVITE that the Refer-To asks for.
fn referred(from: &str, refer: &Message) -> String {
    let value = values(refer, "Refer-To").remove(0);
    let uri = value.trim_start_matches('<').split('>').next().unwrap().to_owned();
    let parsed = Uri::parse(&uri).unwrap();
    let fields = parsed.headers.map_or(String::new(), |headers| {
        let text = headers.replacen('=', ": ", 1).replace("%3B", ";").replace("%3D", "=");
        format!("{}\r\n", text.replace("%40", "@"))
    });
    let (to, _) = uri.split_once('?').unwrap_or((&uri, ""));
    let sdp = SDP.len();
    format!(
        "INVITE {to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKreferred\r\n\
         From: <sip:bob@{from}>;tag=referred\r\nTo: <{to}>\r\nCall-ID: referred\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:bob@{from}>\r\nMax-Forwards: 70\r\n{fields}\
         Require: replaces\r\nContent-Type: application/sdp\r\nContent-Length: {sdp}\r\n\r\n{SDP}"
    )
}

/// The name of alice's dialog as she knows it, in a Refer-To.
fn replaces(ok: &Message) -> String {
    let call_id = ok.call_id().replace('@', "%40");
    let (theirs, ours) = (ok.to().tag.unwrap(), ok.from().tag.unwrap());
    format!("<sip:+44@192.0.2.1?Replaces={call_id}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}>")
}

#[test]
fn an_attended_transfer_goes_through() {
    let mut world = world();
    let (with_bob, to_bob) = call(&mut world, "1", "+1", 0);
    let (with_carol, to_carol) = call(&mut world, "2", "+44", 1);
    world.receive(caller(), refer(&to_bob, &replaces(&to_carol)));
    let refer = world.the("REFER > target0").message();
    let seen = String::from_utf8_lossy(refer.bytes()).into_owned();
    for secret in ["from2", "call2", "tag1"] {
        assert!(!seen.contains(secret), "{secret} is nothing that bob may see: {seen}");
    }
    world.receive(target(0), response_tagged(&refer, 202, "", "tag0"));
    assert_eq!(world.summaries(), ["202 REFER > caller"]);
    // The replicated state is all that is needed.
    world.take_over();
    world.engine.set_routing(routing_of_three());
    world.pass(100);
    world.sent();
    world.receive(target(0), referred("198.51.100.1:5060", &refer));
    let invite = world.the("INVITE > target1").message();
    let carols =
        format!("{};to-tag=tag1;from-tag={}", with_carol.call_id(), with_carol.from().tag.unwrap());
    assert_eq!(values(&invite, "Replaces"), [carols]);
    assert_eq!(invite.request_uri(), Some("sip:bob@198.51.100.2:5060"), "where carol is");
    assert_eq!(values(&invite, "Require"), ["replaces"]);
    world.receive(target(1), ok_of(1, &invite, "new"));
    assert_eq!(world.summaries(), ["200 INVITE > target0", "ACK > target1"]);
    // Carol ends the call that is replaced; alice is told, and ends the other one.
    let bye = request_from_callee("BYE", 7, &with_carol).replace("tag=callee", "tag=tag1");
    world.receive(target(1), bye);
    assert!(world.summaries().contains(&"BYE > caller".to_owned()));
    let _ = with_bob;
    world.receive(caller(), request_from_caller("BYE", 3, &to_bob, ""));
    assert!(world.summaries().contains(&"BYE > target0".to_owned()));
    let ended: Vec<HangupBy> = world.state.cdrs.values().map(|cdr| cdr.hangup_by).collect();
    assert_eq!(ended, [HangupBy::Callee, HangupBy::Caller]);
    assert_eq!(world.engine.live_calls(), 1, "bob and carol talk");
}

#[test]
fn a_blind_transfer_is_a_new_call_of_whoever_is_referred() {
    let mut world = world();
    let (_, to_bob) = call(&mut world, "1", "+1", 0);
    world.receive(caller(), refer(&to_bob, "<sip:+44@192.0.2.1>"));
    let refer = world.the("REFER > target0").message();
    assert_eq!(values(&refer, "Refer-To"), ["<sip:+44@192.0.2.1:5060>"]);
    world.receive(target(0), referred("198.51.100.1:5060", &refer));
    let invite = world.the("INVITE > target1").message();
    assert_eq!(values(&invite, "Replaces"), Vec::<String>::new());
}

#[test]
fn the_call_that_is_replaced_may_be_another_nodes() {
    #[derive(Debug)]
    struct Others(CallRecord);
    impl Directory for Others {
        fn applied(&self) -> u64 {
            0
        }
        fn user(
            &self,
            _: &holdline_model::Aor,
        ) -> Result<Option<holdline_model::UserRecord>, Unreadable> {
            Ok(None)
        }
        fn location(
            &self,
            _: &holdline_model::Aor,
        ) -> Result<Option<holdline_model::LocationRecord>, Unreadable> {
            Ok(None)
        }
        fn call(&self, call: CallId) -> Result<Option<CallRecord>, Unreadable> {
            Ok((call == self.0.call).then(|| self.0.clone()))
        }
    }
    let mut world = world();
    let (_, to_bob) = call(&mut world, "1", "+1", 0);
    let (_, to_carol) = call(&mut world, "2", "+44", 1);
    let mut calls = world.state.calls.values();
    let record = calls.find(|record| record.admission.call_id == to_carol.call_id()).unwrap();
    let record = record.clone();
    world.engine.forget(record.call);
    world.engine.registrar.directory = Arc::new(Others(record));
    world.receive(caller(), refer(&to_bob, &replaces(&to_carol)));
    let refer = world.the("REFER > target0").message();
    world.receive(target(0), referred("198.51.100.1:5060", &refer));
    let invite = world.the("INVITE > target1").message();
    assert!(values(&invite, "Replaces")[0].contains("to-tag=tag1"));
}

#[test]
fn who_is_replaced_may_have_been_the_caller() {
    let mut world = world();
    // Bob calls alice; carol takes alice's place by the name of the dialog that alice knows.
    let invite = invite_to("1", "+7", SDP).replace("192.0.2.10", "198.51.100.1");
    world.receive(target(0), invite);
    let at_alice = world.the("INVITE > caller").message();
    let ok = String::from_utf8(response_tagged(&at_alice, 200, SDP, "alices").to_vec()).unwrap();
    world.receive(caller(), ok.replace(&target(0).to_string(), &caller().to_string()));
    let ok = world.the("200 INVITE > target0").message();
    world.receive(
        target(0),
        request_from_caller("ACK", 1, &ok, "").replace("192.0.2.10", "198.51.100.1"),
    );
    let name =
        format!("{};to-tag={};from-tag=alices", at_alice.call_id(), at_alice.from().tag.unwrap());
    let invite =
        invite_to("2", "+9", SDP).replace("X-Custom", &format!("Replaces: {name}\r\nX-Custom"));
    world.receive(target(1), invite.replace("192.0.2.10", "198.51.100.2"));
    let replacing = world.the("INVITE > target0").message();
    assert_eq!(
        values(&replacing, "Replaces"),
        [format!("call1@198.51.100.1;to-tag=from1;from-tag={}", ok.to().tag.unwrap())]
    );
}

#[test]
fn a_dialog_that_is_not_there_is_481_and_so_is_one_whose_tags_are_wrong() {
    let mut world = world();
    let (_, ok) = call(&mut world, "1", "+1", 0);
    let ours = ok.to().tag.unwrap();
    for name in [
        "x;to-tag=1;from-tag=2".to_owned(),
        "nonsense".to_owned(),
        format!("call1@192.0.2.10;to-tag={ours};from-tag=guessed"),
        format!("guessed;to-tag={ours};from-tag=from1"),
        format!("call1@192.0.2.10;to-tag={ours};from-tag=from1;early-only"),
    ] {
        let invite = invite_to("2", "+44", SDP)
            .replace("X-Custom", &format!("Replaces: {name}\r\nX-Custom"));
        world.receive(caller(), invite);
        assert_eq!(world.summaries(), ["481 INVITE > caller"], "{name}");
    }
}

#[test]
fn a_target_dialog_is_named_as_the_callee_knows_it() {
    let mut world = world();
    let (at_carol, ok) = call(&mut world, "1", "+44", 1);
    let (ours, theirs) = (ok.to().tag.unwrap(), ok.from().tag.unwrap());
    let name = format!("call1@192.0.2.10;local-tag={ours};remote-tag={theirs}");
    let field = format!("Target-Dialog: {name}\r\nX-Custom");
    world.receive(caller(), invite_to("2", "+44", SDP).replace("X-Custom", &field));
    let invite = world.the("INVITE > target1").message();
    let carols = format!(
        "{};local-tag=tag1;remote-tag={}",
        at_carol.call_id(),
        at_carol.from().tag.unwrap()
    );
    assert_eq!(values(&invite, "Target-Dialog"), [carols]);
    world.receive(
        caller(),
        invite_to("3", "+44", SDP)
            .replace("X-Custom", "Target-Dialog: x;local-tag=1;remote-tag=2\r\nX-Custom"),
    );
    let invite = world.the("INVITE > target1").message();
    assert_eq!(values(&invite, "Target-Dialog"), Vec::<String>::new());
    assert_eq!(invite.header(HeaderName::Replaces), None);
}
