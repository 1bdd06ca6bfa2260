//! What a datagram is, without parsing it where that can be avoided. PURE.

use bytes::Bytes;
use holdline_guard::{EmergencyNumbers, Traffic};
use holdline_model::{Token, TokenKind};
use holdline_sip::message::{Message, Start};

/// What a datagram is by its first bytes.
pub(super) fn traffic(bytes: &[u8]) -> Traffic {
    let is_request = !bytes.starts_with(b"SIP/2.0 ")
        && !bytes.starts_with(b"ACK ")
        && bytes.first().is_some_and(u8::is_ascii_alphabetic);
    if is_request { Traffic::Request } else { Traffic::Other }
}

/// Whether a datagram belongs to a call that is up, or is an emergency call. Asked only about what
/// would be refused; parses only what has a mark of ours in it.
pub(super) fn is_exempt(bytes: &Bytes, emergency: &EmergencyNumbers) -> bool {
    if dialled(bytes).is_some_and(|uri| emergency.matches(uri)) {
        return true;
    }
    has_mark(bytes) && Message::parse(bytes.clone()).is_ok_and(|message| is_of_a_call(&message))
}

/// The Request-URI of an INVITE and of what belongs to its transaction.
fn dialled(bytes: &[u8]) -> Option<&str> {
    let rest = [b"INVITE ".as_slice(), b"CANCEL ", b"ACK "]
        .into_iter()
        .find_map(|method| bytes.strip_prefix(method))?;
    let end = rest.iter().take(MAX_URI).position(|byte| *byte == b' ')?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

/// A tag, branch or Call-ID of ours begins so.
fn has_mark(bytes: &[u8]) -> bool {
    bytes.windows(MARK.len()).any(|window| window == MARK)
}

fn is_of_a_call(message: &Message) -> bool {
    match message.start() {
        Start::Response { .. } => {
            message.top_via().branch.is_some_and(|b| Token::from_branch(b.as_bytes()).is_some())
        }
        Start::Request { .. } => message.to().tag.is_some_and(|tag| {
            let token = Token::from_tag(tag.as_bytes());
            let token = token.or_else(|| Token::from_tag(message.call_id().as_bytes()));
            token.is_some_and(|token| token.kind != TokenKind::Stateless)
        }),
    }
}

const MARK: &[u8] = b"hl";
const MAX_URI: usize = 512;

#[cfg(test)]
mod tests {
    use holdline_model::{CallId, SlotId};

    use super::*;

    fn request(method: &str, uri: &str, to: &str, call_id: &str) -> Bytes {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\n\
             From: <sip:a@192.0.2.9>;tag=f\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        .into()
    }

    fn call() -> CallId {
        CallId { slot: SlotId(3), nonce: 0x1234_5678_9abc_def0 }
    }

    #[test]
    fn requests_are_told_from_the_rest_by_their_first_bytes() {
        for (bytes, traffic) in [
            (b"INVITE sip:a@b SIP/2.0\r\n".as_slice(), Traffic::Request),
            (b"OPTIONS sip:a@b SIP/2.0\r\n", Traffic::Request),
            (b"ACK sip:a@b SIP/2.0\r\n", Traffic::Other),
            (b"SIP/2.0 200 OK\r\n", Traffic::Other),
            (b"\r\n\r\n", Traffic::Other),
            (b"", Traffic::Other),
        ] {
            assert_eq!(self::traffic(bytes), traffic, "{bytes:?}");
        }
    }

    #[test]
    fn what_belongs_to_a_call_is_exempt() {
        let none = EmergencyNumbers::default();
        let ours = format!("<sip:b@c>;tag={}", Token::caller_tag(call()));
        assert!(is_exempt(&request("BYE", "sip:a@b", &ours, "x"), &none));
        assert!(is_exempt(&request("ACK", "sip:a@b", &ours, "x"), &none));
        let on_the_callees_leg = Token::callee_call_id(call());
        let theirs = "<sip:b@c>;tag=theirs";
        assert!(is_exempt(&request("BYE", "sip:a@b", theirs, &on_the_callees_leg), &none));
        assert!(!is_exempt(&request("BYE", "sip:a@b", theirs, "x"), &none));
        let refused = format!("<sip:b@c>;tag={}", Token::stateless_tag());
        assert!(!is_exempt(&request("ACK", "sip:a@b", &refused, "x"), &none));
        assert!(!is_exempt(&request("INVITE", "sip:hl@b", "<sip:hl@c>", "hl"), &none));
        assert!(!is_exempt(&Bytes::from_static(b"hl hl hl"), &none));
    }

    #[test]
    fn emergency_calls_are_exempt() {
        let numbers = EmergencyNumbers::new(vec!["112".to_owned()]);
        for (method, uri, exempt) in [
            ("INVITE", "sip:112@b", true),
            ("CANCEL", "sip:112@b", true),
            ("INVITE", "urn:service:sos", true),
            ("INVITE", "sip:113@b", false),
            ("REGISTER", "sip:112@b", false),
        ] {
            assert_eq!(
                is_exempt(&request(method, uri, "<sip:b@c>", "x"), &numbers),
                exempt,
                "{uri}"
            );
        }
    }
}
