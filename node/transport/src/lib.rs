//! UDP sockets, connections and floating addresses: everything between the switch and the wire.
//!
//! [`Sockets`] (UDP) and [`Streams`] (TCP, TLS, WebSocket) bind and unbind addresses while the node
//! runs, because they come and go with the slots that the node owns; [`Ports`] does both. [`floating`] brings an address to this host in the first place.
//!
//! This crate does not parse SIP, knows no slots and decides nothing about ownership: it is told
//! which addresses to hold. Names are asked for in [`dns`].
//!
//! Invariant: nothing that arrives from the network blocks, grows a queue without bound, or panics;
//! what is thrown away is counted (`holdline_transport_*`).

mod counters;
mod datagram;
pub mod dns;
pub mod floating;
mod mutant;
mod options;
mod ports;
mod receive;
mod receive_many;
mod send_many;
mod sockets;
mod stream;
mod waiting;
mod wire;

pub use datagram::Datagram;
pub use options::SocketOptions;
pub use ports::{Plan, Ports};
pub use sockets::{BindError, SendOutcome, Sockets};
pub use stream::{
    CertificateFacts, ClientCertificates, IsRevoked, Packet, StreamEvents, StreamOptions,
    StreamOutcome, Streams, Tls, TlsError, TlsFiles, Unsent,
};
pub use waiting::KernelQueues;
pub use wire::Wire;
