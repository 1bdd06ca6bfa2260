//! A far end's side of a dialog, and the addresses it is reached at.

use std::net::SocketAddr;

use super::resends::Datagram;
use super::script::Flavour;
use super::text::{self, Text, address_in, uri_in};

/// A far end's addresses: where it speaks from, where it wants requests in the dialog, and the proxy
/// in front of it.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    user: &'static str,
    flavour: Flavour,
    host: SocketAddr,
    contact: SocketAddr,
    proxy: Option<SocketAddr>,
}

impl Path {
    pub(crate) fn caller(flavour: Flavour) -> Self {
        Self::new("alice", flavour, "10.2.0.1", "10.2.0.9")
    }

    /// Of the callee at a target.
    pub(crate) fn callee(flavour: Flavour, index: usize) -> Self {
        match index {
            0 => Self::new("bob", flavour, "10.3.0.1", "10.3.0.91"),
            1 => Self::new("bea", flavour, "10.3.0.2", "10.3.0.92"),
            _ => Self::new("ben", flavour, "10.3.0.3", "10.3.0.93"),
        }
    }

    fn new(user: &'static str, flavour: Flavour, host: &str, proxy: &str) -> Self {
        let address = |host: &str, port: u16| format!("{host}:{port}").parse().expect("constant");
        Self {
            user,
            flavour,
            host: address(host, 5060),
            contact: address(host, if flavour == Flavour::Sipp { 5060 } else { 5062 }),
            proxy: (flavour == Flavour::Proxied).then(|| address(proxy, 5060)),
        }
    }

    pub(crate) fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Where its datagrams come from, and where calls to it go.
    pub(crate) fn source(&self) -> SocketAddr {
        self.proxy.unwrap_or(self.host)
    }

    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        [Some(self.host), Some(self.contact), self.proxy].contains(&Some(address))
    }

    pub(crate) fn contact_uri(&self) -> String {
        format!("sip:{}@{};line=7", self.user, self.contact)
    }

    /// The Vias of a request of its: with a proxy, the proxy's on top.
    pub(crate) fn vias(&self, branch: &str) -> Vec<(&'static str, String)> {
        let own = |address: SocketAddr, branch: &str| {
            ("Via", format!("SIP/2.0/UDP {address};branch={branch}"))
        };
        match self.proxy {
            Some(proxy) => vec![own(proxy, branch), own(self.host, &format!("{branch}-inner"))],
            None => vec![own(self.host, branch)],
        }
    }

    pub(crate) fn record_route(&self) -> Option<(&'static str, String)> {
        self.proxy.map(|proxy| ("Record-Route", format!("<sip:{proxy};lr>")))
    }

    /// Where a request in the dialog has to arrive.
    fn expected_at(&self) -> SocketAddr {
        self.proxy.unwrap_or(self.contact)
    }
}

/// What a far end knows of its dialog.
#[derive(Debug)]
pub(crate) struct FarDialog {
    call_id: String,
    local: String,
    remote: String,
    target: String,
    peer: SocketAddr,
    invite_cseq: u32,
    local_cseq: u32,
    remote_cseq: u32,
}

impl FarDialog {
    /// The caller's, from a 2xx.
    pub(crate) fn of_answer(answer: &Text, switch: SocketAddr, path: &Path) -> Self {
        let invite_cseq = answer.cseq().0;
        let first = format!("sip:+4930123@{switch}");
        let (target, peer) = Self::remote(answer, first, switch, path);
        Self {
            call_id: answer.call_id().to_owned(),
            local: answer.get("From").to_owned(),
            remote: answer.get("To").to_owned(),
            target,
            peer,
            invite_cseq,
            local_cseq: invite_cseq,
            remote_cseq: 0,
        }
    }

    /// The callee's, from the INVITE; `tag` is its own.
    pub(crate) fn of_invite(invite: &Text, from: SocketAddr, tag: &str, path: &Path) -> Self {
        let (target, peer) = Self::remote(invite, format!("sip:service@{from}"), from, path);
        Self {
            call_id: invite.call_id().to_owned(),
            local: format!("{};tag={tag}", invite.get("To")),
            remote: invite.get("From").to_owned(),
            target,
            peer,
            invite_cseq: invite.cseq().0,
            local_cseq: 100,
            remote_cseq: invite.cseq().0,
        }
    }

    /// Where requests go: as the Contact says, or, as SIPp does it, where the call went first.
    fn remote(
        message: &Text,
        first: String,
        peer: SocketAddr,
        path: &Path,
    ) -> (String, SocketAddr) {
        if path.flavour == Flavour::Sipp {
            return (first, peer);
        }
        let target = message.contact().to_owned();
        let peer = address_in(&target).unwrap_or(peer);
        (target, peer)
    }

    pub(crate) fn remote_tag(&self) -> &str {
        self.remote.rsplit_once("tag=").map_or("", |(_, tag)| tag)
    }

    /// A request with the next CSeq.
    pub(crate) fn request(
        &mut self,
        method: &str,
        branch: &str,
        sdp: Option<&str>,
        path: &Path,
    ) -> Datagram {
        self.local_cseq += 1;
        self.write(method, self.local_cseq, branch, sdp, path)
    }

    /// The ACK of the 2xx; the same each time.
    pub(crate) fn ack(&self, branch: &str, sdp: Option<&str>, path: &Path) -> Datagram {
        self.write("ACK", self.invite_cseq, branch, sdp, path)
    }

    /// The ACK of the answer to an INVITE within the dialog.
    pub(crate) fn ack_of(
        &self,
        cseq: u32,
        branch: &str,
        sdp: Option<&str>,
        path: &Path,
    ) -> Datagram {
        self.write("ACK", cseq, branch, sdp, path)
    }

    /// Goes on with the numbers of the early dialog.
    pub(crate) fn go_on_from(&mut self, early: &Self) {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
    }

    /// CSeq number of its last request.
    pub(crate) fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// The highest CSeq number of the other end's requests.
    pub(crate) fn remote_cseq(&self) -> u32 {
        self.remote_cseq
    }

    /// Whether an ACK is of the INVITE that made the dialog.
    pub(crate) fn is_first_ack(&self, ack: &Text) -> bool {
        ack.cseq().0 == self.invite_cseq
    }

    fn write(
        &self,
        method: &str,
        cseq: u32,
        branch: &str,
        sdp: Option<&str>,
        path: &Path,
    ) -> Datagram {
        let mut headers = path.vias(branch);
        headers.extend([
            ("From", self.local.clone()),
            ("To", self.remote.clone()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{cseq} {method}")),
            ("Max-Forwards", "70".to_owned()),
            ("User-Agent", format!("{}Agent/1.0", path.user)),
        ]);
        if matches!(method, "INVITE" | "UPDATE" | "REFER") {
            headers.push(("Contact", format!("<{}>", path.contact_uri())));
        }
        let text = text::write(&format!("{method} {} SIP/2.0", self.target), &headers, sdp);
        Datagram { from: path.source(), to: self.peer, text }
    }

    /// What is wrong with a request in the dialog, if anything is.
    pub(crate) fn fault_in_request(
        &mut self,
        at: SocketAddr,
        request: &Text,
        path: &Path,
    ) -> Option<String> {
        let (cseq, method) = request.cseq();
        let fault = |what: String| Some(format!("{what}: {}", request.brief()));
        if request.call_id() != self.call_id {
            return fault("another Call-ID".to_owned());
        }
        if method == "ACK" {
            // It goes with its INVITE, and may be repeated after a BYE.
            if cseq != self.invite_cseq {
                return fault("the ACK has another CSeq than the INVITE".to_owned());
            }
        } else if cseq < self.remote_cseq {
            return fault(format!("CSeq went back from {}", self.remote_cseq));
        } else {
            self.remote_cseq = cseq;
        }
        if path.flavour == Flavour::Sipp {
            return None;
        }
        let own_tag = self.local.rsplit_once("tag=").map_or("", |(_, tag)| tag);
        if request.tag("To") != own_tag || request.tag("From") != self.remote_tag() {
            return fault("tags of another dialog".to_owned());
        }
        if request.uri() != path.contact_uri() {
            return fault(format!("the Request-URI is not my Contact {}", path.contact_uri()));
        }
        if at != path.expected_at() {
            return fault(format!("it arrived at {at}, not at {}", path.expected_at()));
        }
        let route = request.get("Route");
        match path.record_route() {
            Some((_, expected)) if uri_in(route) != uri_in(&expected) => {
                fault(format!("Route is {route:?}, not {expected}"))
            }
            None if !route.is_empty() => fault(format!("Route is {route:?} without a route set")),
            Some(_) | None => None,
        }
    }
}
