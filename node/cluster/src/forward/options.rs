//! How nodes talk to each other.

use std::time::Duration;

use holdline_model::{ClusterId, NodeId};

use super::{Connect, Token};

/// Options of [`super::Forwarder`] and [`super::service`].
#[derive(Clone, Debug)]
pub struct ForwardOptions {
    /// Tells this cluster from others.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeId,
    /// The secret of the cluster.
    pub token: Token,
    /// Datagrams that wait for one peer at most; when full, the newest are dropped and counted.
    pub queue_datagrams: usize,
    /// Datagrams that wait longer than this for a peer are dropped and counted: by then the SIP
    /// peer has retransmitted.
    pub stale_after: Duration,
    /// Batches that wait for this node's own consumer at most; when full, the newest are dropped.
    pub inbox_batches: usize,
    /// How long a connection attempt may take.
    pub connect_timeout: Duration,
    /// HTTP/2 keepalive: a peer that does not answer a ping within as much again is given up.
    pub keepalive: Duration,
    /// Pause after the first failed attempt to open a stream; doubles with each further one.
    pub retry_pause: Duration,
    /// Longest such pause. It is cut short when the peer is said to be alive.
    pub retry_pause_max: Duration,
    /// How long a question to another node may take.
    pub ask_timeout: Duration,
    /// How the other nodes are connected to.
    pub connect: Connect,
}

impl ForwardOptions {
    /// The defaults, for a node of a cluster.
    #[must_use]
    pub fn new(cluster: ClusterId, node: NodeId, token: Token) -> Self {
        Self {
            cluster,
            node,
            token,
            queue_datagrams: 8192,
            stale_after: Duration::from_secs(2),
            inbox_batches: 1024,
            connect_timeout: Duration::from_secs(1),
            keepalive: Duration::from_secs(1),
            retry_pause: Duration::from_millis(50),
            retry_pause_max: Duration::from_secs(2),
            ask_timeout: Duration::from_secs(3),
            connect: Connect::default(),
        }
    }
}
