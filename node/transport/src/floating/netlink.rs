//! The kind `netlink`: the address is added to an interface of this host, and the neighbours are
//! told, so that they do not go on sending to the dead node's hardware address until their caches
//! time out (tens of seconds).
//!
//! Needs `CAP_NET_ADMIN` and `CAP_NET_RAW`. The address gets a prefix of full length unless told
//! otherwise, so it brings no route of its own. IPv6 duplicate address detection is switched off
//! for it: the replicated slot table says whose it is, and waiting a second would cost calls.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use async_trait::async_trait;
use nix::errno::Errno;
use nix::sys::socket::LinkAddr;
use rtnetlink::packet_route::address::{AddressHeaderFlags, AddressMessage};
use rtnetlink::{AddressMessageBuilder, Handle, new_connection};

use super::announce::{announce, interface};
use super::{MoveError, Mover};
use crate::mutant;

/// Where addresses go, and how often neighbours are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetlinkOptions {
    /// The interface, such as `eth0`.
    pub interface: String,
    /// Prefix length of the address, in bits; `None` for a host address (32 or 128).
    pub prefix: Option<u8>,
    /// When the announcement is repeated, counted from the first one: a frame can be lost, and a
    /// switch may not have learned the new port yet.
    pub announce_again_after: Vec<Duration>,
}

impl NetlinkOptions {
    /// The defaults for an interface.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        let again = [20, 100, 500, 2_000, 5_000].map(Duration::from_millis);
        Self { interface: interface.into(), prefix: None, announce_again_after: again.to_vec() }
    }
}

/// Adds addresses to an interface.
#[derive(Clone, Debug)]
pub struct Netlink {
    options: NetlinkOptions,
}

impl Netlink {
    /// A mover for the interface named in `options`. The interface is looked up at each use, so it
    /// may come later.
    #[must_use]
    pub const fn new(options: NetlinkOptions) -> Self {
        Self { options }
    }

    fn link(&self, addr: IpAddr) -> Result<LinkAddr, MoveError> {
        let interface_name = || self.options.interface.clone();
        match interface(&self.options.interface) {
            Ok(Some(link)) => Ok(link),
            Ok(None) => Err(MoveError::NoInterface { interface: interface_name(), addr }),
            Err(source) => Err(MoveError::NetlinkSocket(source)),
        }
    }

    fn index(&self, addr: IpAddr) -> Result<u32, MoveError> {
        let link = self.link(addr)?;
        u32::try_from(link.ifindex())
            .map_err(|_| MoveError::NoInterface { interface: self.options.interface.clone(), addr })
    }

    fn message(&self, addr: IpAddr) -> Result<AddressMessage, MoveError> {
        let index = self.index(addr)?;
        let bits = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = self.options.prefix.unwrap_or(bits);
        if prefix > bits {
            return Err(MoveError::Prefix { prefix, addr });
        }
        Ok(match addr {
            IpAddr::V4(addr) => {
                AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(addr, prefix).build()
            }
            IpAddr::V6(addr) => {
                let builder = AddressMessageBuilder::<Ipv6Addr>::new();
                let mut message = builder.index(index).address(addr, prefix).build();
                message.header.flags |= AddressHeaderFlags::Nodad;
                message
            }
        })
    }

    /// Runs one request on a netlink socket of its own; both end with the call.
    async fn ask<F>(
        &self,
        action: &'static str,
        addr: IpAddr,
        harmless: Errno,
        request: F,
    ) -> Result<(), MoveError>
    where
        F: AsyncFnOnce(Handle) -> Result<(), rtnetlink::Error>,
    {
        let (connection, handle, _) = new_connection().map_err(MoveError::NetlinkSocket)?;
        let answer = tokio::select! {
            answer = request(handle) => answer,
            () = connection => Err(rtnetlink::Error::RequestFailed),
        };
        let source = match answer {
            Ok(()) => return Ok(()),
            Err(rtnetlink::Error::NetlinkError(error)) => error.to_io(),
            Err(error) => io::Error::other(error),
        };
        if source.raw_os_error() == Some(harmless as i32) {
            return Ok(());
        }
        let interface = self.options.interface.clone();
        Err(MoveError::Netlink { action, addr, interface, source })
    }
}

#[async_trait]
impl Mover for Netlink {
    async fn acquire(&self, addr: IpAddr) -> Result<(), MoveError> {
        let message = self.message(addr)?;
        self.ask("add", addr, Errno::EEXIST, async move |handle| {
            let mut request = handle.address().add(message.header.index, addr, 0);
            *request.message_mut() = message;
            request.replace().execute().await
        })
        .await
    }

    async fn release(&self, addr: IpAddr) -> Result<(), MoveError> {
        let message = match self.message(addr) {
            Ok(message) => message,
            // An interface that is gone has no addresses.
            Err(MoveError::NoInterface { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        self.ask("remove", addr, Errno::EADDRNOTAVAIL, async move |handle| {
            handle.address().del(message).execute().await
        })
        .await
    }

    fn announce(&self, addr: IpAddr) -> Result<(), MoveError> {
        if mutant::is("no-gratuitous-arp") {
            return Ok(());
        }
        let link = self.link(addr)?;
        announce(&link, addr).map_err(|source: io::Error| MoveError::Announce {
            addr,
            interface: self.options.interface.clone(),
            source,
        })
    }

    fn announce_again_after(&self) -> &[Duration] {
        &self.options.announce_again_after
    }
}
