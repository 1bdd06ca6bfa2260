//! The addresses of one test: a /24 of the loopback network, claimed so that tests that run at the
//! same time never meet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::config::{ADMIN_PORT, GOSSIP_PORT, RPC_PORT, SIP_PORT};

/// Networks that are tried before a test gives up.
const ATTEMPTS: u32 = 64;
/// The address whose socket is the claim.
const CLAIM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(0, 0, 0, 254)), 4444);
/// Networks that this process has tried.
static CLAIMED: AtomicU32 = AtomicU32::new(0);
/// The first network of tests; those below are for people (`make demo` uses 127.0.0.0/24).
const FIRST_NETWORK: u32 = 16;
/// Networks 127.16.0.0/16 to 127.250.0.0/16.
const NETWORKS: u32 = 235;

/// A /24 of 127.0.0.0/8, ours as long as this lives.
#[derive(Debug)]
pub struct Site {
    network: [u8; 3],
    /// Where admin APIs are, if not in the same network.
    control: Option<[u8; 3]>,
    _claim: Option<UdpSocket>,
}

/// The addresses are in use.
#[derive(Debug, thiserror::Error)]
#[error("address {address} is in use ({cause}); end the process that has it: `ss -lnptu`")]
pub struct SiteTaken {
    address: SocketAddr,
    cause: std::io::Error,
}

impl Site {
    /// A network that nobody uses, chosen from the process id so that tests spread.
    ///
    /// # Errors
    /// If dozens of networks are all in use.
    pub fn claim(nodes: u8) -> Result<Self, SiteTaken> {
        let mut tries = 0;
        loop {
            // Sockets of an earlier cluster of this process may live on for a moment.
            let place = CLAIMED.fetch_add(1, Ordering::Relaxed);
            let number = process::id().wrapping_add(place << 16).wrapping_mul(0x9e37_79b1);
            let [_, _, high, low] = (number >> 8).to_be_bytes();
            let second = FIRST_NETWORK + u32::from(high) % NETWORKS;
            match Self::exactly([127, u8::try_from(second).unwrap_or(u8::MAX), low], nodes) {
                Ok(site) => return Ok(site),
                Err(taken) if tries == ATTEMPTS => return Err(taken),
                Err(_) => tries += 1,
            }
        }
    }

    /// That network.
    ///
    /// # Errors
    /// If another process has claimed it, or a port that a node needs is in use.
    pub fn exactly(network: [u8; 3], nodes: u8) -> Result<Self, SiteTaken> {
        let at = |host: u8, port: u16| {
            let [a, b, c] = network;
            SocketAddr::from(([a, b, c, host], port))
        };
        let claim = at(254, CLAIM.port());
        let taken = |address| move |cause| SiteTaken { address, cause };
        let claim = UdpSocket::bind(claim).map_err(taken(claim))?;
        for id in 1..=nodes {
            for port in [SIP_PORT, GOSSIP_PORT] {
                let address = at(10 + id, port);
                UdpSocket::bind(address).map_err(taken(address))?;
            }
            for port in [RPC_PORT, ADMIN_PORT] {
                let address = at(10 + id, port);
                TcpListener::bind(address).map_err(taken(address))?;
            }
        }
        Ok(Self { network, control: None, _claim: Some(claim) })
    }

    /// A network that the caller has made, with the admin APIs in another one. SIP addresses are
    /// not those of the nodes: they move.
    #[must_use]
    pub const fn made(network: [u8; 3], control: [u8; 3]) -> Self {
        Self { network, control: Some(control), _claim: None }
    }

    /// An address of the network.
    #[must_use]
    pub fn address(&self, host: u8, port: u16) -> SocketAddr {
        let [a, b, c] = self.network;
        SocketAddr::from(([a, b, c, host], port))
    }

    /// An address of node `id`: its host number is 10 + id, or 20 + id if it floats.
    #[must_use]
    pub fn node(&self, id: u64, port: u16) -> SocketAddr {
        let host = u8::try_from(id).unwrap_or(u8::MAX);
        match (self.control, port) {
            (Some([a, b, c]), ADMIN_PORT) => {
                SocketAddr::from(([a, b, c, host.saturating_add(10)], port))
            }
            (Some(_), SIP_PORT) => self.address(host.saturating_add(20), port),
            _ => self.address(host.saturating_add(10), port),
        }
    }

    /// Where other nodes reach node `id` if there is somebody between them: host number 50 + id.
    #[must_use]
    pub fn front(&self, id: u64) -> SocketAddr {
        self.address(u8::try_from(id).unwrap_or(u8::MAX).saturating_add(50), RPC_PORT)
    }

    /// All addresses that nodes and agents may have.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let hosts = (1..=20).chain(101..=103);
        hosts.map(|host| self.address(host, 0).ip()).collect()
    }

    /// Where the caller's agent is.
    #[must_use]
    pub fn caller(&self) -> SocketAddr {
        self.address(101, SIP_PORT)
    }

    /// Where the callee's agent is: trunk `callee`, numbers beginning with 1.
    #[must_use]
    pub fn callee(&self) -> SocketAddr {
        self.address(102, SIP_PORT)
    }

    /// Where a second callee is: trunk `backup`, tried after `callee` for numbers beginning with 2.
    #[must_use]
    pub fn backup(&self) -> SocketAddr {
        self.address(103, SIP_PORT)
    }

    /// Where SIPp calls from.
    #[must_use]
    pub fn sipp_caller(&self) -> SocketAddr {
        self.address(111, SIP_PORT)
    }

    /// Where SIPp answers: trunk `sipp-callee`, numbers beginning with 9.
    #[must_use]
    pub fn sipp_callee(&self) -> SocketAddr {
        self.address(112, SIP_PORT)
    }

    /// An address that no trunk knows.
    #[must_use]
    pub fn stranger(&self) -> SocketAddr {
        self.address(120, SIP_PORT)
    }
}
