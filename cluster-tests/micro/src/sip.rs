//! Reading messages, and building those that the switch sends most.

use std::hint::black_box;

use bytes::Bytes;
use holdline_sip::message::{Builder, HeaderName, Message, Method, second_opinion};

use crate::calibrate;
use crate::meter::{Group, Meter, Pace, repeat};
use crate::samples::{
    SDP, callee, caller, carrier_invite, sipp_answer, sipp_invite, sipp_request, switch,
};
use crate::script::{CALLS, Script, routing};

const GROUP: Group = Group { name: "sip", pace: Pace::Processor };

pub(crate) fn run(meter: &mut dyn Meter) {
    if !meter.wants(&GROUP) {
        return;
    }
    calibrate::run(meter, &GROUP);
    let read = |bytes: &Bytes| Message::parse(bytes.clone()).expect("the samples are valid");
    let invite = read(&sipp_invite(1));
    let answer = read(&sipp_answer(1, &invite, "200 OK", SDP));
    let ack = read(&sipp_request(1, "ACK", 1, &answer));
    let carrier = read(&carrier_invite());
    for (name, message) in [
        ("parse_sipp_invite", &invite),
        ("parse_sipp_ok", &answer),
        ("parse_sipp_ack", &ack),
        ("parse_carrier_invite", &carrier),
    ] {
        repeat(meter, &GROUP, name, || Message::parse(message.bytes().clone()));
    }
    let datagrams = Script::record().datagrams();
    meter.case(&GROUP, "parse_whole_call", CALLS, &mut |stopwatch| {
        stopwatch.time(&mut || {
            for datagram in &datagrams {
                drop(black_box(Message::parse(datagram.clone())));
            }
        });
    });
    let routing = routing();
    // What the switch does with an INVITE's bytes, without transactions and consensus.
    for (name, invite) in [("invite_through", &invite), ("carrier_invite_through", &carrier)] {
        repeat(meter, &GROUP, name, || {
            let read = Message::parse(invite.bytes().clone()).expect("the samples are valid");
            let targets = routing.targets(read.request_uri().unwrap_or_default(), switch());
            (targets, relayed_invite(&read))
        });
    }
    // rsip alone, which routes nothing and writes the same message again.
    let text = std::str::from_utf8(invite.bytes()).expect("the samples are valid");
    assert!(second_opinion::rewrite(text).is_some(), "rsip reads the sample");
    repeat(meter, &GROUP, "rsip_parse_sipp_invite", || second_opinion::read(text));
    repeat(meter, &GROUP, "rsip_invite_through", || second_opinion::rewrite(text));
    repeat(meter, &GROUP, "build_trying", || trying(&invite));
    repeat(meter, &GROUP, "build_ack", || in_dialog(&answer));
    repeat(meter, &GROUP, "build_relayed_invite", || relayed_invite(&invite));
    repeat(meter, &GROUP, "build_relayed_carrier_invite", || relayed_invite(&carrier));
    repeat(meter, &GROUP, "build_relayed_ok", || relayed_answer(&invite, &answer));
}

fn trying(invite: &Message) -> Bytes {
    Builder::response_to(invite, 100, "").with_source(caller()).finish()
}

/// A request of ours within a dialog.
fn in_dialog(answer: &Message) -> Bytes {
    head(&Method::Ack, answer.contact_uri().unwrap_or_default())
        .header(HeaderName::From, answer.from().raw)
        .header(HeaderName::To, answer.to().raw)
        .finish()
}

/// As the call engine builds it: what is one leg's own is written anew, the rest goes through.
fn relayed_invite(invite: &Message) -> Bytes {
    let builder = head(&Method::Invite, &format!("sip:+14155550100@{}", callee()))
        .header(HeaderName::From, "\"caller\" <sip:+14155551@127.0.0.31>;tag=hl0000123b")
        .header(HeaderName::To, invite.to().raw)
        .header(HeaderName::Contact, format!("<sip:{}>", switch()))
        .header(HeaderName::Allow, ALLOW);
    through(builder, invite).body(invite.body())
}

fn relayed_answer(invite: &Message, answer: &Message) -> Bytes {
    let builder = Builder::response_to(invite, 200, "OK")
        .with_source(caller())
        .to_tag("hl0000000000000000123a")
        .record_routes_of(invite)
        .header(HeaderName::Contact, format!("<sip:{}>", switch()))
        .header(HeaderName::Allow, ALLOW);
    through(builder, answer).body(answer.body())
}

/// The header fields that every request of ours has, but for From and To.
fn head(method: &Method, uri: &str) -> Builder {
    Builder::request(method, uri)
        .header(HeaderName::Via, format!("SIP/2.0/UDP {};branch=z9hG4bKhl00123.i0", switch()))
        .header(HeaderName::MaxForwards, "69")
        .header(HeaderName::CallId, "hl0000000000000000123c")
        .header(HeaderName::CSeq, format!("1 {method}"))
}

fn through(builder: Builder, from: &Message) -> Builder {
    from.headers()
        .filter(|header| !is_one_legs_own(header.name))
        .fold(builder, |builder, header| builder.header_named(header.raw_name, header.value))
}

const fn is_one_legs_own(name: HeaderName) -> bool {
    use HeaderName as H;
    matches!(
        name,
        H::Via
            | H::From
            | H::To
            | H::CallId
            | H::CSeq
            | H::MaxForwards
            | H::ContentLength
            | H::RecordRoute
            | H::Contact
            | H::Allow
            | H::Supported
            | H::SessionExpires
            | H::MinSe
    )
}

const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";
