//! The two dialogs of a call (RFC 3261 section 12.1), and how a request within one is addressed
//! (section 12.2.1.1).
//!
//! Pure functions of messages and of the call's record. A dialog's peer is the first route if there
//! is one, else the remote target, if that is an address. If it is a name, it is where that leads
//! ([`located`], where a dialog is about to be committed), as far as that is known; else where the
//! leg's messages came from.

use std::net::{IpAddr, SocketAddr};

use holdline_model::{CallRecord, Dialog, Hop, NewTarget, Shift, Token, Transport, limits};
use holdline_sip::locate::Asked;
use holdline_sip::message::{Address, Identity, Message, Uri};

use crate::{Names, messages};

/// The dialog with the caller that a target's answer makes: we are its UAS (section 12.1.1).
pub(crate) fn caller(record: &CallRecord, invite: &Message, attempt: u16) -> Dialog {
    let route_set: Vec<String> = invite.record_routes().into_iter().map(str::to_owned).collect();
    let mut remote_target = invite.contact_uri().unwrap_or(invite.from().uri).to_owned();
    let mut hop = request_hop(&route_set, &remote_target, record.admission.hop);
    if let Some(target) = record.session.as_ref().and_then(|state| state.caller_target.as_ref()) {
        (remote_target, hop) = (target.uri.clone(), target.hop);
    }
    Dialog {
        call_id: record.admission.call_id.clone(),
        local: with_tag(&invite.to(), &record.caller_tag(attempt)),
        remote: invite.from().text().into_owned(),
        local_cseq: 0,
        shift: Shift::of(0),
        remote_cseq: invite.cseq().number,
        remote_target,
        route_set,
        hop,
    }
}

/// The dialog that a 2xx from a target makes: we are its UAC (section 12.1.2). `None` if the target
/// is not one of the call's, or if what the dialog needs is not known any more.
pub(crate) fn callee(
    record: &CallRecord,
    invite: Option<&Message>,
    attempt: u16,
    answer: &Message,
) -> Option<Dialog> {
    let target = record.targets.get(usize::from(attempt))?;
    let local = callee_from(record, invite)?;
    let mut route_set: Vec<String> =
        answer.record_routes().into_iter().map(str::to_owned).collect();
    route_set.reverse();
    let remote_target = answer.contact_uri().unwrap_or(&target.uri).to_owned();
    let hop = request_hop(&route_set, &remote_target, target.hop);
    let cseq = messages::invite_cseq(attempt);
    // Requests may have gone through in the early dialog; those of our own come after them.
    let had_dialog = record.early_of(attempt).is_some_and(|early| !early.response.is_empty());
    let ahead = if had_dialog || record.session.is_some() { limits::CSEQ_AHEAD } else { 0 };
    Some(Dialog {
        call_id: Token::callee_call_id(record.call),
        local,
        remote: answer.to().text().into_owned(),
        local_cseq: cseq.saturating_add(ahead),
        shift: Shift::of(i64::from(cseq) - i64::from(record.admission.cseq)),
        remote_cseq: 0,
        remote_target,
        route_set,
        hop,
    })
}

/// Where a peer wants its requests from now on, as its Contact in a message that came over `hop` says;
/// `None` if nothing changes.
pub(crate) fn new_target(dialog: &Dialog, message: &Message, hop: Hop) -> Option<NewTarget> {
    let uri = message.contact_uri()?;
    let hop = request_hop(&dialog.route_set, uri, hop);
    let changes = uri != dialog.remote_target || hop != dialog.hop;
    changes.then(|| NewTarget { uri: uri.to_owned(), hop })
}

/// Our From towards the callee: the caller's identity with our tag. Once the call is confirmed it is
/// in the record only; `None` if it is not known at all.
pub(crate) fn callee_from(record: &CallRecord, invite: Option<&Message>) -> Option<String> {
    match (&record.answer, invite) {
        (Some(state), _) => Some(state.callee.local.clone()),
        (None, Some(invite)) => Some(with_tag(&invite.from(), &Token::callee_tag(record.call))),
        (None, None) => None,
    }
}

/// An identity without its parameters, but with our tag.
fn with_tag(identity: &Identity<'_>, tag: &str) -> String {
    // Identities were checked when the message was parsed, so this reads back.
    let display = Address::parse(identity.raw).map(|address| address.display).unwrap_or_default();
    let uri = identity.uri;
    if display.is_empty() {
        return format!("<{uri}>;tag={tag}");
    }
    let display = match std::str::from_utf8(display) {
        Ok(text) => text.to_owned(),
        Err(_) => display.iter().map(|byte| char::from(*byte)).collect(),
    };
    format!("{display} <{uri}>;tag={tag}")
}

/// The tag in a stored identity.
pub(crate) fn tag_of(identity: &str) -> Option<&str> {
    Identity::parse(identity.as_bytes()).ok()?.tag
}

/// How a request within a dialog is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addressing<'a> {
    /// Its Request-URI.
    pub(crate) uri: &'a str,
    /// Its Route values, each a name-addr.
    pub(crate) routes: Vec<String>,
}

/// Addresses a request by the dialog's route set: loose routers get the remote target in the
/// Request-URI; if the first route is a strict router, it gets its own URI there, and the remote
/// target goes to the end of the routes.
pub(crate) fn address(dialog: &Dialog) -> Addressing<'_> {
    let target = as_request_uri(&dialog.remote_target);
    let Some((first, rest)) = dialog.route_set.split_first() else {
        return Addressing { uri: target, routes: Vec::new() };
    };
    match route_uri(first) {
        Some(uri) if !uri.is_loose_router() => {
            let mut routes = rest.to_vec();
            routes.push(format!("<{target}>"));
            Addressing { uri: as_request_uri(uri.raw), routes }
        }
        Some(_) | None => Addressing { uri: target, routes: dialog.route_set.clone() },
    }
}

/// A URI as it may stand in a start line: without the header fields that a Contact or a route may carry
/// (RFC 3261 section 19.1.1). With them the peer would refuse our ACK and our BYE.
pub(crate) fn as_request_uri(uri: &str) -> &str {
    let headers = Uri::parse(uri).ok().and_then(|uri| uri.headers);
    let without = headers.and_then(|headers| uri.strip_suffix(headers)?.strip_suffix('?'));
    without.unwrap_or(uri)
}

/// How requests within a dialog go, whose messages come over `hop`: to the first route, or to the
/// remote target if there are no routes.
///
/// Where it came from is used instead if the next hop is a name, if it lies behind the address
/// translator that the messages come through, and if messages come over a connection from the same
/// host: that connection is used again (RFC 5923 in spirit).
pub(crate) fn request_hop(route_set: &[String], remote_target: &str, hop: Hop) -> Hop {
    match next_hop(route_set, remote_target, hop) {
        Some(next) => to_next(next, hop),
        None => hop,
    }
}

fn to_next(next: SocketAddr, hop: Hop) -> Hop {
    let same_host = next.ip().to_canonical() == hop.peer.ip().to_canonical();
    let is_translated = is_private(next.ip()) && !is_private(hop.peer.ip()) && !same_host;
    if is_translated || (same_host && hop.transport.is_reliable()) { hop } else { hop.to(next) }
}

/// The address of the first route, or of the remote target if there are no routes.
fn next_hop(route_set: &[String], remote_target: &str, hop: Hop) -> Option<SocketAddr> {
    let uri = match route_set.first() {
        Some(route) => route_uri(route)?,
        None => Uri::parse(remote_target).ok()?,
    };
    Some(SocketAddr::new(uri.host_ip()?, uri.port.unwrap_or(hop.transport.default_port())))
}

/// How requests within a dialog go whose next hop is a name: to where that leads over the leg's
/// transport, if that is known (RFC 3263); `hop`, which is how they go otherwise, if not. The first
/// address is taken, so that whoever owns the call then goes by the same.
pub(crate) fn located(
    route_set: &[String],
    remote_target: &str,
    hop: Hop,
    names: &dyn Names,
) -> Hop {
    let place = asked(route_set, remote_target, hop.transport)
        .and_then(|asked| names.location(&asked))
        .and_then(|location| {
            let mut places = location.places();
            places.find(|place| {
                let same_family = place.address.is_ipv4() == hop.local.is_ipv4();
                place.transport == hop.transport && same_family
            })
        });
    match place {
        Some(place) => to_next(place.address, hop),
        None => hop,
    }
}

/// The name that requests within a dialog go to, if they go to one: what has to be found out before.
/// Browsers behind WebSockets are reached over their own connection only.
pub(crate) fn asked(
    route_set: &[String],
    remote_target: &str,
    transport: Transport,
) -> Option<Asked> {
    if matches!(transport, Transport::Ws | Transport::Wss) {
        return None;
    }
    let uri = match route_set.first() {
        Some(route) => route_uri(route)?,
        None => Uri::parse(remote_target).ok()?,
    };
    let asked = Asked::of(&uri)?;
    let is_name = asked.ip().is_none() && asked.is_askable();
    // The leg keeps its transport: what is open is used on.
    is_name.then_some(Asked { transport: Some(transport), secure: false, ..asked })
}

/// Whether an address means something inside a private network only (RFC 1918, 6598, 3927, 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn route_uri(route: &str) -> Option<Uri<'_>> {
    Uri::parse(Address::parse(route.as_bytes()).ok()?.uri).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(remote_target: &str, route_set: &[&str]) -> Dialog {
        Dialog {
            call_id: "c".to_owned(),
            local: "<sip:us@h>;tag=1".to_owned(),
            remote: "<sip:them@h>;tag=2".to_owned(),
            local_cseq: 0,
            shift: Shift::of(0),
            remote_cseq: 1,
            remote_target: remote_target.to_owned(),
            route_set: route_set.iter().map(|route| (*route).to_owned()).collect(),
            hop: over(Transport::Udp, "192.0.2.1:5060"),
        }
    }

    fn over(transport: Transport, peer: &str) -> Hop {
        let local = "192.0.2.2:5060".parse().unwrap();
        Hop { transport, local, peer: peer.parse().unwrap() }
    }

    #[test]
    fn no_header_fields_get_into_a_start_line() {
        let plain = dialog("sip:a;x=y@h?Subject=x&a=b", &[]);
        assert_eq!(address(&plain).uri, "sip:a;x=y@h");
        let strict = dialog("sip:a?b@h?c=d", &["<sip:p?Subject=x>"]);
        let addressing = address(&strict);
        assert_eq!(
            (addressing.uri, &*addressing.routes),
            ("sip:p", &["<sip:a?b@h>".to_owned()][..])
        );
    }

    #[test]
    fn without_routes_the_remote_target_is_the_request_uri() {
        let dialog = dialog("sip:a@192.0.2.9", &[]);
        assert_eq!(address(&dialog), Addressing { uri: "sip:a@192.0.2.9", routes: vec![] });
    }

    #[test]
    fn a_loose_router_keeps_the_remote_target_in_the_request_uri() {
        let dialog = dialog("sip:a@192.0.2.9", &["<sip:p1;lr>", "<sip:p2>"]);
        let routes = vec!["<sip:p1;lr>".to_owned(), "<sip:p2>".to_owned()];
        assert_eq!(address(&dialog), Addressing { uri: "sip:a@192.0.2.9", routes });
    }

    #[test]
    fn a_strict_router_is_the_request_uri_and_the_target_goes_last() {
        let dialog = dialog("sip:a@192.0.2.9", &["<sip:p1>", "<sip:p2;lr>"]);
        let routes = vec!["<sip:p2;lr>".to_owned(), "<sip:a@192.0.2.9>".to_owned()];
        assert_eq!(address(&dialog), Addressing { uri: "sip:p1", routes });
    }

    #[test]
    fn the_next_hop_is_the_first_route_else_the_remote_target_else_the_source() {
        let next = |routes: &[&str], target: &str| {
            let routes: Vec<String> = routes.iter().map(|route| (*route).to_owned()).collect();
            request_hop(&routes, target, over(Transport::Udp, "192.0.2.1:999")).peer.to_string()
        };
        assert_eq!(next(&["<sip:192.0.2.5:5070;lr>"], "sip:a@192.0.2.9"), "192.0.2.5:5070");
        assert_eq!(next(&[], "sip:a@192.0.2.9"), "192.0.2.9:5060");
        assert_eq!(next(&[], "sip:a@[2001:db8::1]:5080"), "[2001:db8::1]:5080");
        assert_eq!(next(&[], "sip:a@192.0.2.1:5062"), "192.0.2.1:5062");
        assert_eq!(next(&[], "sip:a@example.com"), "192.0.2.1:999");
        assert_eq!(next(&["<sip:proxy.example.com;lr>"], "sip:a@192.0.2.9"), "192.0.2.1:999");
    }

    #[test]
    fn a_contact_behind_an_address_translator_is_reached_where_its_messages_come_from() {
        for (transport, source, target, peer) in [
            (Transport::Udp, "192.0.2.1:999", "sip:a@10.0.0.7:5060", "192.0.2.1:999"),
            (Transport::Udp, "10.0.0.1:999", "sip:a@10.0.0.7", "10.0.0.7:5060"),
            (Transport::Tls, "192.0.2.1:999", "sip:a@100.64.1.2", "192.0.2.1:999"),
            (Transport::Wss, "192.0.2.1:999", "sip:a@df7jal23ls0d.invalid", "192.0.2.1:999"),
        ] {
            assert_eq!(request_hop(&[], target, over(transport, source)).peer.to_string(), peer);
        }
    }

    #[test]
    fn a_connection_is_used_again_for_the_host_that_it_comes_from_and_for_no_other() {
        let next = |target: &str| {
            request_hop(&[], target, over(Transport::Tcp, "192.0.2.1:999")).peer.to_string()
        };
        assert_eq!(next("sip:a@192.0.2.1:5060;transport=tcp"), "192.0.2.1:999");
        assert_eq!(next("sip:a@192.0.2.9;transport=tcp"), "192.0.2.9:5060");
        let tls = over(Transport::Tls, "192.0.2.1:999");
        assert_eq!(request_hop(&[], "sips:a@192.0.2.9", tls).peer.port(), 5061);
    }

    #[derive(Debug)]
    struct Leads(&'static str);

    impl Names for Leads {
        fn location(
            &self,
            asked: &Asked,
        ) -> Option<std::sync::Arc<holdline_sip::locate::Location>> {
            assert_eq!(asked.transport, Some(Transport::Udp), "the leg's");
            let at = holdline_sip::locate::Location::at(Transport::Udp, self.0.parse().ok()?);
            (asked.host == "a.test").then(|| at.into())
        }
    }

    #[test]
    fn a_name_leads_where_it_is_known_to_lead_else_back() {
        let hop = over(Transport::Udp, "192.0.2.1:999");
        let next = |routes: &[&str], target: &str, leads| {
            let routes: Vec<String> = routes.iter().map(|route| (*route).to_owned()).collect();
            located(&routes, target, hop, &Leads(leads)).peer.to_string()
        };
        assert_eq!(next(&[], "sip:b@A.test", "192.0.2.9:5060"), "192.0.2.9:5060");
        assert_eq!(next(&["<sip:a.test;lr>"], "sip:b@h", "192.0.2.9:5062"), "192.0.2.9:5062");
        assert_eq!(next(&[], "sip:b@b.test", "192.0.2.9:5060"), "192.0.2.1:999");
        assert_eq!(next(&[], "sip:b@a.test", "[2001:db8::1]:5060"), "192.0.2.1:999");
        // Behind the translator that its messages come through.
        assert_eq!(next(&[], "sip:b@a.test", "10.0.0.1:5060"), "192.0.2.1:999");
    }

    #[test]
    fn only_names_are_asked_for() {
        let asks = |target: &str, transport| asked(&[], target, transport).is_some();
        assert!(asks("sip:b@a.test", Transport::Udp) && asks("sip:b@a.test", Transport::Tls));
        assert!(!asks("sip:b@192.0.2.1", Transport::Udp) && !asks("tel:+49", Transport::Udp));
        assert!(!asks("sip:b@df7.invalid", Transport::Tcp) && !asks("sip:b@a.test", Transport::Ws));
        assert_eq!(asked(&["<sip:192.0.2.1;lr>".to_owned()], "sip:b@a.test", Transport::Udp), None);
    }

    #[test]
    fn our_tag_replaces_the_identitys_parameters() {
        let of = |raw: &str| with_tag(&Identity::parse(raw.as_bytes()).unwrap(), "t");
        assert_eq!(of("\"A, B\" <sip:a@h>;tag=1;x=y"), "\"A, B\" <sip:a@h>;tag=t");
        assert_eq!(of("sip:a@h;tag=1"), "<sip:a@h>;tag=t");
        assert_eq!(of("Alice <sip:a@h;lr>"), "Alice <sip:a@h;lr>;tag=t");
    }
}
