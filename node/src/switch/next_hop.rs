//! Where a message goes whose connection is gone. PURE.
//!
//! It says so itself: an answer by its top Via (RFC 3261 section 18.2.2), a request within a dialog by
//! its first Route or its Request-URI (section 12.2.1.1). Other requests go to the address that they
//! were sent to. Names are not looked up here: then, too, it is the address of the connection.

use std::net::SocketAddr;

use holdline_model::Hop;
use holdline_sip::message::{Address, Message, Method, Uri};

/// The address to connect to, in place of the connection `hop`.
pub(crate) fn find(message: &Message, hop: Hop) -> SocketAddr {
    let port = hop.transport.default_port();
    if !message.is_request() {
        let via = message.top_via();
        let seen = via.received.and_then(|received| received.parse().ok());
        let ip = seen.or_else(|| via.host_ip()).unwrap_or_else(|| hop.peer.ip());
        return SocketAddr::new(ip, via.port.unwrap_or(port));
    }
    if message.to().tag.is_none() || *message.method() == Method::Cancel {
        return hop.peer;
    }
    let route = message.routes().into_iter().next();
    let uri = match &route {
        Some(route) => Address::parse(route.as_bytes()).ok().map(|address| address.uri),
        None => message.request_uri(),
    };
    let next = uri.and_then(|uri| Uri::parse(uri).ok()).and_then(|uri| {
        let ip = uri.host_ip()?;
        Some(SocketAddr::new(ip, uri.port.unwrap_or(port)))
    });
    next.unwrap_or(hop.peer)
}

/// The host that a request is sent to, as it says: of its first Route or of its Request-URI, without
/// brackets; `None` for an answer.
pub(crate) fn host(message: &Message) -> Option<String> {
    if !message.is_request() {
        return None;
    }
    let route = message.routes().into_iter().next();
    let uri = match &route {
        Some(route) => Address::parse(route.as_bytes()).ok()?.uri,
        None => message.request_uri()?,
    };
    let uri = Uri::parse(uri).ok().filter(Uri::is_sip)?;
    Some(uri.host.trim_matches(['[', ']']).to_owned())
}

#[cfg(test)]
mod tests {
    use holdline_model::Transport;

    use super::*;

    fn found(text: &str) -> String {
        let hop = Hop {
            transport: Transport::Tcp,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: "192.0.2.7:49152".parse().unwrap(),
        };
        let head = "From: <sip:a@h>;tag=1\r\nCall-ID: c\r\nMax-Forwards: 70\r\nl: 0\r\n\r\n";
        let text = format!("{text}\r\n{head}");
        find(&Message::parse(text.into_bytes().into()).unwrap(), hop).to_string()
    }

    #[test]
    fn an_answer_goes_to_its_via_where_it_was_seen() {
        let answer = |via: &str| {
            found(&format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP {via}\r\nTo: <sip:b@h>;tag=2\r\nCSeq: 1 BYE"
            ))
        };
        assert_eq!(answer("10.0.0.1:5070;branch=z9hG4bK1;received=192.0.2.7"), "192.0.2.7:5070");
        assert_eq!(answer("192.0.2.9;branch=z9hG4bK1"), "192.0.2.9:5060");
        assert_eq!(answer("a.example;branch=z9hG4bK1"), "192.0.2.7:5060");
    }

    #[test]
    fn a_request_in_a_dialog_goes_to_its_route_or_target_and_another_where_it_was_sent() {
        let via = "Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK2";
        let bye = |uri: &str, route: &str| {
            found(&format!(
                "BYE {uri} SIP/2.0\r\n{via}\r\nTo: <sip:b@h>;tag=2\r\nCSeq: 2 BYE{route}"
            ))
        };
        assert_eq!(bye("sip:a@192.0.2.9:5072;transport=tcp", ""), "192.0.2.9:5072");
        assert_eq!(bye("sip:a@192.0.2.9", "\r\nRoute: <sip:192.0.2.5;lr>"), "192.0.2.5:5060");
        assert_eq!(bye("sip:a@a.invalid", ""), "192.0.2.7:49152");
        let invite =
            format!("INVITE sip:b@192.0.2.9 SIP/2.0\r\n{via}\r\nTo: <sip:b@h>\r\nCSeq: 1 INVITE");
        assert_eq!(found(&invite), "192.0.2.7:49152");
    }
}
