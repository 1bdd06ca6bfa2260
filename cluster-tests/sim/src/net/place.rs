//! What one run of a machine's software has of the network.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use holdline_cluster::gossip::{GossipSocket, OpenGossip};
use holdline_transport::{Datagram, Wire};
use tokio::sync::{Mutex, mpsc};

use super::{HostId, Inbox, Net};

/// A machine's place in the network, during one run of its software.
#[derive(Clone)]
pub struct Place {
    pub(super) net: Net,
    pub(super) host: HostId,
    pub(super) run: u64,
}

impl Place {
    /// The network.
    #[must_use]
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// Has what arrives at `addr` returned by [`Net::advance`].
    pub fn bind_far_end(&self, addr: SocketAddr) {
        // A simulated network refuses nobody.
        let _bound = self.net.bind(self.host, addr, Inbox::FarEnd);
    }

    /// Sends a SIP datagram of a far end.
    pub fn send_from_far_end(&self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        self.net.send_untapped(self.host, from, to, bytes);
    }

    pub(super) fn is_up(&self) -> bool {
        self.net.lock().is_up(self.host, self.run)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Wire for Place {
    fn bind(&self, addr: SocketAddr, inbox: mpsc::Sender<Vec<Datagram>>) -> io::Result<()> {
        self.net.bind(self.host, addr, Inbox::Sip(inbox))
    }

    fn unbind(&self, addr: SocketAddr) {
        if self.is_up() {
            self.net.unbind(self.host, addr);
        }
    }

    fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        if self.is_up() {
            self.net.send(self.host, from, to, Bytes::copy_from_slice(bytes), true);
        }
        Ok(())
    }
}

/// Gossip's socket.
#[derive(Debug)]
struct Socket {
    place: Place,
    local: SocketAddr,
    inbox: Mutex<mpsc::Receiver<(SocketAddr, Bytes)>>,
}

impl OpenGossip for Place {
    fn open(&self, listen: SocketAddr) -> io::Result<Box<dyn GossipSocket>> {
        let (queue, inbox) = mpsc::channel(GOSSIP_QUEUE);
        self.net.bind(self.host, listen, Inbox::Gossip(queue))?;
        Ok(Box::new(Socket { place: self.clone(), local: listen, inbox: Mutex::new(inbox) }))
    }
}

#[async_trait]
impl GossipSocket for Socket {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let Place { net, host, .. } = &self.place;
        if self.place.is_up() {
            net.send(*host, self.local, to, Bytes::copy_from_slice(bytes), false);
        }
        Ok(())
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self.inbox.lock().await.recv().await;
        let Some((from, bytes)) = received else { return std::future::pending().await };
        let length = bytes.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Ok((length, from))
    }
}

/// Datagrams that may wait for gossip.
const GOSSIP_QUEUE: usize = 1024;
