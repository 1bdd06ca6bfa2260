//! Where names lead, as the engine knows it: found out by others, before or meanwhile. The engine asks no
//! name server and waits for none.

use std::fmt;
use std::sync::Arc;

use holdline_model::Hop;
use holdline_sip::locate::{Asked, Location};
use holdline_sip::message::{Message, Method};

use crate::dialogs;

/// Where names lead.
pub trait Names: fmt::Debug + Send + Sync {
    /// Where a host leads, as it was found out last; `None` if that is not known, or nowhere.
    fn location(&self, asked: &Asked) -> Option<Arc<Location>>;
}

/// Knows no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn location(&self, _asked: &Asked) -> Option<Arc<Location>> {
        None
    }
}

/// The name that requests to the sender of a message will go to, if it makes or changes a dialog and
/// does so by a name: it is to be found out before the 2xx is handled, with which the dialog is
/// committed.
#[must_use]
pub fn next_hop_name(message: &Message, hop: Hop) -> Option<Asked> {
    let method = if message.is_request() { message.method() } else { message.cseq().method };
    if !matches!(method, Method::Invite | Method::Update) {
        return None;
    }
    let target = message.contact_uri()?;
    let mut route_set: Vec<String> = Vec::new();
    if message.status().is_some_and(|status| status >= 300) {
        return None;
    }
    route_set.extend(message.record_routes().into_iter().map(str::to_owned));
    if !message.is_request() {
        route_set.reverse();
    }
    dialogs::asked(&route_set, target, hop.transport)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_dialog_says_where_requests_will_go() {
        let hop = Hop::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:5060".parse().unwrap());
        let name = |start: &str, cseq: &str, more: &str| {
            let text = format!(
                "{start}\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                 To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 {cseq}\r\nMax-Forwards: 70\r\n{more}\
                 Content-Length: 0\r\n\r\n"
            );
            let message = Message::parse(text.into_bytes().into()).unwrap();
            next_hop_name(&message, hop).map(|asked| asked.host)
        };
        let contact = "Contact: <sip:b@peer.test>\r\n";
        let routed = format!("{contact}Record-Route: <sip:one.test;lr>, <sip:two.test;lr>\r\n");
        let ok = "SIP/2.0 200 OK";
        assert_eq!(name(ok, "INVITE", contact).as_deref(), Some("peer.test"));
        assert_eq!(name(ok, "INVITE", &routed).as_deref(), Some("two.test"));
        let invite = "INVITE sip:b@h SIP/2.0";
        assert_eq!(name(invite, "INVITE", &routed).as_deref(), Some("one.test"));
        assert_eq!(name(ok, "BYE", contact), None);
        assert_eq!(name("SIP/2.0 302 Moved", "INVITE", contact), None);
        assert_eq!(name(ok, "INVITE", "Contact: <sip:b@192.0.2.9>\r\n"), None);
    }
}
