//! What is found: servers in the order of their priorities, and the order of trying for one call.

use std::net::{IpAddr, SocketAddr};

use holdline_model::Transport;

/// Where a URI leads: never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Servers of the same transport and priority; all of one group are tried before the next.
    pub groups: Vec<Vec<Server>>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The name under which its addresses were found, or its address.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// At which port.
    pub port: u16,
    /// Its share within its group.
    pub weight: u16,
    /// Its addresses, never empty.
    pub addresses: Vec<IpAddr>,
}

/// One address to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl Location {
    /// A single place.
    #[must_use]
    pub fn at(transport: Transport, address: SocketAddr) -> Self {
        let (ip, port) = (address.ip(), address.port());
        let name = ip.to_string();
        let server = Server { name, transport, port, weight: 0, addresses: vec![ip] };
        Self { groups: vec![vec![server]] }
    }

    /// The order of trying for one call, at most `limit` places: groups in order, within a group by
    /// weight and chance (RFC 2782), then the addresses of each server, beginning with one by chance.
    /// `dice(n)` is a number from 0 to n, each as likely.
    pub fn draw(&self, limit: usize, dice: &mut impl FnMut(u32) -> u32) -> Vec<Place> {
        let mut places = Vec::new();
        for group in &self.groups {
            let mut left: Vec<&Server> = group.iter().collect();
            // Those without weight stand first: they are chosen by the roll of 0 alone.
            left.sort_by_key(|server| server.weight > 0);
            while !left.is_empty() && places.len() < limit {
                let chosen = left.remove(chosen(&left, dice));
                places.extend(chosen.places(dice));
            }
        }
        places.truncate(limit);
        places
    }

    /// All places, in the order in which they are written down.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.groups.iter().flatten().flat_map(Server::all)
    }

    /// Whether an address is one of a server's.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.groups.iter().flatten().any(|server| server.addresses.contains(&ip))
    }
}

/// RFC 2782: the first of the servers whose running sum of weights reaches the roll.
fn chosen(left: &[&Server], dice: &mut impl FnMut(u32) -> u32) -> usize {
    let total: u32 = left.iter().map(|server| u32::from(server.weight)).sum();
    let roll = dice(total);
    let mut sum = 0;
    let reaches = |server: &&Server| {
        sum += u32::from(server.weight);
        sum >= roll
    };
    left.iter().position(reaches).unwrap_or(0)
}

impl Server {
    fn all(&self) -> impl Iterator<Item = Place> + '_ {
        let (transport, port) = (self.transport, self.port);
        self.addresses
            .iter()
            .map(move |ip| Place { transport, address: SocketAddr::new(*ip, port) })
    }

    fn places(&self, dice: &mut impl FnMut(u32) -> u32) -> Vec<Place> {
        let mut places: Vec<Place> = self.all().collect();
        let last = u32::try_from(places.len().saturating_sub(1)).unwrap_or(0);
        if last > 0 {
            let first = usize::try_from(dice(last)).unwrap_or(0).min(places.len());
            places.rotate_left(first);
        }
        places
    }
}
