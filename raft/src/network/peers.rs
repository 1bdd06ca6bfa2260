//! Channels to the other nodes of the group.
//!
//! There are three to each, so that a heartbeat never waits behind entries, nor entries behind a
//! snapshot. A channel connects when it is first used and again at the first call after it broke:
//! there is no pause, so a node that comes back is reached at once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use holdline_model::{ClusterId, GroupId, NodeId};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use crate::lease::Longest;
use crate::network::connect::Connect;
use crate::network::exchange::Pool;
use crate::network::service::raft_client::RaftClient;
use crate::network::spare::Followers;
use crate::network::token::{Show, Spoken};
use crate::network::wire::{Envelope, Propose, ProposeAnswer};
use crate::options::{Options, Tuning};

/// A client for one node.
pub(crate) type Client = RaftClient<InterceptedService<Channel, Show>>;

/// What a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Entries, votes and proposals.
    Log,
    /// Heartbeats, leases and probes.
    Pulse,
    /// Snapshots.
    Bulk,
}

/// The other nodes of the group. Clones share the channels.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    node: NodeId,
    cluster: ClusterId,
    group: GroupId,
    show: Show,
    longest: Longest,
    tuning: Tuning,
    connect: Connect,
    /// As many as there are members, times three: addresses come from the membership only.
    channels: Mutex<HashMap<(SocketAddr, Lane), Channel>>,
    followers: Followers,
    /// As many as there are members.
    proposals: Mutex<HashMap<SocketAddr, Pool<Propose, ProposeAnswer>>>,
    #[cfg(test)]
    cut: Mutex<std::collections::HashSet<NodeId>>,
}

impl Peers {
    pub(crate) fn new(options: &Options, spoken: Spoken, longest: Longest) -> Self {
        let shared = Shared {
            node: options.node,
            cluster: options.cluster,
            group: options.group,
            show: Show::new(&options.token, spoken).with_leases(longest.clone()),
            longest,
            tuning: options.tuning.clone(),
            connect: options.connect.clone(),
            channels: Mutex::default(),
            followers: Followers::default(),
            proposals: Mutex::default(),
            #[cfg(test)]
            cut: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// This node.
    pub(crate) fn node(&self) -> NodeId {
        self.shared.node
    }

    pub(crate) fn tuning(&self) -> &Tuning {
        &self.shared.tuning
    }

    /// What is noted of leases.
    pub(crate) fn longest(&self) -> &Longest {
        &self.shared.longest
    }

    /// Who of the others need not be told of an entry at once.
    pub(crate) fn followers(&self) -> &Followers {
        &self.shared.followers
    }

    /// A client for `node` at `address`. Does not connect.
    pub(crate) fn client(&self, address: SocketAddr, lane: Lane) -> Client {
        let limit = self.shared.tuning.message_bytes();
        RaftClient::with_interceptor(self.channel(address, lane), self.shared.show.clone())
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit)
    }

    /// Sends commands to the leader at `address`, and waits for what becomes of them.
    pub(crate) async fn propose(
        &self,
        address: SocketAddr,
        proposal: Propose,
    ) -> Result<ProposeAnswer, Status> {
        let pool = {
            let mut all = self.shared.proposals.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(address).or_insert_with(Pool::new).clone()
        };
        let mut client = self.client(address, Lane::Log);
        pool.ask(proposal, |asked| async move { client.proposals(asked).await }).await
    }

    /// Puts a message into an envelope for `to`.
    pub(crate) fn envelope<T>(&self, to: NodeId, body: T) -> Envelope<T> {
        let Shared { cluster, group, node, .. } = *self.shared;
        Envelope { cluster, group, from: node, to, body }
    }

    /// Whether a message is for this node; if not, what it names wrongly.
    pub(crate) fn misaddressed<T>(&self, envelope: &Envelope<T>) -> Option<&'static str> {
        if envelope.cluster != self.shared.cluster {
            Some("cluster")
        } else if envelope.group != self.shared.group {
            Some("group")
        } else if envelope.to != self.shared.node {
            Some("node")
        } else {
            None
        }
    }

    /// Whether a test has cut the link with `node`.
    #[cfg(test)]
    pub(crate) fn is_cut(&self, node: NodeId) -> bool {
        self.shared.cut.lock().unwrap().contains(&node)
    }

    /// Cuts the link with `node` in both directions, or mends it.
    #[cfg(test)]
    pub(crate) fn cut(&self, node: NodeId, cut: bool) {
        let mut all = self.shared.cut.lock().unwrap();
        if cut {
            all.insert(node)
        } else {
            all.remove(&node)
        };
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests have links to cut")]
    pub(crate) fn is_cut(&self, _node: NodeId) -> bool {
        false
    }

    fn channel(&self, address: SocketAddr, lane: Lane) -> Channel {
        let mut channels = self.shared.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || self.shared.connect.channel(endpoint(address, &self.shared.tuning));
        channels.entry((address, lane)).or_insert_with(make).clone()
    }
}

pub(crate) fn endpoint(address: SocketAddr, tuning: &Tuning) -> Endpoint {
    // Without the scope that an IPv6 address may have: a URI has no place for it.
    let uri = match address {
        SocketAddr::V4(address) => format!("http://{address}"),
        SocketAddr::V6(address) => format!("http://[{}]:{}", address.ip(), address.port()),
    };
    Endpoint::from_shared(uri)
        .expect("an address and a port make a URI")
        .connect_timeout(tuning.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(tuning.keepalive_interval)
        .keep_alive_timeout(tuning.keepalive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

/// An append of the largest size needs few rounds of window updates.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
