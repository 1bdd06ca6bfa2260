//! Calls to a user with several devices: they ring together (RFC 3261 section 16.7).

use holdline_model::{Binding, CallRecord, Disposition, Hop, LocationRecord, Millis};
use holdline_sip::message::{Builder, HeaderName, Message};

use super::driver::{SDP, values};
use super::registrar_world::{OURS, SLOT, START, World, addr, aor};
use crate::Input;

const CARRIER: &str = "198.51.100.1:5060";
const DESK: &str = "203.0.113.1:5060";
const SOFT: &str = "203.0.113.2:5060";
const CELL: &str = "203.0.113.3:5060";

/// Calls to bob, whose devices are these, each with its preference.
struct Call {
    world: World,
    invites: Vec<(String, Message)>,
}

impl Call {
    fn to(devices: &[(&str, u16)]) -> Self {
        Self::with(devices, "", 8)
    }

    fn with(devices: &[(&str, u16)], fields: &str, at_once: usize) -> Self {
        let world = World::with(|options| {
            options.max_branches = at_once.try_into().unwrap();
        });
        let bindings = (0..).zip(devices).map(|(index, (device, q))| Binding {
            key: (*device).to_owned(),
            contact: format!("sip:bob@{device}"),
            q: *q,
            path: Vec::new(),
            instance: None,
            reg_id: None,
            call_id: format!("r{index}"),
            cseq: 1,
            hop: Hop::udp(addr(OURS), addr(device)),
            at: Millis(START - index),
            granted_s: 3_600,
            until: Millis(u64::MAX),
        });
        let aor = aor("bob");
        let location = LocationRecord {
            aor: aor.clone(),
            bindings: bindings.collect(),
            requests: Vec::new(),
            former: Vec::new(),
        };
        world.state.0.lock().unwrap().locations.insert(aor, location);
        let mut call = Self { world, invites: Vec::new() };
        call.receive(CARRIER, invite(fields));
        call.invites = call.take_invites();
        call
    }

    fn take_invites(&mut self) -> Vec<(String, Message)> {
        let sent = self.world.sent.iter();
        let invites = sent
            .filter(|(_, message)| message.is_request() && message.method().as_str() == "INVITE");
        invites.map(|(hop, message)| (hop.peer.to_string(), message.clone())).collect()
    }

    fn receive(&mut self, peer: &str, bytes: impl Into<bytes::Bytes>) {
        self.world.sent.clear();
        let message = Message::parse(bytes.into()).unwrap();
        let hop = Hop::udp(addr(OURS), addr(peer));
        self.world.input(Input::Sip { hop, message, slot: SLOT });
    }

    /// A device answers its INVITE; what was sent then, in short.
    fn answer(&mut self, device: &str, status: u16, sdp: &str) -> Vec<String> {
        let invite = self.invite(device).clone();
        self.receive(device, response(&invite, device, status, sdp));
        self.sent()
    }

    fn invite(&self, device: &str) -> &Message {
        let found = self.invites.iter().rfind(|(to, _)| to == device);
        &found.unwrap_or_else(|| panic!("{device} was not called")).1
    }

    fn sent(&self) -> Vec<String> {
        self.world.sent.iter().map(|(hop, message)| summary(hop, message)).collect()
    }

    /// The message of the last ones sent that has this summary.
    fn the(&self, what: &str) -> Message {
        let mut sent = self.world.sent.iter();
        let found = sent.find(|(hop, message)| summary(hop, message) == what);
        found.unwrap_or_else(|| panic!("{what}: {:?}", self.sent())).1.clone()
    }

    fn pass(&mut self, ms: u64) {
        self.world.sent.clear();
        let end = self.world.now + ms;
        loop {
            let owner = self.world.owner;
            let next = self.world.nodes[owner].next_timer().map(|at| at.0);
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.world.now = self.world.now.max(next);
            self.world.input(Input::Tick);
        }
        self.world.now = end;
    }

    /// Another node takes the call over; what it then sends at once.
    fn take_over(&mut self) -> Vec<String> {
        self.world.take_over();
        self.pass(100);
        let mut sent = self.sent();
        sent.sort();
        sent
    }

    fn record(&self) -> CallRecord {
        self.world.state.0.lock().unwrap().calls.values().next().unwrap().clone()
    }

    fn bill(&self) -> (Disposition, u16) {
        let state = self.world.state.0.lock().unwrap();
        let cdr = state.cdrs.values().next().unwrap();
        (cdr.disposition, cdr.cause.status)
    }
}

fn summary(hop: &Hop, message: &Message) -> String {
    let who = match hop.peer.to_string().as_str() {
        CARRIER => "caller",
        DESK => "desk",
        SOFT => "soft",
        CELL => "cell",
        _ => "somebody",
    };
    match message.status() {
        Some(status) => format!("{status} {} > {who}", message.method()),
        None => format!("{} > {who}", message.method()),
    }
}

fn invite(fields: &str) -> String {
    format!(
        "INVITE sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP {CARRIER};branch=z9hG4bKcaller\r\n\
         From: <sip:+491@198.51.100.1>;tag=f\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: c1@198.51.100.1\r\nCSeq: 1 INVITE\r\nContact: <sip:+491@{CARRIER}>\r\n\
         Max-Forwards: 70\r\n{fields}Supported: 100rel, timer\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn cancel() -> String {
    let invite = invite("");
    let head = invite.split("Contact").next().unwrap();
    head.replace("INVITE", "CANCEL") + "Content-Length: 0\r\n\r\n"
}

fn response(invite: &Message, device: &str, status: u16, sdp: &str) -> bytes::Bytes {
    let mut builder = Builder::response_to(invite, status, "");
    if status > 100 {
        let tag = format!("t{}", device.replace([':', '.'], ""));
        let contact = format!("<sip:bob@{device}>");
        builder = builder.to_tag(&tag).header(HeaderName::Contact, contact);
    }
    if !sdp.is_empty() {
        builder = builder.header(HeaderName::ContentType, "application/sdp");
    }
    builder.body(sdp.as_bytes())
}

const THREE: [(&str, u16); 3] = [(DESK, 1_000), (SOFT, 1_000), (CELL, 500)];

#[test]
fn devices_of_one_preference_ring_together_each_with_a_branch_of_its_own() {
    let mut call = Call::to(&THREE);
    assert_eq!(call.sent(), ["100 INVITE > caller", "INVITE > desk", "INVITE > soft"]);
    let (desk, soft) = (call.invite(DESK), call.invite(SOFT));
    assert_ne!(desk.top_via().branch, soft.top_via().branch);
    assert_eq!((desk.cseq().number, soft.cseq().number), (1, 2));
    assert_eq!(values(desk, "Supported"), ["timer"], "no reliable provisional answers");
    assert_eq!(call.answer(DESK, 180, ""), ["180 INVITE > caller"]);
    let of_desk = call.the("180 INVITE > caller").to().tag.unwrap().to_owned();
    assert_eq!(call.answer(SOFT, 183, SDP), ["183 INVITE > caller"]);
    let of_soft = call.the("183 INVITE > caller").to().tag.unwrap().to_owned();
    assert_ne!(of_desk, of_soft, "each makes an early dialog");
}

#[test]
fn the_first_2xx_wins_and_the_others_are_cancelled_once_they_are_heard() {
    let mut call = Call::to(&[(DESK, 1_000), (SOFT, 1_000), (CELL, 1_000)]);
    call.answer(DESK, 180, "");
    let sent = call.answer(SOFT, 200, SDP);
    assert_eq!(sent, ["200 INVITE > caller", "ACK > soft", "CANCEL > desk"]);
    assert_eq!(call.record().attempt, 1);
    assert_eq!(call.record().losers(), [0, 2]);
    // Nothing was heard of the third: it is asked again, and told when it says something.
    assert_eq!(call.answer(CELL, 180, ""), ["CANCEL > cell"]);
    let cancel = call.the("CANCEL > cell");
    assert_eq!(cancel.top_via().branch, call.invite(CELL).top_via().branch);
    assert_eq!(call.answer(CELL, 487, ""), ["ACK > cell"]);
    assert_eq!(call.answer(DESK, 487, ""), ["ACK > desk"]);
    call.pass(1_000);
    assert!(call.record().losers().is_empty(), "that is committed");
    assert_eq!(call.take_over(), ["200 INVITE > caller", "ACK > soft"]);
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_hung_up_and_acknowledged() {
    let mut call = Call::to(&THREE);
    call.answer(DESK, 180, "");
    call.answer(SOFT, 180, "");
    call.answer(SOFT, 200, SDP);
    assert_eq!(call.answer(DESK, 200, SDP), ["BYE > desk"]);
    let bye = call.the("BYE > desk");
    assert_eq!(bye.to().tag, Some("t203011315060"));
    call.receive(DESK, response(&bye, DESK, 200, ""));
    assert_eq!(call.sent(), ["ACK > desk"]);
    assert!(call.world.state.0.lock().unwrap().cdrs.is_empty(), "the call is up");
}

#[test]
fn a_failure_is_acknowledged_when_it_is_committed_and_that_device_rings_no_more() {
    let mut call = Call::to(&THREE);
    assert_eq!(call.answer(DESK, 486, ""), ["ACK > desk"]);
    assert_eq!(call.take_over(), ["INVITE > soft"]);
    assert_eq!(call.the("INVITE > soft").bytes(), call.invite(SOFT).bytes());
    // The best failure is remembered over the takeover, and over the next round.
    assert_eq!(call.answer(SOFT, 408, ""), ["ACK > soft", "INVITE > cell"]);
    call.invites = call.take_invites();
    assert_eq!(call.take_over(), ["INVITE > cell"]);
    let sent = call.answer(CELL, 480, "");
    assert_eq!(sent, ["ACK > cell", "486 INVITE > caller"]);
    assert_eq!(call.bill(), (Disposition::Busy, 486));
}

#[test]
fn a_6xx_ends_the_search_for_all() {
    let mut call = Call::to(&THREE);
    call.answer(DESK, 180, "");
    call.pass(1_000);
    assert_eq!(call.answer(SOFT, 603, ""), ["ACK > soft", "CANCEL > desk"]);
    assert_eq!(call.take_over(), ["CANCEL > desk"]);
    assert_eq!(call.answer(DESK, 487, ""), ["ACK > desk", "603 INVITE > caller"]);
    assert_eq!(call.bill(), (Disposition::Busy, 603));
}

#[test]
fn a_2xx_wins_even_after_a_6xx() {
    let mut call = Call::to(&THREE);
    call.answer(DESK, 180, "");
    call.answer(SOFT, 600, "");
    let sent = call.answer(DESK, 200, SDP);
    assert_eq!(sent, ["200 INVITE > caller", "ACK > desk"]);
}

#[test]
fn the_caller_gives_up_and_all_are_cancelled() {
    let mut call = Call::to(&THREE);
    call.answer(DESK, 180, "");
    call.receive(CARRIER, cancel());
    assert_eq!(call.sent(), ["200 CANCEL > caller", "CANCEL > desk"]);
    assert_eq!(call.answer(SOFT, 180, ""), ["CANCEL > soft"]);
    assert_eq!(call.answer(DESK, 487, ""), ["ACK > desk"]);
    assert_eq!(call.answer(SOFT, 487, ""), ["ACK > soft", "487 INVITE > caller"]);
    assert_eq!(call.bill(), (Disposition::Canceled, 487));
}

#[test]
fn one_that_answers_a_call_that_was_given_up_is_hung_up_and_the_others_are_told() {
    let mut call = Call::to(&THREE);
    call.answer(DESK, 180, "");
    call.answer(SOFT, 180, "");
    call.receive(CARRIER, cancel());
    let sent = call.answer(SOFT, 200, SDP);
    assert_eq!(sent, ["ACK > soft", "BYE > soft", "487 INVITE > caller"]);
    assert_eq!(call.record().losers(), [0]);
    let sent = call.take_over();
    assert_eq!(sent, ["487 INVITE > caller", "ACK > soft", "BYE > soft", "CANCEL > desk"]);
    assert_eq!(call.answer(DESK, 487, ""), ["ACK > desk"]);
}

#[test]
fn early_media_of_several_is_relayed_again_by_the_next_owner() {
    let mut call = Call::to(&THREE);
    call.answer(DESK, 183, SDP);
    let desk = call.the("183 INVITE > caller");
    call.answer(SOFT, 183, SDP);
    let soft = call.the("183 INVITE > caller");
    assert_eq!(call.take_over(), ["183 INVITE > caller", "183 INVITE > caller"]);
    let again: Vec<&Message> = call.world.sent.iter().map(|(_, message)| message).collect();
    assert_eq!([again[0].bytes(), again[1].bytes()], [desk.bytes(), soft.bytes()]);
}

#[test]
fn the_dialog_is_the_winners() {
    let mut call = Call::to(&THREE);
    call.answer(DESK, 183, SDP);
    let early = call.the("183 INVITE > caller");
    call.answer(SOFT, 200, SDP);
    let ok = call.the("200 INVITE > caller");
    let request = |method: &str, cseq: u32, of: &Message| {
        format!(
            "{method} sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK{method}{cseq}\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n",
            of.from().text(),
            of.to().text(),
            of.call_id()
        )
    };
    call.receive(CARRIER, request("ACK", 1, &ok));
    call.receive(CARRIER, request("INFO", 2, &early));
    assert_eq!(call.sent(), ["481 INFO > caller"]);
    call.receive(CARRIER, request("INFO", 3, &ok));
    assert_eq!(call.sent(), ["INFO > soft"]);
    call.receive(CARRIER, request("BYE", 4, &ok));
    assert_eq!(call.sent(), ["200 BYE > caller", "BYE > soft"]);
}

#[test]
fn of_many_devices_so_many_ring_together_as_may() {
    let call = Call::with(&[(DESK, 1_000), (SOFT, 1_000), (CELL, 1_000)], "", 2);
    assert_eq!(call.sent(), ["100 INVITE > caller", "INVITE > desk", "INVITE > soft"]);
    let together: Vec<bool> = call.record().targets.iter().map(|target| target.together).collect();
    assert_eq!(together, [false, true, false]);
}

#[test]
fn for_a_caller_that_insists_on_reliable_answers_they_ring_one_after_the_other() {
    let mut call = Call::with(&THREE, "Require: 100rel\r\n", 8);
    assert_eq!(call.sent(), ["100 INVITE > caller", "INVITE > desk"]);
    assert_eq!(call.answer(DESK, 404, ""), ["ACK > desk", "INVITE > soft"]);
}

#[test]
fn a_device_that_says_nothing_is_given_up_and_the_others_ring_on() {
    let mut call = Call::to(&THREE);
    call.answer(SOFT, 180, "");
    call.pass(32_000);
    assert!(call.record().is_over(0));
    assert_eq!(call.take_over(), Vec::<String>::new(), "nobody is rung anew");
    assert_eq!(call.answer(SOFT, 200, SDP)[..2], ["200 INVITE > caller", "ACK > soft"]);
}
