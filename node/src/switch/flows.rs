//! The connection over which a registered device can be reached now, when the one that a call knows is
//! gone: the device has opened another one and registered over it (RFC 5626), at whichever node.
//!
//! A request within a dialog names the user in its To, and so does a call that begins. Of that user's bindings it is the one of the device
//! that has the contact that the request is for, or had it: a device with an instance-id is known again when
//! it registers another contact, and the registrar keeps those that it had. One without is the only one that
//! uses this transport, or the only one at that address. It is looked up each time, so it is found after a
//! second takeover as after the first; and once more when this node has applied all that is committed, if nothing
//! is found ([`super::again`]).

use holdline_model::{Aor, Binding, Hop, LocationRecord, Millis};
use holdline_sip::message::{Message, Method, Uri};
use holdline_storage::StateReader;

use crate::clock::Clock;

/// Finds them in the replicated bindings.
#[derive(Clone, Debug)]
pub(crate) struct Flows {
    pub(crate) state: StateReader,
    pub(crate) clock: Clock,
}

/// What is known of the device that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It can be reached over this connection.
    Flow(Hop),
    /// It is a user's, who has no other connection as far as is known.
    Nowhere,
    /// The request is for none.
    NoDevice,
}

impl Flows {
    /// Another way to the device that a request is for, whose connection `hop` is gone.
    pub(crate) fn find(&self, message: &Message, hop: Hop) -> Found {
        if !is_to_a_device(message) || !hop.transport.is_reliable() {
            return Found::NoDevice;
        }
        let to = Uri::parse(message.to().uri).ok().filter(Uri::is_sip);
        let aor = to.and_then(|to| Aor::new(to.user?, to.host).ok());
        let (Some(aor), Some(contact)) = (aor, message.request_uri()) else {
            return Found::NoDevice;
        };
        // What cannot be read is not known: then it goes as without registrations.
        match self.state.location(&aor) {
            Ok(Some(known)) => {
                pick(&known, self.clock.now(), contact, hop).map_or(Found::Nowhere, Found::Flow)
            }
            Ok(None) if self.state.user(&aor).is_ok_and(|user| user.is_some()) => Found::Nowhere,
            Ok(None) | Err(_) => Found::NoDevice,
        }
    }
}

/// A request within a dialog; a call that begins, for which a binding was chosen that the device has replaced
/// meanwhile, and its CANCEL.
fn is_to_a_device(message: &Message) -> bool {
    let is_within = message.to().tag.is_some() && *message.method() != Method::Cancel;
    let begins =
        message.to().tag.is_none() && matches!(message.method(), Method::Invite | Method::Cancel);
    message.is_request() && message.routes().is_empty() && (is_within || begins)
}

fn pick(known: &LocationRecord, now: Millis, contact: &str, hop: Hop) -> Option<Hop> {
    let is_usable = |binding: &&Binding| {
        let is_alike = binding.hop.transport == hop.transport && binding.path.is_empty();
        binding.until > now && is_alike
    };
    let same_device = known.device_of(contact).filter(is_usable).map(|binding| binding.hop);
    let mut same_device = same_device.peekable();
    if same_device.peek().is_some() {
        // The newest of its flows; none if it did not come back.
        return same_device.filter(|found| *found != hop).last();
    }
    let live = known.bindings.iter().filter(is_usable);
    let only = |mut found: Box<dyn Iterator<Item = &Binding> + '_>| {
        found.next().filter(|_| found.next().is_none()).map(|binding| binding.hop)
    };
    let same_source = live.clone().filter(|binding| binding.hop.peer.ip() == hop.peer.ip());
    let found = only(Box::new(live)).or_else(|| only(Box::new(same_source)));
    found.filter(|found| *found != hop)
}

#[cfg(test)]
mod tests {
    use holdline_model::Transport;

    use super::*;

    fn hop(peer: &str) -> Hop {
        let local = "192.0.2.1:5080".parse().unwrap();
        Hop { transport: Transport::Ws, local, peer: peer.parse().unwrap() }
    }

    fn binding(contact: &str, peer: &str) -> Binding {
        Binding {
            key: contact.to_owned(),
            contact: contact.to_owned(),
            q: 1_000,
            path: Vec::new(),
            instance: None,
            reg_id: None,
            call_id: "c".to_owned(),
            cseq: 1,
            hop: hop(peer),
            at: Millis(0),
            granted_s: 600,
            until: Millis(600_000),
        }
    }

    fn record(bindings: &[Binding]) -> LocationRecord {
        LocationRecord {
            aor: Aor::new("u", "example.com").unwrap(),
            bindings: bindings.to_vec(),
            requests: Vec::new(),
            former: Vec::new(),
        }
    }

    #[test]
    fn requests_within_a_dialog_and_calls_that_begin_go_to_a_device() {
        let is = |method: &str, tag: &str, more: &str| {
            let text = format!(
                "{method} sip:u@a.invalid SIP/2.0\r\nVia: SIP/2.0/WS h;branch=z9hG4bK1\r\n\
                 From: <sip:c@h>;tag=1\r\nTo: <sip:u@example.com>{tag}\r\nCall-ID: c\r\n\
                 CSeq: 1 {method}\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
            );
            is_to_a_device(&Message::parse(text.into_bytes().into()).unwrap())
        };
        for (method, begins, within) in [
            ("INVITE", true, true),
            ("CANCEL", true, false),
            ("BYE", false, true),
            ("OPTIONS", false, true),
        ] {
            assert_eq!(is(method, "", ""), begins, "{method}");
            assert_eq!(is(method, ";tag=2", ""), within, "{method}");
            assert!(!is(method, ";tag=2", "Route: <sip:p.invalid;lr>\r\n"), "{method}");
        }
    }

    /// Two devices of one user behind one NAT, which both came back under new contacts.
    #[test]
    fn a_device_with_an_instance_is_found_by_the_contact_that_it_had() {
        let gone = hop("198.51.100.1:1000");
        let now_at = |key: &str, contact: &str, peer: &str| Binding {
            key: key.to_owned(),
            ..binding(contact, peer)
        };
        let one = now_at("one", "sip:u@new-1.invalid", "198.51.100.1:2000");
        let two = now_at("two", "sip:u@new-2.invalid", "198.51.100.1:3000");
        let was = |key: &str, contact: &str| holdline_model::FormerContact {
            key: key.to_owned(),
            contact: contact.to_owned(),
        };
        let mut known = record(&[one, two]);
        let find = |known: &LocationRecord, contact: &str| {
            pick(known, Millis(1), contact, gone).map(|hop| hop.peer.to_string())
        };
        assert_eq!(find(&known, "sip:u@old-1.invalid"), None, "whose it is cannot be told");
        known.former = vec![was("one", "sip:u@old-1.invalid"), was("two", "sip:u@old-2.invalid")];
        assert_eq!(find(&known, "sip:u@old-1.invalid").as_deref(), Some("198.51.100.1:2000"));
        assert_eq!(find(&known, "sip:u@old-2.invalid").as_deref(), Some("198.51.100.1:3000"));
        assert_eq!(find(&known, "sip:u@new-2.invalid").as_deref(), Some("198.51.100.1:3000"));
        let again = Binding {
            instance: Some("1".to_owned()),
            ..binding("sip:u@x.invalid", "198.51.100.1:1000")
        };
        let elsewhere = Binding {
            hop: hop("198.51.100.1:5000"),
            contact: "sip:u@y.invalid".to_owned(),
            ..again.clone()
        };
        let found = find(&record(&[again, elsewhere]), "sip:u@x.invalid");
        assert_eq!(found.as_deref(), Some("198.51.100.1:5000"), "a new binding of the same device");
        let flows = [
            binding("sip:u@a.invalid", "198.51.100.1:1000"),
            binding("sip:u@a.invalid", "198.51.100.1:4000"),
        ];
        let found = find(&record(&flows), "sip:u@a.invalid");
        assert_eq!(found.as_deref(), Some("198.51.100.1:4000"), "its other flow");
    }

    #[test]
    fn a_device_is_found_by_its_contact_or_as_the_only_one_or_by_its_source() {
        let gone = hop("198.51.100.1:1000");
        let (a, b) = ("sip:u@a.invalid", "sip:u@b.invalid");
        let find = |bindings: &[Binding], contact: &str| {
            pick(&record(bindings), Millis(1), contact, gone).map(|hop| hop.peer.to_string())
        };
        let again = binding(a, "198.51.100.1:2000");
        let other = binding(b, "203.0.113.9:3000");
        let both = [again.clone(), other.clone()];
        assert_eq!(find(&both, a).as_deref(), Some("198.51.100.1:2000"));
        assert_eq!(find(&both, b).as_deref(), Some("203.0.113.9:3000"));
        assert_eq!(find(&[other], a).as_deref(), Some("203.0.113.9:3000"), "under another contact");
        assert_eq!(find(&both, "sip:u@c.invalid").as_deref(), Some("198.51.100.1:2000"));
        let twice = [again.clone(), binding(b, "198.51.100.1:4000")];
        assert_eq!(find(&twice, "sip:u@c.invalid"), None, "whose it is cannot be told");
        assert_eq!(find(&[binding(a, "198.51.100.1:1000")], a), None, "it did not come back");
        let over = Binding { until: Millis(1), ..again.clone() };
        assert_eq!(find(&[over], a), None);
        let udp = Binding { hop: Hop::udp(gone.local, gone.peer), ..again };
        assert_eq!(find(&[udp], a), None);
    }
}
