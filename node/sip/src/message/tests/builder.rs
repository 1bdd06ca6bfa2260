//! What the builder writes.

use super::super::{Builder, HeaderName, Method};
use super::samples::{SIPP_INVITE, TRUNK_INVITE};
use super::taken;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn writes_a_request() {
    let bytes = Builder::request(&Method::Invite, "sip:b@192.0.2.1")
        .header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx")
        .header(HeaderName::CSeq, "1 INVITE")
        .header_named("x-own", "1")
        .header_named("m", "<sip:192.0.2.9>")
        .header(HeaderName::ContentType, "application/sdp")
        .body(b"v=0\r\n");
    assert_eq!(
        text(&bytes),
        "INVITE sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx\r\n\
         CSeq: 1 INVITE\r\nx-own: 1\r\nContact: <sip:192.0.2.9>\r\nContent-Type: application/sdp\r\n\
         Content-Length: 5\r\n\r\nv=0\r\n"
    );
}

#[test]
fn writes_a_response_to_a_request() {
    let invite = taken(TRUNK_INVITE);
    let bytes = Builder::response_to(&invite, 180, "")
        .with_source("[2001:db8::3]:40000".parse().unwrap())
        .to_tag("hl1")
        .record_routes_of(&invite)
        .finish();
    assert_eq!(
        text(&bytes),
        "SIP/2.0 180 Ringing\r\n\
         Via: SIP/2.0/UDP [2001:db8::2]:5080;branch=z9hG4bKa;received=2001:db8::3;rport=40000\r\n\
         Via: SIP/2.0/TCP gw.example.com;branch=z9hG4bKb\r\n\
         Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKc;received=198.51.100.9\r\n\
         From: \"Doe, \\\"J\\\"\" <sip:+4930111@example.com;user=phone>;tag=abc\r\n\
         Call-ID: 4b2e@gw.example.com\r\n\
         CSeq: 4711   INVITE\r\n\
         To: <tel:+49301234567>;tag=hl1\r\n\
         Record-Route: <sip:p1.example.com;lr>,<sip:p2.example.com;lr;x=a>\r\n\
         Record-Route: <sip:p3.example.com;lr>\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_value_put_together_here_cannot_break_out_either() {
    let bytes = Builder::request(&Method::Ack, "sip:b@192.0.2.1")
        .header_display(HeaderName::CSeq, format_args!("{} {}", 7, Method::Ack))
        .header_display(HeaderName::Subject, format_args!("a{}X-Evil: 1", "\r\n"))
        .header_display(HeaderName::ContentLength, 77)
        .finish();
    assert_eq!(
        text(&bytes),
        "ACK sip:b@192.0.2.1 SIP/2.0\r\nCSeq: 7 ACK\r\nSubject: a  X-Evil: 1\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn source_and_tag_may_come_in_any_order() {
    let invite = taken(TRUNK_INVITE);
    let source = "[2001:db8::3]:40000".parse().unwrap();
    let one = Builder::response_to(&invite, 180, "").with_source(source).to_tag("hl1");
    let other = Builder::response_to(&invite, 180, "").to_tag("hl1").with_source(source);
    assert_eq!(one.clone().finish(), other.finish());
    // A second time changes nothing.
    assert_eq!(one.clone().with_source(source).to_tag("hl2").finish(), one.finish());
}

#[test]
fn says_where_a_request_came_from() {
    for (params, source, expected) in [
        (";branch=z", "127.0.0.1:9", ";branch=z"),
        (";branch=z", "127.0.0.2:9", ";branch=z;received=127.0.0.2"),
        (";rport;branch=z", "127.0.0.1:9", ";branch=z;received=127.0.0.1;rport=9"),
        (";rport=;branch=z", "127.0.0.1:9", ";branch=z;received=127.0.0.1;rport=9"),
        (
            ";rport=77;received=1.1.1.1;branch=z",
            "127.0.0.1:9",
            ";branch=z;received=127.0.0.1;rport=9",
        ),
        (";received=1.1.1.1;branch=z;ttl=1;q=\"a;b\"", "127.0.0.1:9", ";branch=z;ttl=1;q=\"a;b\""),
        (";branch=z", "[::ffff:127.0.0.2]:9", ";branch=z;received=127.0.0.2"),
        (";branch=z", "[::ffff:127.0.0.1]:9", ";branch=z"),
    ] {
        let invite = SIPP_INVITE.replace(";branch=z9hG4bK-4711-1-0", params);
        let bytes = Builder::response_to(&taken(invite), 100, "")
            .with_source(source.parse().unwrap())
            .finish();
        let response = taken(bytes);
        assert_eq!(response.top_via().raw, format!("SIP/2.0/UDP 127.0.0.1:5061{expected}"));
    }
}

#[test]
fn a_name_in_sent_by_gets_received() {
    let invite = SIPP_INVITE.replace("UDP 127.0.0.1:5061", "UDP gw.example.com");
    let response = Builder::response_to(&taken(invite), 100, "")
        .with_source("127.0.0.1:5061".parse().unwrap())
        .finish();
    assert_eq!(taken(response).top_via().received, Some("127.0.0.1"));
}

#[test]
fn a_to_with_a_tag_keeps_it() {
    let bye = taken(super::samples::SIPP_BYE);
    let response = taken(Builder::response_to(&bye, 481, "").to_tag("other").finish());
    assert_eq!(response.to().tag, Some("hl003f0123456789abcdefa"));
}

#[test]
fn no_value_breaks_out_of_its_line() {
    let bytes = Builder::request(&Method::Bye, "sip:a@b SIP/2.0\r\nX: 1")
        .header(HeaderName::Subject, "a\r\nX: 1\nY: 2\rZ: 3")
        .header_named("X\r\nY", "dropped")
        .header_named("", "dropped")
        .header(HeaderName::Other, "dropped")
        .header(HeaderName::ContentLength, "17")
        .header_named("l", "17")
        .finish();
    assert_eq!(
        text(&bytes),
        "BYE sip:a@b SIP/2.0  X: 1 SIP/2.0\r\nSubject: a  X: 1 Y: 2 Z: 3\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(
        &Builder::response(486, "a\r\nb").finish()[..],
        b"SIP/2.0 486 a  b\r\nContent-Length: 0\r\n\r\n"
    );
}
