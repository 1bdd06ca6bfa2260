//! What sound messages say.

use super::super::{HeaderName, Method, RAck, Rport, Start, Uri};
use super::samples::{SIPP_BYE, SIPP_INVITE, SIPP_OK, TRUNK_INVITE};
use super::taken;

#[test]
fn reads_the_invite_of_sipp() {
    let message = taken(SIPP_INVITE);
    let start = Start::Request { method: &Method::Invite, uri: "sip:service@127.0.0.11:5060" };
    assert_eq!(message.start(), start);
    let via = message.top_via();
    assert_eq!((via.host, via.port, via.transport), ("127.0.0.1", Some(5061), "UDP"));
    assert_eq!((via.branch, via.rport), (Some("z9hG4bK-4711-1-0"), Rport::Absent));
    assert_eq!(message.from().raw, b"sipp <sip:sipp@127.0.0.1:5061>;tag=4711SIPpTag001");
    assert_eq!(
        (message.from().uri, message.from().tag),
        ("sip:sipp@127.0.0.1:5061", Some("4711SIPpTag001"))
    );
    assert_eq!((message.to().uri, message.to().tag), ("sip:service@127.0.0.11:5060", None));
    assert_eq!(message.call_id(), "1-4711@127.0.0.1");
    assert_eq!((message.cseq().number, message.cseq().method), (1, &Method::Invite));
    assert_eq!(message.contact_uri(), Some("sip:sipp@127.0.0.1:5061"));
    assert_eq!(message.max_forwards(), Some(70));
    assert_eq!(message.content_type(), Some("application/sdp"));
    assert_eq!((message.content_length(), message.body().len()), (Some(129), 129));
    assert!(message.is_request() && message.has_sdp());
    assert_eq!(message.bytes(), SIPP_INVITE.as_bytes());
}

#[test]
fn reads_the_answer_and_the_bye_of_sipp() {
    let ok = taken(SIPP_OK);
    assert_eq!(ok.start(), Start::Response { status: 200, reason: "OK" });
    assert_eq!((ok.status(), ok.request_uri()), (Some(200), None));
    assert_eq!(ok.method(), &Method::Invite);
    assert_eq!(ok.contact_uri(), Some("sip:127.0.0.1:5070;transport=UDP"));
    let bye = taken(SIPP_BYE);
    assert_eq!((bye.method(), bye.status(), bye.has_sdp()), (&Method::Bye, None, false));
    assert_eq!(bye.to().tag, Some("hl003f0123456789abcdefa"));
}

#[test]
fn reads_a_message_with_everything_on() {
    let message = taken(TRUNK_INVITE);
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(
        (uri.user, uri.host, uri.param("user")),
        (Some("+49301234567"), "[2001:db8::1]", Some("phone"))
    );
    let via = message.top_via();
    assert_eq!((via.host, via.port, via.rport), ("[2001:db8::2]", Some(5080), Rport::Requested));
    assert_eq!(
        message.vias(),
        [
            "SIP/2.0/UDP [2001:db8::2]:5080;branch=z9hG4bKa;rport",
            "SIP/2.0/TCP gw.example.com;branch=z9hG4bKb",
            "SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKc;received=198.51.100.9",
        ]
    );
    assert_eq!(
        message.record_routes(),
        ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr;x=a>", "<sip:p3.example.com;lr>"]
    );
    assert_eq!(message.routes(), ["\"Edge, one\" <sip:edge.example.com;lr>"]);
    assert_eq!(
        message.from().text(),
        "\"Doe, \\\"J\\\"\" <sip:+4930111@example.com;user=phone>;tag=abc"
    );
    assert_eq!(message.to().uri, "tel:+49301234567");
    assert_eq!(message.cseq().number, 4711);
    assert_eq!(message.contact_uri(), Some("sip:gw@[2001:db8::2]:5080;transport=udp"));
    assert_eq!(message.supported(), ["timer", "100rel"]);
    assert_eq!(message.require(), ["replaces"]);
    assert_eq!(message.content_type(), Some("multipart/mixed"));
    assert!(message.has_sdp(), "a session description within a multipart");
    assert_eq!(message.body().len(), 57);
}

#[test]
fn headers_pass_as_they_are() {
    let text = "OPTIONS sip:a@b SIP/2.0\r\nX-One :  a  b \r\nv: SIP/2.0/UDP a\r\nf: <sip:a@a>;tag=1\r\n\
                T: <sip:b@b>\r\ni: c\r\nx-one:second\r\nCSEQ: 1 OPTIONS\r\nX-Fold: a\r\n\tb\r\nX-Empty:\r\n\r\n";
    let message = taken(text);
    let headers: Vec<_> = message
        .headers()
        .map(|header| (header.name, header.raw_name, std::str::from_utf8(header.value).unwrap()))
        .collect();
    assert_eq!(
        headers,
        [
            (HeaderName::Other, "X-One", "a  b"),
            (HeaderName::Via, "v", "SIP/2.0/UDP a"),
            (HeaderName::From, "f", "<sip:a@a>;tag=1"),
            (HeaderName::To, "T", "<sip:b@b>"),
            (HeaderName::CallId, "i", "c"),
            (HeaderName::Other, "x-one", "second"),
            (HeaderName::CSeq, "CSEQ", "1 OPTIONS"),
            (HeaderName::Other, "X-Fold", "a  \tb"),
            (HeaderName::Other, "X-Empty", ""),
        ]
    );
    assert_eq!(message.header_named("X-ONE"), Some(&b"a  b"[..]));
    assert_eq!(message.header_named("X-Two"), None);
    assert_eq!(message.bytes(), text.as_bytes());
}

#[test]
fn bytes_that_are_not_utf_8_pass_where_we_do_not_act_on_them() {
    let text = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: \"J\u{1}rg\" <sip:a@a>;tag=1\r\n\
                To: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: \"\u{1}\" <sip:a@h>\r\nSubject: \u{1}\r\n\r\n\u{1}\0";
    let text: Vec<u8> = text.bytes().map(|byte| if byte == 1 { 0xf6 } else { byte }).collect();
    let message = taken(text);
    assert_eq!(message.from().raw, b"\"J\xf6rg\" <sip:a@a>;tag=1");
    assert_eq!(message.from().text(), "\"Jörg\" <sip:a@a>;tag=1");
    assert_eq!(message.contact_uri(), Some("sip:a@h"));
    assert_eq!(message.header(HeaderName::Subject), Some(&b"\xf6"[..]));
    assert_eq!(message.body(), b"\xf6\0");
}

#[test]
fn reads_what_reliable_provisional_answers_need() {
    let base = "PRACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n\
                Call-ID: c\r\nCSeq: 2 PRACK\r\n";
    let prack = taken(format!("{base}RAck: 17 1 INVITE\r\nExpires: 60\r\n\r\n"));
    assert_eq!(prack.rack(), Some(RAck { rseq: 17, cseq: 1, method: Method::Invite }));
    assert_eq!((prack.expires(), prack.rseq()), (Some(60), None));
    let odd = taken(format!("{base}RAck: x\r\nRSeq: 9\r\nExpires: 99999999999\r\n\r\n"));
    assert_eq!((odd.rack(), odd.expires(), odd.rseq()), (None, None, Some(9)));
}

#[test]
fn a_contact_for_all_bindings_has_no_uri() {
    let message = taken(
        "REGISTER sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:a@a>\r\n\
         Call-ID: c\r\nCSeq: 2 REGISTER\r\nContact: *\r\n\r\n",
    );
    assert_eq!(message.contact_uri(), None);
    assert_eq!(message.header(HeaderName::Contact), Some(&b"*"[..]));
}

#[test]
fn debug_output_holds_no_personal_data() {
    let shown = format!("{:?}", taken(SIPP_INVITE));
    assert!(shown.contains("1-4711@127.0.0.1") && !shown.contains("sipp"), "{shown}");
}
