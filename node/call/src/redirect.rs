//! Redirections that are followed (RFC 3261 section 8.1.3.4), where a trunk's policy says so.
//!
//! A contact is followed only to where routing leads: to the address of a trunk, to a user of ours, or to a
//! number, in a `tel:` URI or at one of our addresses or domains, that the routes lead to. So who redirects
//! calls chooses among peers that the operator has configured, and the switch is no open relay.
//!
//! Bounded: at most [`limits::MAX_REDIRECTS`] after one another, never to the same place twice, and at most
//! [`limits::MAX_TARGETS`] targets of a call in all. Redirection by a user's device is not followed.

use holdline_model::{CallId, CallRecord, Hop, Millis, Target, Transport, limits};
use holdline_sip::message::{Address, HeaderName, Message, Method, Uri};

use crate::dialogs::as_request_uri;
use crate::messages::Answered;
use crate::registrar::{Located, thousandths};
use crate::routing::{Ask, Choice, Redirect, is_number};
use crate::{CallEngine, DropReason};

/// Whether an answer is a redirection that may be followed.
pub(crate) fn is_redirection(message: &Message) -> bool {
    matches!(message.status(), Some(300..=302)) && *message.method() == Method::Invite
}

impl CallEngine {
    /// The targets that a redirection leads to, the preferred one first; the target that redirected. `None`
    /// if it is not to be followed.
    pub(crate) fn redirected(
        &mut self,
        now: Millis,
        call: CallId,
        message: &Message,
        suffix: &str,
    ) -> Option<(u16, Vec<Target>)> {
        let Some(Answered::Invite(attempt)) = Answered::from_suffix(suffix) else { return None };
        let record = self.record(call)?.clone();
        let from = record.targets.get(usize::from(attempt))?.clone();
        let policy = self.routing.trunk(&from.trunk).map(|trunk| trunk.policy.redirect);
        if policy != Some(Redirect::Follow) || from.redirects >= limits::MAX_REDIRECTS {
            return None;
        }
        let mut targets: Vec<Target> = Vec::new();
        for uri in contacts(message) {
            let found = self.allowed(now, &record, &uri);
            if found.is_empty() {
                self.dropped(DropReason::Redirection);
            }
            for target in found {
                let is_same = |other: &Target| other.hop == target.hop && other.uri == target.uri;
                if !record.targets.iter().chain(&targets).any(is_same) {
                    let redirects = from.redirects.saturating_add(1);
                    targets.push(Target { redirects, together: false, ..target });
                }
            }
        }
        targets.truncate(limits::MAX_TARGETS.saturating_sub(record.targets.len()));
        Some((attempt, targets))
    }

    /// Where routing lets a call go that is redirected to a URI.
    fn allowed(&mut self, now: Millis, record: &CallRecord, uri: &str) -> Vec<Target> {
        let hop = record.admission.hop;
        if let Some(target) = self.trunk_of(hop, uri) {
            return self.reached_from(hop, vec![target]);
        }
        match self.registrar.locate(now, uri) {
            Located::Targets(targets) => return targets,
            Located::Unknown if is_number(uri) => {}
            Located::Foreign if is_ours(hop, uri) || is_ours(record.seen(hop), uri) => {}
            Located::Foreign | Located::Unknown | Located::Absent | Located::Unreadable => {
                return Vec::new();
            }
        }
        let ask = Ask {
            uri,
            call_id: &record.admission.call_id,
            source: hop.peer.ip(),
            local: hop.local,
            is_emergency: self.emergency.matches(uri),
        };
        match self.selector.choose(&self.routing, &*self.names, &ask) {
            Choice::Targets(targets) => self.reached_from(hop, targets),
            Choice::NoRoute | Choice::AllDown { .. } => Vec::new(),
        }
    }

    /// The trunk whose address a URI names.
    fn trunk_of(&self, hop: Hop, uri: &str) -> Option<Target> {
        let parsed = Uri::parse(uri).ok().filter(Uri::is_sip)?;
        let transport = match parsed.param("transport") {
            Some(name) => Transport::parse(name)?,
            None if parsed.scheme.eq_ignore_ascii_case("sips") => Transport::Tls,
            None => Transport::Udp,
        };
        let port = parsed.port.unwrap_or(transport.default_port());
        let address = (parsed.host_ip()?, port).into();
        let trunk = self.routing.at(transport, address)?;
        if self.selector.is_disabled(&trunk.name) {
            return None;
        }
        Some(Target {
            trunk: trunk.name.clone(),
            hop: Hop { transport, local: hop.local, peer: address },
            uri: as_request_uri(uri).to_owned(),
            together: false,
            routes: Vec::new(),
            fields: Vec::new(),
            redirects: 0,
        })
    }
}

/// A number that is to be routed: in a `tel:` URI, or at our own address.
fn is_ours(hop: Hop, uri: &str) -> bool {
    let Ok(parsed) = Uri::parse(uri) else { return false };
    let port = parsed.port.unwrap_or(hop.transport.default_port());
    let is_here = parsed.host_ip() == Some(hop.local.ip()) && port == hop.local.port();
    parsed.scheme.eq_ignore_ascii_case("tel") || (parsed.is_sip() && is_here)
}

/// The contacts of a redirection by their preference; those of one preference as they were written.
fn contacts(message: &Message) -> Vec<String> {
    let values = message.list(HeaderName::Contact);
    let addresses = values.iter().filter_map(|value| Address::parse(value.as_bytes()).ok());
    let mut contacts: Vec<(u16, String)> =
        addresses.map(|address| (preference(&address), address.uri.to_owned())).collect();
    contacts.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    contacts.into_iter().map(|(_, uri)| uri).collect()
}

/// The q of a contact in thousandths (section 20.10); one that is none comes last.
fn preference(address: &Address<'_>) -> u16 {
    let Some(q) = address.param("q") else { return 1_000 };
    let q = std::str::from_utf8(q).ok().and_then(|q| thousandths(q.trim()));
    q.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_ordered_by_their_preference() {
        let text = "SIP/2.0 302 Moved\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:c1@h>;q=0.2, <sip:c2@h?A=b,c>;q=0.75\r\nContact: <sip:c3@h>, \
             <sip:c4@h>;q=0.75, <sip:c5@h>;q=7\r\nContent-Length: 0\r\n\r\n";
        let message = Message::parse(text.into()).unwrap();
        let found = contacts(&message);
        assert_eq!(found, ["sip:c3@h", "sip:c2@h?A=b,c", "sip:c4@h", "sip:c1@h", "sip:c5@h"]);
    }
}
