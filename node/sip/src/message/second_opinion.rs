//! What rsip alone makes of a message in the plain dress that it reads: with what our own reading and
//! writing is compared where their time is measured. The switch does not use it.

use rsip::message::HeadersExt;
use rsip::prelude::{ToTypedHeader, UntypedHeader};

/// Reads a message and the four fields by which a call is found; their length in all, or `None` if rsip
/// cannot read it.
#[must_use]
pub fn read(text: &str) -> Option<usize> {
    fields(&rsip::SipMessage::try_from(text).ok()?)
}

/// The same, and writes the message again as it is.
#[must_use]
pub fn rewrite(text: &str) -> Option<String> {
    let message = rsip::SipMessage::try_from(text).ok()?;
    fields(&message)?;
    Some(message.to_string())
}

fn fields(message: &rsip::SipMessage) -> Option<usize> {
    let call_id = message.call_id_header().ok()?.value().len();
    let method = message.cseq_header().ok()?.typed().ok()?.method.to_string().len();
    let tag = message.from_header().ok()?.typed().ok()?.tag()?.value().len();
    let branch = message.via_header().ok()?.typed().ok()?.branch()?.value().len();
    Some(call_id + method + tag + branch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_a_plain_invite_and_writes_it_again() {
        let text = "INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
            From: <sip:a@192.0.2.1>;tag=t\r\nTo: <sip:b@192.0.2.2>\r\nCall-ID: c\r\n\
            CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(read(text), Some("cINVITEtz9hG4bK1".len()));
        assert_eq!(rewrite(text).as_deref(), Some(text));
        assert_eq!(read("no message"), None);
    }
}
