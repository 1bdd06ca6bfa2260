//! A trunk: a peer we exchange calls with.

use std::net::{IpAddr, SocketAddr};

use holdline_model::{Name, Transport};

use crate::routing::Cidr;

/// A peer we exchange calls with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name, unique among the trunks; it appears in CDRs.
    pub name: Name,
    /// Whose calls those are that come from it.
    pub tenant: Name,
    /// Where its calls go.
    pub address: SocketAddr,
    /// How they go there.
    pub transport: Transport,
    /// The source addresses that are its own. Empty: only the IP address that its calls go to.
    pub sources: Vec<Cidr>,
}

impl Trunk {
    /// How specifically the trunk claims a source address: the longest prefix that contains it.
    pub(crate) fn claims(&self, source: IpAddr) -> Option<u8> {
        if self.sources.is_empty() {
            let own = Cidr::host(self.address.ip().to_canonical());
            return own.contains(source).then(|| own.prefix());
        }
        self.sources.iter().filter(|block| block.contains(source)).map(Cidr::prefix).max()
    }
}
