//! What rsip says about the messages that it can read. It must say the same as we do.

use rsip::message::HeadersExt;
use rsip::prelude::{HasHeaders, ToTypedHeader, UntypedHeader};

use super::super::{Message, Method, Start, reason_phrase};
use super::samples::{SIPP_BYE, SIPP_INVITE, SIPP_OK};
use super::taken;

/// Messages in the plain dress that rsip reads: full names, one value a line, no folds.
const PLAIN: &[&str] = &[
    SIPP_INVITE,
    SIPP_OK,
    SIPP_BYE,
    concat!(
        "REGISTER sip:registrar.example.com SIP/2.0\r\n",
        "Via: SIP/2.0/UDP bobspc.example.com:5060;branch=z9hG4bKnashds7;received=192.0.2.4\r\n",
        "Max-Forwards: 70\r\n",
        "To: Bob <sip:bob@example.com>\r\n",
        "From: Bob <sip:bob@example.com>;tag=456248\r\n",
        "Call-ID: 843817637684230@998sdasdh09\r\n",
        "CSeq: 1826 REGISTER\r\n",
        "Contact: <sip:bob@192.0.2.4>\r\n",
        "Expires: 7200\r\n",
        "Content-Length: 0\r\n\r\n",
    ),
    concat!(
        "SIP/2.0 180 Ringing\r\n",
        "Via: SIP/2.0/TCP server10.example.com;branch=z9hG4bK4b43c2ff8.1\r\n",
        "Via: SIP/2.0/UDP pc33.example.com;branch=z9hG4bK776asdhds\r\n",
        "To: Bob <sip:bob@example.com;user=phone>;tag=a6c85cf\r\n",
        "From: Alice <sip:alice@example.org>;tag=1928301774\r\n",
        "Call-ID: a84b4c76e66710\r\n",
        "Contact: <sip:bob@192.0.2.4:5070>\r\n",
        "CSeq: 314159 INVITE\r\n",
        "Content-Length: 0\r\n\r\n",
    ),
];

fn opinion(text: &str) -> rsip::SipMessage {
    rsip::SipMessage::try_from(text).unwrap()
}

#[test]
fn start_lines_are_the_same() {
    for text in PLAIN {
        match (taken(text).start(), opinion(text)) {
            (Start::Request { method, uri }, rsip::SipMessage::Request(other)) => {
                assert_eq!(method.as_str(), other.method.to_string());
                assert_eq!(uri, other.uri.to_string());
            }
            (Start::Response { status, .. }, rsip::SipMessage::Response(other)) => {
                assert_eq!(status, other.status_code.code());
            }
            (start, _) => panic!("{start:?} is something else to rsip"),
        }
    }
}

#[test]
fn values_are_the_same() {
    for text in PLAIN {
        let (ours, other) = (taken(text), opinion(text));
        assert_eq!(ours.call_id(), other.call_id_header().unwrap().value());
        assert_eq!(ours.from().raw, other.from_header().unwrap().value().as_bytes());
        assert_eq!(ours.to().raw, other.to_header().unwrap().value().as_bytes());
        assert_eq!(ours.top_via().raw, other.via_header().unwrap().value());
        assert_eq!(ours.body(), other.body().as_slice());
        assert_eq!(ours.headers().count(), other.headers().iter().count());
    }
}

#[test]
fn typed_views_are_the_same() {
    for text in PLAIN {
        let (ours, other) = (taken(text), opinion(text));
        assert_views(&ours, &other);
    }
}

fn assert_views(ours: &Message, other: &rsip::SipMessage) {
    let cseq = other.cseq_header().unwrap().typed().unwrap();
    assert_eq!((ours.cseq().number, ours.method().as_str()), (cseq.seq, &*cseq.method.to_string()));
    let from = other.from_header().unwrap().typed().unwrap();
    assert_eq!(ours.from().uri, from.uri.to_string());
    assert_eq!(ours.from().tag.map(str::to_owned), from.tag().map(|tag| tag.value().to_owned()));
    let to = other.to_header().unwrap().typed().unwrap();
    assert_eq!(ours.to().uri, to.uri.to_string());
    assert_eq!(ours.to().tag.map(str::to_owned), to.tag().map(|tag| tag.value().to_owned()));
    let via = other.via_header().unwrap().typed().unwrap();
    let branch = via.branch().map(|branch| branch.value().to_owned());
    assert_eq!(ours.top_via().branch.map(str::to_owned), branch);
    assert_eq!(ours.top_via().transport, via.transport.to_string());
    assert_eq!(ours.top_via().host, via.uri.host_with_port.host.to_string());
    let port = via.uri.host_with_port.port.map(|port| *port.value());
    assert_eq!(ours.top_via().port, port);
    if let Some(contact) =
        other.contact_header().ok().filter(|contact| contact.value().contains('<'))
    {
        let contact = contact.typed().unwrap();
        assert_eq!(ours.contact_uri().map(str::to_owned), Some(contact.uri.to_string()));
    }
}

#[test]
fn methods_are_those_of_rsip() {
    for method in rsip::Method::all() {
        let text = method.to_string();
        let ours = Method::from_bytes(text.as_bytes()).unwrap();
        assert!(Method::KNOWN.contains(&ours), "{text}");
    }
    assert_eq!(Method::KNOWN.len(), rsip::Method::all().len());
}

#[test]
fn reason_phrases_cover_rsip() {
    for status in 100..700 {
        let rsip::StatusCode::Other(..) = rsip::StatusCode::from(status) else {
            let phrase = reason_phrase(status);
            assert!(
                !["Progress", "Request Failure", "Server Failure", "Global Failure"]
                    .contains(&phrase),
                "{status}"
            );
            continue;
        };
    }
}

/// The design's reason for a parser of our own: what rsip rejects and we must read.
#[test]
fn we_read_what_rsip_does_not() {
    let sound = SIPP_BYE;
    for (what, text) in [
        (
            "compact names",
            sound
                .replace("Call-ID", "i")
                .replace("Via", "v")
                .replace("From", "f")
                .replace("To:", "t:"),
        ),
        ("a folded line", sound.replace("CSeq: ", "CSeq:\r\n ")),
        ("a space before the colon", sound.replace("CSeq:", "CSeq :")),
        ("IPv6", sound.replace("127.0.0.11", "[2001:db8::1]")),
        ("tel", sound.replace("sip:service@127.0.0.11:5060 S", "tel:+1 S")),
        ("a method", sound.replace("BYE", "FROB")),
        ("LF", sound.replace("\r\n", "\n")),
        ("leading line ends", format!("\r\n\r\n{sound}")),
    ] {
        let ours = taken(&text);
        assert_eq!((ours.call_id(), ours.cseq().number), ("1-4711@127.0.0.1", 2), "{what}");
        assert!(!rsip_reads(&text), "{what}");
    }
}

/// Whether rsip finds in a message what the switch needs.
fn rsip_reads(text: &str) -> bool {
    let Ok(message) = rsip::SipMessage::try_from(text) else { return false };
    let Ok(call_id) = message.call_id_header() else { return false };
    let cseq = message.cseq_header().ok().and_then(|cseq| cseq.typed().ok());
    let via = message.via_header().ok().and_then(|via| via.typed().ok());
    let uri = match &message {
        rsip::SipMessage::Request(request) => request.uri.to_string(),
        rsip::SipMessage::Response(_) => return false,
    };
    text.contains(&format!(" {uri} SIP/2.0"))
        && call_id.value() == "1-4711@127.0.0.1"
        && cseq.is_some_and(|cseq| cseq.seq == 2)
        && via.is_some()
        && message.from_header().is_ok_and(|from| from.typed().is_ok())
}
