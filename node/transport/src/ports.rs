//! What is open at an address: a UDP socket, listeners for connections, or both. Addresses come and go
//! with slots, and everything at one of them comes and goes together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use holdline_model::{Hop, Transport};

use crate::{BindError, KernelQueues, Sockets, Streams};

/// The transports of each address; an address that is not named has UDP alone.
pub type Plan = BTreeMap<SocketAddr, BTreeSet<Transport>>;

/// Everything that can be opened at an address. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Ports {
    sockets: Sockets,
    streams: Option<Streams>,
    plan: Arc<ArcSwap<Plan>>,
}

impl From<Sockets> for Ports {
    /// UDP alone.
    fn from(sockets: Sockets) -> Self {
        Self { sockets, streams: None, plan: Arc::default() }
    }
}

impl Ports {
    /// UDP and connections.
    #[must_use]
    pub fn new(sockets: Sockets, streams: Streams) -> Self {
        Self { sockets, streams: Some(streams), plan: Arc::default() }
    }

    /// Says which transports an address has. What is open stays as it is until it is unbound.
    pub fn set_plan(&self, plan: Plan) {
        if **self.plan.load() != plan {
            self.plan.store(Arc::new(plan));
        }
    }

    /// Opens everything at `addr` that is not open yet. See [`Sockets::bind`].
    ///
    /// # Errors
    /// The first that could not be opened; the others were tried all the same.
    pub fn bind(&self, addr: SocketAddr) -> Result<(), BindError> {
        let mut outcome = Ok(());
        for transport in self.transports(addr) {
            let opened = match (transport, &self.streams) {
                (Transport::Udp, _) => self.sockets.bind(addr).map(drop),
                (_, Some(streams)) => streams
                    .listen(transport, addr)
                    .map(drop)
                    .map_err(|source| BindError::Refused { addr, source }),
                (_, None) => Ok(()),
            };
            outcome = outcome.and(opened);
        }
        outcome
    }

    /// Closes everything at `addr`, its connections included; false if nothing was open.
    pub fn unbind(&self, addr: SocketAddr) -> bool {
        let mut was_open = self.sockets.unbind(addr);
        if let Some(streams) = &self.streams {
            for transport in Transport::ALL.into_iter().filter(|each| each.is_reliable()) {
                was_open |= streams.close(transport, addr);
            }
        }
        was_open
    }

    /// What waits in the kernel for this node. See [`Sockets::kernel_queues`].
    #[must_use]
    pub fn kernel_queues(&self) -> KernelQueues {
        self.sockets.kernel_queues()
    }

    /// Who the peer of a connection is by its certificate. See [`Streams::identities`].
    #[must_use]
    pub fn identities(&self, hop: &Hop) -> Option<Arc<[String]>> {
        self.streams.as_ref()?.identities(hop)
    }

    /// True if everything at `addr` is open.
    #[must_use]
    pub fn is_bound(&self, addr: SocketAddr) -> bool {
        self.transports(addr).into_iter().all(|transport| self.is_open(transport, addr))
    }

    /// True if this one is open at `addr`.
    #[must_use]
    pub fn is_open(&self, transport: Transport, addr: SocketAddr) -> bool {
        match (transport, &self.streams) {
            (Transport::Udp, _) => self.sockets.is_bound(addr),
            (_, Some(streams)) => streams.is_listening(transport, addr),
            (_, None) => false,
        }
    }

    /// The UDP sockets.
    #[must_use]
    pub const fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// The connections, if there may be any.
    #[must_use]
    pub const fn streams(&self) -> Option<&Streams> {
        self.streams.as_ref()
    }

    fn transports(&self, addr: SocketAddr) -> BTreeSet<Transport> {
        let plan = self.plan.load();
        plan.get(&addr).cloned().unwrap_or_else(|| BTreeSet::from([Transport::Udp]))
    }
}
