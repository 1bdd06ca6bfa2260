//! Why an address could not be moved.

use std::io;
use std::net::IpAddr;
use std::process::ExitStatus;
use std::time::Duration;

/// One failed attempt. The next one may succeed.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The interface does not exist, or is not a network interface with a hardware address.
    #[error("there is no interface {interface:?} on this host; name another one for {addr}")]
    NoInterface {
        /// Its configured name.
        interface: String,
        /// The address that was to be moved.
        addr: IpAddr,
    },
    /// The prefix length does not fit the address.
    #[error("a prefix of {prefix} bits does not fit {addr}")]
    Prefix {
        /// The configured length.
        prefix: u8,
        /// The address that was to be moved.
        addr: IpAddr,
    },
    /// The kernel could not be asked.
    #[error("cannot open a netlink socket")]
    NetlinkSocket(#[source] io::Error),
    /// The kernel refused. Changing addresses needs `CAP_NET_ADMIN`.
    #[error("cannot {action} {addr} on interface {interface:?}; it needs CAP_NET_ADMIN")]
    Netlink {
        /// `add` or `remove`.
        action: &'static str,
        /// The address.
        addr: IpAddr,
        /// The interface.
        interface: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The neighbours could not be told. It needs `CAP_NET_RAW`.
    #[error("cannot announce {addr} on interface {interface:?}; it needs CAP_NET_RAW")]
    Announce {
        /// The address.
        addr: IpAddr,
        /// The interface.
        interface: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The program could not be run.
    #[error("cannot run {program:?} to {action} {addr}")]
    CommandStart {
        /// The program.
        program: String,
        /// `acquire` or `release`.
        action: &'static str,
        /// The address.
        addr: IpAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program was killed because it took too long.
    #[error("{program:?} did not {action} {addr} within {limit:?} and was killed")]
    CommandTimeout {
        /// The program.
        program: String,
        /// `acquire` or `release`.
        action: &'static str,
        /// The address.
        addr: IpAddr,
        /// The limit.
        limit: Duration,
    },
    /// The program said that it failed.
    #[error("{program:?} did not {action} {addr}: {status}, it said: {stderr:?}")]
    CommandFailed {
        /// The program.
        program: String,
        /// `acquire` or `release`.
        action: &'static str,
        /// The address.
        addr: IpAddr,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it wrote to its standard error.
        stderr: String,
    },
}
