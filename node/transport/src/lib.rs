//! UDP sockets and floating addresses: everything between the switch and the wire.
//!
//! [`Sockets`] binds and unbinds addresses while the node runs, because they come and go with the
//! slots that the node owns. [`floating`] brings an address to this host in the first place.
//!
//! This crate does not parse SIP, knows no slots and decides nothing about ownership: it is told
//! which addresses to hold.
//!
//! Invariant: nothing that arrives from the network blocks, grows a queue without bound, or panics;
//! what is thrown away is counted (`holdline_transport_*`).

mod counters;
mod datagram;
pub mod floating;
mod mutant;
mod options;
mod receive;
mod receive_many;
mod send_many;
mod sockets;
mod wire;

pub use datagram::Datagram;
pub use options::SocketOptions;
pub use sockets::{BindError, SendOutcome, Sockets};
pub use wire::Wire;
