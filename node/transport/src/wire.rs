//! A network in place of the kernel's, for simulation.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::Datagram;

/// What [`crate::Sockets`] sends through and receives from when there is no kernel beneath them.
///
/// No call blocks or waits. What arrives goes into the queue given to [`Wire::bind`]; when that is
/// full it is dropped.
pub trait Wire: Debug + Send + Sync + 'static {
    /// From now on, what is sent to `addr` goes into `inbox`.
    ///
    /// # Errors
    /// The address cannot be had.
    fn bind(&self, addr: SocketAddr, inbox: mpsc::Sender<Vec<Datagram>>) -> io::Result<()>;

    /// Undoes [`Wire::bind`].
    fn unbind(&self, addr: SocketAddr);

    /// Sends one datagram.
    ///
    /// # Errors
    /// As a kernel would say; the datagram is lost.
    fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<()>;
}
