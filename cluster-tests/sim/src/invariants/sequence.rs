//! CSeq and SDP versions never go back, within what the switch says to one far end in one dialog.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use holdline_cluster_tests::ua::{Message, Method, Start};

/// The highest that was said.
#[derive(Debug, Default)]
pub struct Sequence {
    /// By far end, Call-ID and our tag.
    cseqs: BTreeMap<(SocketAddr, String, String), u32>,
    /// By far end, Call-ID and origin.
    versions: BTreeMap<(SocketAddr, String, String), u64>,
}

impl Sequence {
    /// The switch sends a datagram.
    pub fn sent(&mut self, to: SocketAddr, bytes: &Bytes) -> Option<String> {
        let message = Message::parse(bytes).ok()?;
        self.cseq(to, &message).or_else(|| self.version(to, &message))
    }

    fn cseq(&mut self, to: SocketAddr, message: &Message) -> Option<String> {
        let (number, method) = message.cseq();
        // ACK and CANCEL have the number of what they belong to; a repetition has its own again.
        let Start::Request { .. } = message.start else { return None };
        if matches!(method, Method::Ack | Method::Cancel) {
            return None;
        }
        let tag = message.tag("from").unwrap_or_default().to_owned();
        // An INVITE to the next target is another attempt at another far end.
        let key = (to, message.call_id().to_owned(), tag);
        let highest = self.cseqs.entry(key).or_insert(number);
        let back = number < *highest;
        let fault = back.then(|| format!("sequence: CSeq {number} after {highest}"));
        *highest = number.max(*highest);
        fault
    }

    fn version(&mut self, to: SocketAddr, message: &Message) -> Option<String> {
        if !message.has_sdp() {
            return None;
        }
        let body = std::str::from_utf8(&message.body).ok()?;
        let origin = body.lines().find_map(|line| line.strip_prefix("o="))?;
        let mut words = origin.split(' ');
        let (user, session, version) = (words.next()?, words.next()?, words.next()?);
        let version: u64 = version.parse().ok()?;
        let key = (to, message.call_id().to_owned(), format!("{user} {session}"));
        let highest = self.versions.entry(key).or_insert(version);
        let back = version < *highest;
        let fault = back.then(|| format!("sequence: SDP version {version} after {highest}"));
        *highest = version.max(*highest);
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, cseq: u32, version: u64) -> Bytes {
        let body = format!("v=0\r\no=x 1 {version} IN IP4 192.0.2.1\r\n");
        Bytes::from(format!(
            "{method} sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{cseq}\r\n\
             From: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.2>;tag=2\r\nCall-ID: c\r\n\
             CSeq: {cseq} {method}\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    #[test]
    fn going_back_is_a_fault() {
        let to = SocketAddr::from(([192, 0, 2, 2], 5060));
        let mut sequence = Sequence::default();
        assert_eq!(sequence.sent(to, &request("INVITE", 2, 5)), None);
        assert_eq!(sequence.sent(to, &request("INVITE", 2, 5)), None);
        assert!(sequence.sent(to, &request("BYE", 1, 5)).is_some());
        assert!(sequence.sent(to, &request("INVITE", 3, 4)).is_some());
    }
}
