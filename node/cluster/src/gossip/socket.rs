//! The socket beneath gossip: the kernel's, or a simulation's.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::UdpSocket;

/// A socket that sends and receives whole datagrams.
#[async_trait]
pub trait GossipSocket: Debug + Send + Sync {
    /// Sends one datagram.
    ///
    /// # Errors
    /// As the system says; the datagram is lost.
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()>;

    /// Waits for a datagram, puts it into `buffer`, and says how long it is and from whom. Cancel-safe.
    ///
    /// # Errors
    /// As the system says; the next call may succeed.
    async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;
}

/// Where gossip's socket comes from.
#[derive(Clone, Debug, Default)]
pub enum GossipNetwork {
    /// UDP.
    #[default]
    Udp,
    /// A simulation.
    Simulated(Arc<dyn OpenGossip>),
}

/// Opens simulated sockets.
pub trait OpenGossip: Debug + Send + Sync {
    /// Opens a socket at an address.
    ///
    /// # Errors
    /// The address cannot be had.
    fn open(&self, listen: SocketAddr) -> io::Result<Box<dyn GossipSocket>>;
}

impl GossipNetwork {
    pub(super) async fn open(&self, listen: SocketAddr) -> io::Result<Box<dyn GossipSocket>> {
        match self {
            Self::Udp => Ok(Box::new(UdpSocket::bind(listen).await?)),
            Self::Simulated(network) => network.open(listen),
        }
    }
}

#[async_trait]
impl GossipSocket for UdpSocket {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        Self::send_to(self, bytes, to).await.map(drop)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        Self::recv_from(self, buffer).await
    }
}
