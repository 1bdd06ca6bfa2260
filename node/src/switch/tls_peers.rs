//! Whom we expect behind a TLS connection that we open, and with which certificate we come; and who peers are
//! by the certificates that they have shown.
//!
//! A trunk is found by the host in the request's Route or Request-URI, which is what its configuration
//! names; else by its address. Everybody else is expected to have the name that the request was
//! addressed to (RFC 5922 section 4).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use holdline_call::Certificates;
use holdline_model::Hop;
use holdline_sip::message::Message;
use holdline_transport::{Ports, Tls};

use super::next_hop;

/// The certificates that peers have shown on the connections of this node.
#[derive(Clone, Debug)]
pub(crate) struct Shown(pub(crate) Ports);

impl Certificates for Shown {
    fn identities(&self, hop: Hop) -> Option<Arc<[String]>> {
        self.0.identities(&hop)
    }
}

/// What is known of TLS peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsPeers {
    by_host: BTreeMap<String, TlsPeer>,
}

/// One of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsPeer {
    /// Whose certificate is expected; `None`: its address's.
    pub(crate) name: Option<String>,
    /// The certificate that we show it, if it is not ours.
    pub(crate) identity: Option<Tls>,
}

impl TlsPeers {
    /// Adds a trunk that is reached at `host`, a name or an address.
    pub(crate) fn add(&mut self, host: &str, peer: TlsPeer) {
        self.by_host.insert(host.to_ascii_lowercase(), peer);
    }

    /// Whom to expect at the far end of a connection over which a message is to be sent to `ip`.
    pub(crate) fn find(&self, message: &Message, ip: IpAddr) -> TlsPeer {
        let host = next_hop::host(message);
        let known = host.as_ref().and_then(|host| self.by_host.get(&host.to_ascii_lowercase()));
        let known = known.or_else(|| self.by_host.get(&ip.to_canonical().to_string()));
        match known {
            Some(peer) => peer.clone(),
            None => {
                let name = host.filter(|host| host.parse::<IpAddr>().is_err());
                TlsPeer { name, identity: None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(peers: &TlsPeers, uri: &str, more: &str) -> Option<String> {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1\r\n{more}\
             From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes().into()).unwrap();
        peers.find(&message, [192, 0, 2, 9].into()).name
    }

    #[test]
    fn the_configured_name_is_expected_else_that_of_the_request() {
        let mut peers = TlsPeers::default();
        let named = |name: &str| TlsPeer { name: Some(name.to_owned()), identity: None };
        peers.add("Carrier.test", named("sip.carrier.test"));
        peers.add("192.0.2.9", named("by-address.test"));
        let sip = "sip.carrier.test".to_owned();
        assert_eq!(expected(&peers, "sip:b@carrier.TEST;transport=tls", ""), Some(sip.clone()));
        let route = "Route: <sip:carrier.test;lr>\r\n";
        assert_eq!(expected(&peers, "sip:b@elsewhere.test", route), Some(sip));
        let by_address = Some("by-address.test".to_owned());
        assert_eq!(expected(&peers, "sip:b@192.0.2.9:5061", ""), by_address);
        assert_eq!(expected(&peers, "sip:b@elsewhere.test", ""), by_address);
        let none = TlsPeers::default();
        assert_eq!(expected(&none, "sip:b@a.test", ""), Some("a.test".to_owned()));
        assert_eq!(expected(&none, "sip:b@192.0.2.9", ""), None);
    }
}
