//! Answers to requests that could not be read.

use bytes::Bytes;

use super::super::{Builder, Message, ParseError};
use super::samples::{SIPP_INVITE, SIPP_OK};

fn error(text: &str) -> ParseError {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_err()
}

fn answer(text: &str) -> Option<String> {
    let builder = Builder::answer(&error(text))?;
    let bytes = builder.with_source("198.51.100.1:7".parse().unwrap()).to_tag("hl0s").finish();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn a_faulty_request_is_told_what_is_wrong() {
    let text = SIPP_INVITE.replace("Call-ID: 1-4711@127.0.0.1\r\n", "");
    assert_eq!(
        answer(&text).unwrap(),
        "SIP/2.0 400 Missing Call-ID header\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-4711-1-0;received=198.51.100.1\r\n\
         From: sipp <sip:sipp@127.0.0.1:5061>;tag=4711SIPpTag001\r\n\
         CSeq: 1 INVITE\r\n\
         To: service <sip:service@127.0.0.11:5060>;tag=hl0s\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn the_status_follows_from_the_fault() {
    for (text, start) in [
        (
            SIPP_INVITE.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"),
            "SIP/2.0 505 Version Not Supported\r\n",
        ),
        (
            SIPP_INVITE
                .replace("sip:service@127.0.0.11:5060 S", &format!("sip:{} S", "a".repeat(5000))),
            "SIP/2.0 414 Start line too long\r\n",
        ),
        (
            SIPP_INVITE.replace("Subject: ", &format!("Subject: {}", "a".repeat(9000))),
            "SIP/2.0 513 Header field too long\r\n",
        ),
        (
            SIPP_INVITE.replace("Length:   129", "Length: 130"),
            "SIP/2.0 400 Content-Length: larger than the datagram\r\n",
        ),
        (
            SIPP_INVITE.replace("To: service", "To: \"service"),
            "SIP/2.0 400 To: a double quote has no partner\r\n",
        ),
        (
            SIPP_INVITE.replace("Contact: ", "Contact: a, b <sip:x>, "),
            "SIP/2.0 400 Contact: the URI has no scheme, or nothing after it\r\n",
        ),
        (
            SIPP_INVITE.replace("CSeq: 1 INVITE", "CSeq: 1 ACK"),
            "SIP/2.0 400 CSeq: another method than the request's\r\n",
        ),
    ] {
        let answer = answer(&text).unwrap();
        assert!(answer.starts_with(start), "{answer}");
        assert!(answer.contains("\r\nCall-ID: 1-4711@127.0.0.1\r\n"), "{answer}");
    }
}

#[test]
fn a_faulty_to_gets_no_tag() {
    let answer = answer(&SIPP_INVITE.replace("To: service", "To: \"service")).unwrap();
    assert!(answer.contains("\r\nTo: \"service <sip:service@127.0.0.11:5060>\r\n"), "{answer}");
}

#[test]
fn acks_responses_and_noise_are_never_answered() {
    let no_cseq = |text: &str| text.replace("CSeq: ", "X: ");
    assert!(answer(&no_cseq(SIPP_INVITE)).is_some());
    assert_eq!(answer(&no_cseq(&SIPP_INVITE.replace("INVITE", "ACK"))), None);
    assert_eq!(answer(&no_cseq(SIPP_OK)), None);
    assert_eq!(answer("\r\n\r\n"), None);
    assert_eq!(answer(""), None);
    assert_eq!(answer(&"INVITE ".repeat(9000)), None);
}

#[test]
fn an_answer_repeats_no_line_end() {
    let text = SIPP_INVITE.replace("CSeq: 1 INVITE", "CSeq: 1 INVITE\rX: y\r\n folded");
    let answer = answer(&text).unwrap();
    assert!(answer.contains("\r\nCSeq: 1 INVITE X: y folded\r\n"), "{answer}");
}
