//! Properties: no input panics, what is built reads back, what is read can be built again.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{Builder, HeaderName, Message, Start, Uri};
use super::samples::{SIPP_BYE, SIPP_INVITE, SIPP_OK, TRUNK_INVITE};
use super::taken;

const SAMPLES: &[&str] = &[SIPP_INVITE, SIPP_OK, SIPP_BYE, TRUNK_INVITE];

/// Pieces of grammar, to put where they do not belong.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b" ",
    b"\t",
    b":",
    b";",
    b";;",
    b",",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"@",
    b"?",
    b"=",
    b"[",
    b"]",
    b"/",
    b"\0",
    b"\xff",
    b"\xc3",
    b"SIP/2.0",
    b"tag=",
    b"branch=",
    b"rport=",
    b"Content-Length: 1\r\n",
    b"v: SIP/2.0/UDP a\r\n",
    b"99999999999",
    b"*",
];

/// Asks for everything that a message can say. None of it may panic, and what is checked when a
/// message is read must hold.
fn ask_everything(message: &Message) {
    if let Start::Request { uri, .. } = message.start() {
        assert!(Uri::parse(uri).is_ok());
    }
    assert!(!message.call_id().is_empty());
    assert!(!message.vias().is_empty());
    assert_eq!(message.vias().first().copied(), Some(message.top_via().raw));
    assert!(!message.top_via().host.is_empty());
    for identity in [message.from(), message.to()] {
        assert!(Uri::parse(identity.uri).is_ok());
        assert!(identity.tag.is_none_or(|tag| !tag.is_empty()));
        assert!(identity.text().contains(identity.uri));
    }
    assert!(message.contact_uri().is_none_or(|uri| Uri::parse(uri).is_ok()));
    let length = message.content_length().map(|length| length as usize);
    assert!(length.is_none_or(|length| length == message.body().len()));
    for header in message.headers() {
        assert!(!header.raw_name.is_empty());
        assert!(!header.value.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
    }
    let _ = (message.routes(), message.record_routes(), message.require(), message.supported());
    let _ = (
        message.expires(),
        message.rseq(),
        message.rack(),
        message.content_type(),
        message.has_sdp(),
    );
    let _ = format!("{message:?}");
}

/// Reads, and asks and answers everything that follows.
fn poke(datagram: &[u8]) {
    let source = "192.0.2.1:5060".parse().unwrap();
    match Message::parse(Bytes::copy_from_slice(datagram)) {
        Ok(message) => {
            ask_everything(&message);
            assert_eq!(taken(message.bytes()), message, "reading again gives the same");
            let response = Builder::response_to(&message, 200, "").with_source(source).to_tag("x");
            let response = taken(response.finish());
            assert_eq!(response.call_id(), message.call_id());
            assert_eq!(response.cseq(), message.cseq());
            assert_eq!(response.vias().len(), message.vias().len());
            assert_eq!(response.top_via().branch, message.top_via().branch);
            assert_eq!(response.to().tag, message.to().tag.or(Some("x")));
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let Some(answer) = Builder::answer(&error) {
                let answer = answer.with_source(source).to_tag("x").finish();
                let heads = answer.windows(4).filter(|part| part == b"\r\n\r\n").count();
                assert_eq!(heads, 1, "an answer is one message");
            }
        }
    }
}

/// Writes a message again from its views.
fn rebuild(message: &Message) -> Message {
    let mut builder = match message.start() {
        Start::Request { method, uri } => Builder::request(method, uri),
        Start::Response { status, reason } if !reason.is_empty() => {
            Builder::response(status, reason)
        }
        Start::Response { status, .. } => Builder::response(status, " "),
    };
    for header in message.headers() {
        builder = builder.header_named(header.raw_name, header.value);
    }
    taken(builder.body(message.body()))
}

fn assert_same_views(left: &Message, right: &Message) {
    assert_eq!(left.status(), right.status());
    assert_eq!(left.request_uri(), right.request_uri());
    assert_eq!(left.method(), right.method());
    assert_eq!(left.cseq(), right.cseq());
    assert_eq!(left.call_id(), right.call_id());
    assert_eq!(left.from(), right.from());
    assert_eq!(left.to(), right.to());
    assert_eq!(left.top_via(), right.top_via());
    assert_eq!(left.vias(), right.vias());
    assert_eq!(left.contact_uri(), right.contact_uri());
    assert_eq!(left.routes(), right.routes());
    assert_eq!(left.record_routes(), right.record_routes());
    assert_eq!(left.max_forwards(), right.max_forwards());
    assert_eq!(left.body(), right.body());
    let others = |message: &Message| -> Vec<(HeaderName, Vec<u8>)> {
        let kept = |name| name != HeaderName::ContentLength;
        message.headers().filter(|h| kept(h.name)).map(|h| (h.name, h.value.to_vec())).collect()
    };
    assert_eq!(others(left), others(right));
}

/// One change of a datagram: at a place, so many bytes give way to a piece.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    (any::<prop::sample::Index>(), prop_oneof![3 => Just(0usize), 1 => 0usize..20], piece)
}

fn apply(datagram: &mut Vec<u8>, changes: &[(prop::sample::Index, usize, Vec<u8>)]) {
    for (place, gone, piece) in changes {
        let start = place.index(datagram.len() + 1);
        let end = datagram.len().min(start + gone);
        datagram.splice(start..end, piece.iter().copied());
    }
}

/// At least 2,000 cases; `PROPTEST_CASES` can ask for more.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2000), ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes_do_not_panic(datagram in prop::collection::vec(any::<u8>(), 0..2000)) {
        poke(&datagram);
    }

    #[test]
    fn heaps_of_grammar_do_not_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        poke(&[&b"INVITE sip:a SIP/2.0\r\nv: SIP/2.0/UDP a"[..], &pieces.concat()].concat());
    }

    #[test]
    fn changed_messages_do_not_panic(
        sample in prop::sample::select(SAMPLES),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let mut datagram = sample.as_bytes().to_vec();
        apply(&mut datagram, &changes);
        poke(&datagram);
    }

    #[test]
    fn what_is_read_can_be_built_again(
        sample in prop::sample::select(SAMPLES),
        changes in prop::collection::vec(change(), 0..2),
    ) {
        let mut datagram = sample.as_bytes().to_vec();
        apply(&mut datagram, &changes);
        if let Ok(message) = Message::parse(Bytes::from(datagram)) {
            assert_same_views(&message, &rebuild(&message));
        }
    }

    #[test]
    fn what_is_built_reads_back(
        user in "[a-z0-9+;?&=$,/_.!~*'()-]{1,12}",
        display in "[^\\x00-\\x1f\"\\\\]{0,12}",
        tag in "[a-zA-Z0-9.!%*_+`'~-]{1,20}",
        value in "[^\r\n]{0,60}",
        number: u32,
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let uri = format!("sip:{user}@[2001:db8::1]:5060;lr");
        let bytes = Builder::request(&super::super::Method::Update, &uri)
            .header(HeaderName::Via, "SIP/2.0/UDP h;branch=z9hG4bKx")
            .header(HeaderName::From, format!("\"{display}\" <{uri}>;tag={tag}"))
            .header(HeaderName::To, format!("<{uri}>"))
            .header(HeaderName::CallId, &tag)
            .header(HeaderName::CSeq, format!("{number} UPDATE"))
            .header_named("X-Any", &value)
            .body(&body);
        let message = taken(bytes);
        prop_assert_eq!(message.request_uri(), Some(uri.as_str()));
        prop_assert_eq!(message.from().uri, uri.as_str());
        prop_assert_eq!(message.from().tag, Some(tag.as_str()));
        prop_assert_eq!(message.call_id(), tag.as_str());
        prop_assert_eq!(message.cseq().number, number);
        prop_assert_eq!(message.header_named("x-any"), Some(value.trim_matches([' ', '\t']).as_bytes()));
        prop_assert_eq!(message.body(), &body[..]);
        let parts = Uri::parse(message.from().uri).unwrap();
        prop_assert_eq!((parts.user, parts.host, parts.port), (Some(user.as_str()), "[2001:db8::1]", Some(5060)));
    }
}
