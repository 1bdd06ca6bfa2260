//! Sends announcements through a packet socket. The kernel does not do it when an address is added
//! by netlink, unless `arp_notify` happens to be set.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::frame::announcements;

/// Looks an interface up by name, in the network namespace of the calling thread.
pub(crate) fn interface(name: &str) -> io::Result<Option<LinkAddr>> {
    let mut interfaces = getifaddrs()?.filter(|entry| entry.interface_name == name);
    Ok(interfaces.find_map(|entry| entry.address?.as_link_addr().copied()))
}

/// Tells everybody on the link that `addr` is at the interface `link`. Interfaces that are not
/// Ethernet (such as loopback) have no neighbours to tell.
pub(crate) fn announce(link: &LinkAddr, addr: IpAddr) -> io::Result<()> {
    let Some(mac) = link.addr().filter(|_| link.hatype() == ARPHRD_ETHER) else { return Ok(()) };
    // Protocol 0: this socket only sends; it receives nothing.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    for frame in announcements(mac, addr) {
        sendto(socket.as_raw_fd(), &frame, link, MsgFlags::empty())?;
    }
    Ok(())
}

const ARPHRD_ETHER: u16 = 1;
