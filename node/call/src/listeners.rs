//! What listens at our addresses: which of them a leg over another transport leaves from.
//!
//! A call's legs keep to addresses of one home, because these move together.

use std::net::SocketAddr;

use holdline_model::{Listener, Transport, limits};

/// The listeners of all nodes, by home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    homes: Vec<Vec<Listener>>,
}

impl Listeners {
    /// Of each home.
    #[must_use]
    pub const fn new(homes: Vec<Vec<Listener>>) -> Self {
        Self { homes }
    }

    /// The address that a leg to `peer` leaves from, of a call that came to `local`; `None` if its
    /// home has no listener for this transport and kind of address. Where nothing is known about
    /// `local`, it is `local`.
    #[must_use]
    pub fn address_for(
        &self,
        local: SocketAddr,
        transport: Transport,
        peer: SocketAddr,
    ) -> Option<SocketAddr> {
        match self.home(local) {
            Some(_) => self.known_address_for(local, transport, peer),
            None => Some(local),
        }
    }

    /// The same, but nothing where nothing is known about `local`.
    pub(crate) fn known_address_for(
        &self,
        local: SocketAddr,
        transport: Transport,
        peer: SocketAddr,
    ) -> Option<SocketAddr> {
        let home = self.home(local)?;
        let fits = |listener: &&Listener| {
            listener.transport == transport && listener.addr.is_ipv4() == peer.is_ipv4()
        };
        let fitting = || home.iter().filter(fits).map(|listener| listener.addr);
        let same = fitting().find(|addr| *addr == local);
        same.or_else(|| fitting().find(|addr| addr.ip() == local.ip())).or_else(|| fitting().next())
    }

    /// Those of the home of `local` that peers reach elsewhere.
    pub(crate) fn advertised(&self, local: SocketAddr) -> Vec<Listener> {
        let home = self.home(local).into_iter().flatten();
        let elsewhere = home.filter(|listener| listener.advertised.is_some()).copied();
        elsewhere.take(limits::MAX_ADVERTISED).collect()
    }

    /// Where peers reach `addr`.
    pub(crate) fn seen(&self, transport: Transport, addr: SocketAddr) -> SocketAddr {
        let is_it = |listener: &&Listener| listener.transport == transport && listener.addr == addr;
        let listener = self.homes.iter().flatten().find(is_it);
        listener.and_then(|listener| listener.advertised).unwrap_or(addr)
    }

    fn home(&self, local: SocketAddr) -> Option<&Vec<Listener>> {
        let is_local = |listener: &Listener| listener.addr == local;
        self.homes.iter().find(|home| home.iter().any(is_local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_keeps_its_address_if_it_can_else_its_ip_else_its_home() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        let listener = |transport, text| Listener { transport, addr: addr(text), advertised: None };
        let listeners = Listeners::new(vec![
            vec![listener(Transport::Tcp, "192.0.2.9:5060")],
            vec![
                listener(Transport::Udp, "192.0.2.1:5060"),
                listener(Transport::Tls, "192.0.2.1:5061"),
                listener(Transport::Tcp, "192.0.2.2:5060"),
                listener(Transport::Udp, "[2001:db8::1]:5060"),
            ],
        ]);
        let (here, peer) = (addr("192.0.2.1:5060"), addr("203.0.113.1:5060"));
        let of = |transport, peer| listeners.address_for(here, transport, peer);
        assert_eq!(of(Transport::Udp, peer), Some(here));
        assert_eq!(of(Transport::Tls, peer), Some(addr("192.0.2.1:5061")));
        assert_eq!(of(Transport::Tcp, peer), Some(addr("192.0.2.2:5060")));
        assert_eq!(
            of(Transport::Udp, addr("[2001:db8::7]:5060")),
            Some(addr("[2001:db8::1]:5060"))
        );
        assert_eq!(of(Transport::Wss, peer), None);
        let unknown = addr("192.0.2.77:5060");
        assert_eq!(listeners.address_for(unknown, Transport::Tcp, peer), Some(unknown));
    }
}
