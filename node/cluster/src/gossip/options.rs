//! How gossip runs.

use std::net::SocketAddr;
use std::time::Duration;

use holdline_model::{ClusterId, NodeId};

use super::{ClusterKey, GossipNetwork};

/// Options of [`super::Gossip`].
#[derive(Clone, Debug)]
pub struct GossipOptions {
    /// Tells this cluster from others.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeId,
    /// Counts the runs of this node's process: larger than in any earlier run. The milliseconds
    /// since 1970 at its start will do. (Not the incarnation, which is random.)
    pub generation: u64,
    /// The secret of the cluster.
    pub key: ClusterKey,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where others reach this node's gossip; differs from `listen` behind address translation.
    pub advertise: SocketAddr,
    /// Nodes to ask first: addresses, or host names with ports, resolved again every minute.
    pub seeds: Vec<String>,
    /// How often to gossip, each time with up to three nodes.
    pub interval: Duration,
    /// Suspicion (phi) above which a node is shown as dead; 8 is usual. Larger is slower.
    pub phi_threshold: f64,
    /// How long a dead node is remembered.
    pub forget_after: Duration,
    /// Datagrams that could not be opened are reported in the log at most this often.
    pub report_every: Duration,
    /// Where the socket comes from.
    pub network: GossipNetwork,
}

impl GossipOptions {
    /// The defaults, for a node that listens at `listen`.
    #[must_use]
    pub const fn new(
        cluster: ClusterId,
        node: NodeId,
        generation: u64,
        key: ClusterKey,
        listen: SocketAddr,
    ) -> Self {
        Self {
            cluster,
            node,
            generation,
            key,
            listen,
            advertise: listen,
            seeds: Vec::new(),
            interval: Duration::from_millis(250),
            phi_threshold: 8.0,
            forget_after: Duration::from_secs(24 * 3600),
            report_every: Duration::from_secs(10),
            network: GossipNetwork::Udp,
        }
    }
}
