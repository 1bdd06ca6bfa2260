//! A listener.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::admin::seam::ListenerFacts;

/// What listens for calls at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerView {
    /// Where.
    pub address: SocketAddr,
    /// Where peers reach it, if that is another address.
    pub advertised: Option<SocketAddr>,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// The node whose address it is.
    pub home: u64,
    /// The node that has it now; `null` if none does.
    pub holder: Option<u64>,
    /// Whether it is open at the node that answers.
    pub open_here: bool,
    /// Connections of this transport at the node that answers; `null` if it is not open there, or has
    /// none (UDP).
    pub connections: Option<usize>,
}

impl From<&ListenerFacts> for ListenerView {
    fn from(facts: &ListenerFacts) -> Self {
        Self {
            address: facts.listener.addr,
            advertised: facts.listener.advertised,
            transport: facts.listener.transport.param().to_owned(),
            home: facts.home.0,
            holder: facts.holder.map(|node| node.0),
            open_here: facts.is_open_here,
            connections: facts.connections,
        }
    }
}
