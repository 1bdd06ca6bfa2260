//! Messages that two elements could read differently. Each is refused, or read in the one way that
//! the grammar has.

use super::super::{HeaderName, ParseErrorKind as Kind};
use super::{refused, taken};

/// A sound OPTIONS request with `extra` before its last header field, with `body` after it.
fn with(extra: &str, body: &str) -> String {
    format!(
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nFrom: <sip:a@a>;tag=1\r\n\
         To: <sip:b@b>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\n{extra}Accept: */*\r\n\r\n{body}"
    )
}

#[test]
fn a_header_that_may_stand_once_may_not_stand_twice() {
    for extra in [
        "Content-Length: 4\r\nContent-Length: 0\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nl: 4\r\n",
        "Content-Length : 4\r\nCONTENT-LENGTH:\r\n 4\r\n",
        "Call-ID: c2\r\n",
        "i: c1\r\n",
        "From: <sip:x@x>;tag=2\r\n",
        "t: <sip:x@x>\r\n",
        "CSeq: 2 OPTIONS\r\n",
        "Max-Forwards: 70\r\nMax-Forwards: 70\r\n",
        "Content-Type: application/sdp\r\nc: text/plain\r\n",
        "Expires: 1\r\nExpires: 2\r\n",
        "RSeq: 1\r\nRSeq: 2\r\n",
        "RAck: 1 1 INVITE\r\nRAck: 1 1 INVITE\r\n",
    ] {
        assert_eq!(refused(with(extra, "body")), Kind::RepeatedHeader, "{extra}");
    }
}

#[test]
fn a_body_has_the_length_that_is_said() {
    assert_eq!(taken(with("Content-Length: 2\r\n", "body")).body(), b"bo");
    assert_eq!(taken(with("Content-Length : 0\r\n", "body")).body(), b"");
    assert_eq!(taken(with("L:\r\n 4\r\n", "body")).body(), b"body");
    assert_eq!(taken(with("", "body")).body(), b"body");
    assert_eq!(taken(with("", "a\0b\r\n")).body(), b"a\0b\r\n");
    assert_eq!(refused(with("Content-Length: 5\r\n", "body")), Kind::BodyTruncated);
    for value in ["4, 4", "4 4", "1\r\n 0", "-4", "+4", "0x4", "4;a", "", "4294967296", "\u{664}"] {
        let extra = format!("Content-Length: {value}\r\n");
        assert_eq!(refused(with(&extra, "body")), Kind::BadContentLength, "{value}");
    }
}

#[test]
fn lines_end_in_one_way() {
    let sound = with("Content-Length: 4\r\n", "body");
    let lf_head = sound.replace("\r\n", "\n");
    assert_eq!(taken(&lf_head).body(), b"body");
    assert_eq!(taken(&lf_head).call_id(), "c1");
    // To an element that knows only CR LF, the second line would be part of the first's value.
    assert_eq!(refused(with("Subject: x\nContent-Length: 0\r\n", "body")), Kind::MixedLineEnds);
    assert_eq!(refused(with("Subject: x\rContent-Length: 0\r\n", "body")), Kind::BareCr);
    assert_eq!(refused(with("Subject: x\r\r\n", "body")), Kind::BareCr);
    assert_eq!(refused(with("\n", "body")), Kind::MixedLineEnds);
    assert_eq!(refused(with(" \r\n", "body")), Kind::BadFold);
    assert_eq!(refused(with("\t\r\nContent-Length: 0\r\n", "body")), Kind::BadFold);
}

#[test]
fn a_fold_does_not_hide_a_header() {
    let message = taken(with("Subject: x\r\n Content-Length: 0\r\n", "body"));
    assert_eq!(message.header(HeaderName::Subject), Some(&b"x   Content-Length: 0"[..]));
    assert_eq!((message.content_length(), message.body()), (None, &b"body"[..]));
}

#[test]
fn names_are_tokens() {
    for extra in
        ["Content Length: 4\r\n", ": 4\r\n", "Content-Length\r\n", "\0l: 4\r\n", "X\u{e9}: 4\r\n"]
    {
        assert_eq!(refused(with(extra, "body")), Kind::BadHeaderName, "{extra:?}");
    }
}

#[test]
fn transactions_have_one_key() {
    for extra in [
        "Via: SIP/2.0/UDP a;branch=1;branch=2\r\n",
        "Via: SIP/2.0/UDP a;branch=\"1\r\n",
        "Via: SIP/2.0/UDP a,\r\n",
        "Via:\r\n",
        "v: SIP/2.0/UDP a, SIP/3.0/UDP b\r\n",
    ] {
        assert_eq!(refused(with(extra, "")), Kind::BadVia, "{extra}");
    }
}

#[test]
fn lists_have_sound_elements() {
    for extra in [
        "Route: <sip:a;lr\r\n",
        "Route: <sip:a;lr>,\r\n",
        "Record-Route: \"<sip:a;lr>\r\n",
        "Record-Route: \"J\u{f6}rg\" <sip:a;lr>, <sip:b;lr> <sip:c;lr>\r\n",
    ] {
        assert_eq!(refused(with(extra, "")), Kind::BadRoute, "{extra}");
    }
    let latin_1 = with("Route: \"\u{1}\" <sip:a;lr>\r\n", "").into_bytes();
    let latin_1: Vec<u8> = latin_1.iter().map(|b| if *b == 1 { 0xf6 } else { *b }).collect();
    assert_eq!(refused(latin_1), Kind::BadRoute);
    assert_eq!(refused(with("Contact: <sip:a>, sip:b?x=y\r\n", "")), Kind::BadContact);
}

#[test]
fn every_message_has_the_mandatory_headers() {
    let sound = with("", "");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let text = sound.replace(&format!("\r\n{name}: "), "\r\nX: ");
        assert_eq!(refused(text), Kind::MissingHeader, "{name}");
    }
}

#[test]
fn numbers_fit() {
    let sound = with("", "");
    for cseq in ["4294967296 OPTIONS", "-1 OPTIONS", "1", "OPTIONS", "1 OPTIONS x", ""] {
        let text = sound.replace("CSeq: 1 OPTIONS", &format!("CSeq: {cseq}"));
        assert_eq!(refused(text), Kind::BadCSeq, "{cseq}");
    }
    assert_eq!(refused(sound.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE")), Kind::MethodMismatch);
    assert_eq!(refused(sound.replace("CSeq: 1 OPTIONS", "CSeq: 1 options")), Kind::MethodMismatch);
    for hops in ["256", "-1", "", "4294967296", "7 0"] {
        assert_eq!(
            refused(with(&format!("Max-Forwards: {hops}\r\n"), "")),
            Kind::BadMaxForwards,
            "{hops}"
        );
    }
    for call_id in ["", "a b", "a,b", "a\u{e9}"] {
        let text = sound.replace("Call-ID: c1", &format!("Call-ID: {call_id}"));
        assert_eq!(refused(text), Kind::BadCallId, "{call_id}");
    }
}

#[test]
fn datagrams_without_a_message_are_told_apart() {
    assert_eq!(refused(""), Kind::Empty);
    for keepalive in ["\r\n\r\n", "\r\n", "\n", "\r\n\r\n\r\n\r\n"] {
        assert_eq!(refused(keepalive), Kind::KeepAlive);
    }
    for noise in ["\0\0\0\0", "jaK", "x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", " ", "\u{fffd}"] {
        assert_eq!(refused(noise), Kind::NotSip, "{noise:?}");
    }
    assert_eq!(refused("noise ".repeat(11_000)), Kind::TooLarge);
    assert_eq!(refused("noise ".repeat(10_000)), Kind::NotSip);
    assert_eq!(taken(format!("\r\n\n\r\n{}", with("", "x"))).body(), b"x");
}

#[test]
fn lists_are_bounded() {
    use super::super::limits::MAX_LIST_VALUES;
    let vias = |count: usize| ["SIP/2.0/UDP a"].repeat(count).join(",");
    let most = format!("v: {}\r\n", vias(MAX_LIST_VALUES - 1));
    assert_eq!(taken(with(&most, "")).vias().len(), MAX_LIST_VALUES);
    let more = format!("v: {}\r\n", vias(MAX_LIST_VALUES));
    assert_eq!(refused(with(&more, "")), Kind::TooManyValues);
}
