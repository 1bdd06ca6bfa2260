//! A trunk: a peer we exchange calls with.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use holdline_model::{Hop, Name, Target, Transport, limits};
use holdline_sip::locate::{Asked, InvalidHost, Location, Place};

use crate::Names;
use crate::nonce::Nonces;
use crate::routing::{Cidr, Proof, TrunkPolicy};
use crate::sender::Sender;

/// A peer we exchange calls with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name, unique among the trunks; it appears in CDRs.
    pub name: Name,
    /// Whose calls those are that come from it.
    pub tenant: Name,
    /// Where its calls go, and what stands in their Request-URI.
    pub address: TrunkAddress,
    /// How they go there, if the address is no name.
    pub transport: Transport,
    /// Where they go instead, with a Route that says so; their Request-URI stays.
    pub proxy: Option<TrunkProxy>,
    /// The source addresses that are its own. Empty: only those that its calls go to.
    pub sources: Vec<Cidr>,
    /// How we deal with it.
    pub policy: TrunkPolicy,
}

/// Where a trunk's calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkAddress {
    /// There.
    Socket(SocketAddr),
    /// Wherever this name leads (RFC 3263).
    Name(Asked),
}

/// An outbound proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkProxy {
    /// Where it is.
    pub address: TrunkAddress,
    /// How it is reached, if the address is no name.
    pub transport: Transport,
}

impl Trunk {
    /// How specifically the trunk claims a sender: by its certificate or not, and by the longest prefix
    /// that contains its address. `None`: it is somebody else, or cannot be told from anybody by these.
    pub(crate) fn claims(&self, sender: &Sender, names: &dyn Names) -> Option<(bool, u8)> {
        let Proof { by_source, by_certificate, .. } = &self.policy.proof;
        let certified = by_certificate.as_ref().map(|domain| sender.is(domain));
        match (by_source, certified) {
            (_, Some(false)) | (false, None) => None,
            (false, Some(true)) => Some((true, 0)),
            (true, _) => Some((certified.is_some(), self.block_around(sender.address, names)?)),
        }
    }

    /// The length of the longest prefix among its sources that contains an address.
    fn block_around(&self, source: IpAddr, names: &dyn Names) -> Option<u8> {
        if !self.sources.is_empty() {
            let blocks = self.sources.iter().filter(|block| block.contains(source));
            return blocks.map(Cidr::prefix).max();
        }
        let own = Cidr::host(source.to_canonical());
        let claimed = match self.next().0 {
            TrunkAddress::Socket(address) => address.ip().to_canonical() == source.to_canonical(),
            TrunkAddress::Name(asked) => names.location(asked)?.has(source),
        };
        claimed.then(|| own.prefix())
    }

    /// Where its calls are sent: to its proxy if it has one.
    fn next(&self) -> (&TrunkAddress, Transport) {
        match &self.proxy {
            Some(proxy) => (&proxy.address, proxy.transport),
            None => (&self.address, self.transport),
        }
    }

    /// The name that has to be found out for its calls; `None` if there is none.
    #[must_use]
    pub fn asked(&self) -> Option<&Asked> {
        match self.next().0 {
            TrunkAddress::Name(asked) => Some(asked),
            TrunkAddress::Socket(_) => None,
        }
    }

    /// The targets of a call to this user, in the order of trying, at most `limit`: one for each
    /// address that its name leads to, those that failed lately last. None if it is not known where
    /// that is.
    pub(crate) fn targets(
        &self,
        user: &str,
        local: SocketAddr,
        draw: &mut Draw<'_>,
        limit: usize,
    ) -> Vec<Target> {
        let mut places = match self.next() {
            (TrunkAddress::Socket(address), transport) => {
                vec![Place { transport, address: *address }]
            }
            (TrunkAddress::Name(asked), _) => draw.places(asked),
        };
        places.truncate(limit);
        let (uri, routes) = (self.uri(user), self.routes());
        let target = |Place { transport, address }: Place| Target {
            trunk: self.name.clone(),
            hop: Hop { transport, local, peer: address },
            uri: uri.clone(),
            together: false,
            routes: routes.clone(),
            fields: Vec::new(),
            redirects: 0,
        };
        places.into_iter().map(target).collect()
    }

    /// The Request-URI for a user; without one, the trunk itself.
    pub(crate) fn uri(&self, user: &str) -> String {
        let at = if user.is_empty() { "" } else { "@" };
        format!("sip:{user}{at}{}", self.address.with_transport(self.transport))
    }

    fn routes(&self) -> Vec<String> {
        let route = |proxy: &TrunkProxy| {
            format!("<sip:{};lr>", proxy.address.with_transport(proxy.transport))
        };
        self.proxy.iter().map(route).collect()
    }
}

impl TrunkAddress {
    /// As in a URI, with its transport unless that is the usual one, or left to the DNS.
    fn with_transport(&self, transport: Transport) -> String {
        let transport = match self {
            Self::Socket(_) => Some(transport).filter(|transport| *transport != Transport::Udp),
            Self::Name(asked) => asked.transport,
        };
        match transport {
            Some(transport) => format!("{self};transport={}", transport.param()),
            None => self.to_string(),
        }
    }
}

impl From<SocketAddr> for TrunkAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

impl FromStr for TrunkAddress {
    type Err = InvalidHost;

    /// An address with a port, or a name with or without one.
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        match text.parse::<SocketAddr>() {
            Ok(address) => Ok(Self::Socket(address)),
            Err(_) => Asked::name(text, None).map(Self::Name),
        }
    }
}

impl fmt::Display for TrunkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Name(asked) => asked.fmt(f),
        }
    }
}

/// How places are drawn for one call.
pub(crate) struct Draw<'a> {
    pub(crate) names: &'a dyn Names,
    /// Addresses that failed lately.
    pub(crate) avoid: &'a dyn Fn(SocketAddr) -> bool,
    pub(crate) dice: &'a mut Nonces,
}

impl Draw<'_> {
    fn places(&mut self, asked: &Asked) -> Vec<Place> {
        let location: Arc<Location> = match self.names.location(asked) {
            Some(location) => location,
            None => return Vec::new(),
        };
        let mut roll = |most: u32| {
            let faces = u64::from(most).saturating_add(1);
            u32::try_from(self.dice.draw() % faces).unwrap_or(0)
        };
        let mut places = location.draw(limits::MAX_TARGETS, &mut roll);
        places.sort_by_key(|place| (self.avoid)(place.address));
        places
    }
}
