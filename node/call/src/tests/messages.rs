use holdline_model::Token;

use super::driver::*;

#[test]
fn the_outgoing_invite_is_derived_from_the_stored_one() {
    let mut world = World::new();
    let out = world.inviting();
    let call = world.call();
    assert_eq!(out.request_uri(), Some("sip:+1555@198.51.100.1:5060"));
    let branch = Token::branch(call, "i0");
    assert_eq!(values(&out, "Via"), [format!("SIP/2.0/UDP 192.0.2.1:5060;branch={branch}")]);
    let tag = Token::callee_tag(call);
    assert_eq!(values(&out, "From"), [format!("\"Alice\" <sip:alice@192.0.2.10>;tag={tag}")]);
    assert_eq!(values(&out, "To"), ["<sip:+1555@192.0.2.1>"]);
    assert_eq!(values(&out, "Call-ID"), [Token::callee_call_id(call)]);
    assert_eq!(values(&out, "CSeq"), ["1 INVITE"]);
    assert_eq!(values(&out, "Contact"), ["<sip:192.0.2.1:5060>"]);
    assert_eq!(values(&out, "Max-Forwards"), ["69"]);
    assert_eq!(values(&out, "X-Custom"), ["kept, as \"it is\""]);
    assert_eq!(values(&out, "Supported"), ["100rel, timer, histinfo"]);
    assert_eq!(values(&out, "Allow"), [super::ALLOW]);
    assert!(values(&out, "Record-Route").is_empty());
    assert_eq!(out.body(), SDP.as_bytes());
}

#[test]
fn one_legs_own_header_fields_do_not_pass() {
    let mut world = World::new();
    let text = invite("1").replace(
        "X-Custom:",
        "Route: <sip:192.0.2.1;lr>\r\nProxy-Authorization: Digest x\r\nAuthorization: Digest x\r\n\
         User-Agent: theirs\r\nJoin: a\r\nP-Asserted-Identity: <sip:a@b>\r\nX-Custom:",
    );
    world.receive(caller(), text);
    let out = world.the("INVITE > target0").message();
    for name in ["Route", "Proxy-Authorization", "Authorization", "User-Agent", "Join"] {
        assert!(values(&out, name).is_empty(), "{name}");
    }
    assert_eq!(values(&out, "P-Asserted-Identity"), ["<sip:a@b>"]);
}

#[test]
fn the_ack_of_a_failure_has_the_invites_branch_and_the_failures_tag() {
    let mut world = World::new();
    let out = world.inviting();
    world.receive(target(0), response(&out, 486, ""));
    let ack = world.the("ACK > target0").message();
    assert_eq!(ack.top_via().branch, out.top_via().branch);
    assert_eq!(ack.to().tag, Some("callee"));
    assert_eq!(ack.request_uri(), out.request_uri());
    assert_eq!(values(&ack, "CSeq"), ["1 ACK"]);
}

#[test]
fn the_ack_of_a_2xx_is_a_request_within_the_dialog() {
    let mut world = World::new();
    let invite = world.inviting();
    let routes = "Record-Route: <sip:10.0.0.1;lr>, <sip:198.51.100.1:5060;lr>\r\nX-Callee";
    let ok = String::from_utf8(response(&invite, 200, SDP).to_vec()).unwrap();
    world.receive(target(0), ok.replace("X-Callee", routes));
    let ack = world.the("ACK > target0").message();
    assert_eq!(ack.request_uri(), Some("sip:bob@198.51.100.1:5060"));
    assert_eq!(ack.routes(), ["<sip:198.51.100.1:5060;lr>", "<sip:10.0.0.1;lr>"]);
    let branch = Token::branch(world.call(), "a0");
    assert_eq!(ack.top_via().branch, Some(branch.as_str()));
    assert_eq!(ack.to().tag, Some("callee"));
}

#[test]
fn a_redirection_keeps_its_contacts() {
    let mut world = World::new();
    let invite = world.inviting();
    world.receive(target(0), response(&invite, 302, ""));
    let moved = world.the("302 INVITE > caller").message();
    assert_eq!(values(&moved, "Contact"), ["<sip:bob@198.51.100.1:5060>"]);
}

#[test]
fn a_failures_reason_phrase_and_headers_are_the_callees() {
    let mut world = World::new();
    let invite = world.inviting();
    let busy = String::from_utf8(response(&invite, 486, "").to_vec()).unwrap();
    let busy = busy
        .replace("486 Busy Here", "486 Im Gespraech")
        .replace("X-Callee", "Retry-After: 60\r\nReason: Q.850;cause=17\r\nX-Callee");
    world.receive(target(0), busy);
    let relayed = world.the("486 INVITE > caller");
    assert!(relayed.bytes.starts_with(b"SIP/2.0 486 Im Gespraech\r\n"));
    assert_eq!(values(&relayed.message(), "Retry-After"), ["60"]);
    assert_eq!(values(&relayed.message(), "Reason"), ["Q.850;cause=17"]);
    let tag = Token::caller_tag(world.call());
    assert_eq!(relayed.message().to().tag, Some(tag.as_str()));
    assert_eq!(&*world.cdr().cause.text, "Im Gespraech");
}
