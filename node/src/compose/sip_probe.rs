//! Before a node starts: is one of its SIP addresses in use by something that is no Holdline node?
//!
//! Another node of the cluster may rightly hold our address at this moment, on the same host when
//! addresses are moved by binding alone. Its sockets share (`SO_REUSEADDR`), foreign ones do not: that
//! tells them apart. Only asked for addresses that are bound and nothing else; those that are moved
//! by netlink or a program are not on this host yet.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use holdline_transport::{BindError, SocketOptions, Sockets};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::NodeError;

/// Refuses an address that can never be bound here.
pub(super) fn check(addresses: &[SocketAddr]) -> Result<(), NodeError> {
    for address in addresses {
        match UdpSocket::bind(address) {
            Ok(_free) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => shared(*address)?,
            Err(source) => return Err(NodeError::Sip { address: *address, source }),
        }
    }
    Ok(())
}

/// Whether the holder shares the address. A datagram that arrives in this instant is lost; its sender
/// repeats it.
fn shared(address: SocketAddr) -> Result<(), NodeError> {
    let stop = CancellationToken::new();
    let (sockets, _datagrams) = Sockets::new(SocketOptions::default(), TaskTracker::new(), stop);
    match sockets.bind(address) {
        Ok(_) => {
            sockets.unbind(address);
            Ok(())
        }
        Err(BindError::Refused { addr, source }) => Err(NodeError::Sip { address: addr, source }),
        // Neither can happen: the configuration refuses wildcards, and nothing is stopping.
        Err(BindError::Wildcard { .. } | BindError::Stopping { .. }) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_foreign_holder_is_refused_and_named() {
        let foreign = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = foreign.local_addr().unwrap();
        let text = check(&[address]).unwrap_err().to_string();
        assert!(text.contains(&address.to_string()), "{text}");
        drop(foreign);
        assert!(check(&[address]).is_ok());
    }

    #[tokio::test]
    async fn another_node_may_hold_the_address() {
        let stop = CancellationToken::new();
        let (sockets, _datagrams) =
            Sockets::new(SocketOptions::default(), TaskTracker::new(), stop.clone());
        let address = sockets.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(check(&[address]).is_ok());
        assert!(sockets.is_bound(address));
        stop.cancel();
    }
}
