//! A dialog as one side sees it (RFC 3261 section 12), and the requests sent within it.

use std::net::SocketAddr;

use bytes::Bytes;

use super::message::{Draft, Message, Method};
use super::syntax;

/// What is needed to send a request within a dialog.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    /// Its Call-ID.
    pub(super) call_id: String,
    /// Our name-addr with our tag.
    pub(super) local: String,
    /// The other side's name-addr with its tag.
    pub(super) remote: String,
    /// The other side's Contact.
    pub(super) target: String,
    /// The route set in the order of sending.
    pub(super) routes: Vec<String>,
    /// Number of the last request sent.
    pub(super) local_cseq: u32,
    /// Number of the last request received; 0 if none.
    pub(super) remote_cseq: u32,
    /// Requests go there, whatever route set and target say.
    pub(super) fixed: Option<SocketAddr>,
}

impl Dialog {
    /// The caller's dialog, from the 2xx (section 12.1.2).
    pub(super) fn of_caller(answer: &Message, local_cseq: u32, fixed: Option<SocketAddr>) -> Self {
        let mut routes = record_routes(answer);
        routes.reverse();
        Self {
            call_id: answer.call_id().to_owned(),
            local: answer.header("from").unwrap_or_default().to_owned(),
            remote: answer.header("to").unwrap_or_default().to_owned(),
            target: contact(answer),
            routes,
            local_cseq,
            remote_cseq: 0,
            fixed,
        }
    }

    /// The callee's dialog, from the INVITE and our tag (section 12.1.1).
    pub(super) fn of_callee(invite: &Message, tag: &str) -> Self {
        Self {
            call_id: invite.call_id().to_owned(),
            local: format!("{};tag={tag}", invite.header("to").unwrap_or_default()),
            remote: invite.header("from").unwrap_or_default().to_owned(),
            target: contact(invite),
            routes: record_routes(invite),
            local_cseq: 0,
            remote_cseq: invite.cseq().0,
            fixed: None,
        }
    }

    /// A request and where it goes; `None` if neither route nor target is a numeric address.
    pub(super) fn request(
        &self,
        method: Method,
        cseq: u32,
        branch: &str,
        local: SocketAddr,
        sdp: Option<&str>,
    ) -> Option<(SocketAddr, Bytes)> {
        let first = self.routes.first().map(|route| syntax::uri(route));
        let strict = first.filter(|uri| syntax::uri_param(uri, "lr").is_none());
        let mut draft = Draft::request(method, strict.unwrap_or(&self.target))
            .line("Via", &format!("SIP/2.0/UDP {local};branch={branch}"));
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            draft = draft.line("Route", route);
        }
        if strict.is_some() {
            draft = draft.line("Route", &format!("<{}>", self.target));
        }
        let bytes = draft
            .line("Max-Forwards", "70")
            .line("From", &self.local)
            .line("To", &self.remote)
            .line("Call-ID", &self.call_id)
            .line("CSeq", &format!("{cseq} {method}"))
            .end(sdp);
        let to = match self.fixed {
            Some(to) => to,
            None => syntax::address(first.unwrap_or(&self.target))?,
        };
        Some((to, bytes))
    }
}

fn record_routes(message: &Message) -> Vec<String> {
    message.list("record-route").into_iter().map(str::to_owned).collect()
}

fn contact(message: &Message) -> String {
    message.list("contact").first().map(|value| syntax::uri(value)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(routes: &[&str]) -> Dialog {
        Dialog {
            call_id: "c".into(),
            local: "<sip:a@h>;tag=1".into(),
            remote: "<sip:b@h>;tag=2".into(),
            target: "sip:b@127.0.0.9:5070".into(),
            routes: routes.iter().map(|&route| route.to_owned()).collect(),
            local_cseq: 1,
            remote_cseq: 0,
            fixed: None,
        }
    }

    fn bye(dialog: &Dialog) -> (SocketAddr, String) {
        let local = SocketAddr::from(([127, 0, 0, 1], 5060));
        let (to, bytes) = dialog.request(Method::Bye, 2, "z9", local, None).unwrap();
        (to, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn without_routes_the_contact_is_the_next_hop() {
        let (to, text) = bye(&dialog(&[]));
        assert_eq!(to, "127.0.0.9:5070".parse().unwrap());
        assert!(text.starts_with("BYE sip:b@127.0.0.9:5070 SIP/2.0\r\n"), "{text}");
    }

    #[test]
    fn loose_routes_are_listed_and_the_first_is_the_next_hop() {
        let (to, text) = bye(&dialog(&["<sip:127.0.0.7;lr>", "<sip:127.0.0.8;lr>"]));
        assert_eq!(to, "127.0.0.7:5060".parse().unwrap());
        assert!(text.starts_with("BYE sip:b@127.0.0.9:5070 SIP/2.0\r\n"), "{text}");
        assert!(text.contains("Route: <sip:127.0.0.7;lr>\r\nRoute: <sip:127.0.0.8;lr>\r\n"));
    }

    #[test]
    fn a_strict_route_becomes_the_request_uri() {
        let (to, text) = bye(&dialog(&["<sip:127.0.0.7>"]));
        assert_eq!(to, "127.0.0.7:5060".parse().unwrap());
        assert!(text.starts_with("BYE sip:127.0.0.7 SIP/2.0\r\n"), "{text}");
        assert!(text.contains("Route: <sip:b@127.0.0.9:5070>\r\n"), "{text}");
    }
}
