//! What the node calls to reach other nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use holdline_model::{CallId, Hop, NodeId};
use metrics::Counter;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Code, Request, Status};

use super::link::{Channels, Link, Queued, dropped};
use super::wire::{Ask, HangUp, Route};
use super::{Direction, ForwardOptions, Forwarded, HangUpOutcome, MAX_HOPS};

/// The other nodes. Cloning gives another handle.
#[derive(Clone)]
pub struct Forwarder {
    inner: Arc<Inner>,
}

struct Inner {
    options: ForwardOptions,
    /// Read for every forwarded datagram, without a lock; replaced as a whole.
    links: ArcSwap<BTreeMap<NodeId, PeerLink>>,
    change: Mutex<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
    unknown_node: Counter,
}

/// Where a node is, and whether it is thought to be alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address of its RPC server.
    pub rpc: SocketAddr,
    /// Gossip or the leader says that it is alive. It is tried in any case; this only ends pauses.
    pub alive: bool,
}

/// One other node.
#[derive(Clone)]
pub struct PeerLink {
    queue: mpsc::Sender<Queued>,
    peer: watch::Sender<Peer>,
    channels: Arc<Channels>,
    stop: CancellationToken,
    queue_full: Counter,
    too_many_hops: Counter,
}

/// What became of a datagram that was to be forwarded. All but `Queued` mean that it was dropped
/// and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardOutcome {
    /// It is on its way; it may still be lost.
    Queued,
    /// The queue for this node is full.
    QueueFull,
    /// It was forwarded [`MAX_HOPS`] times already.
    TooManyHops,
    /// No such node is known, or this node is stopping.
    UnknownNode,
}

/// Why another node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No address of it is known.
    #[error("node {node} is not known here")]
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// It could not be reached, or took too long. What was asked may have been done.
    #[error("node {node} at {rpc} does not answer: {reason}")]
    Unreachable {
        /// The node.
        node: NodeId,
        /// Its address.
        rpc: SocketAddr,
        /// What the connection said.
        reason: String,
    },
    /// It refused.
    #[error("node {node} at {rpc} refuses: {reason}")]
    Refused {
        /// The node.
        node: NodeId,
        /// Its address.
        rpc: SocketAddr,
        /// What it said.
        reason: String,
    },
}

impl Forwarder {
    /// Makes a forwarder that knows no other node yet. Streams run on `tasks` until `stop`.
    #[must_use]
    pub fn new(options: ForwardOptions, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let inner = Inner {
            options,
            links: ArcSwap::default(),
            change: Mutex::new(()),
            tasks,
            stop,
            unknown_node: dropped("unknown_node"),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says which other nodes there are; replaces what was said before. Streams to nodes that are
    /// no longer there end; others go on, and are reopened if the address changed. This node itself
    /// is left out. Must be called within a tokio runtime.
    pub fn set_peers(&self, peers: &BTreeMap<NodeId, Peer>) {
        let _ordered = self.inner.change.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.inner.links.load();
        let mut links = BTreeMap::new();
        for (node, peer) in peers {
            if *node == self.inner.options.node {
                continue;
            }
            let link = old.get(node).cloned().unwrap_or_else(|| self.open(*node, *peer));
            link.peer.send_if_modified(|known| {
                let changed = known != peer;
                *known = *peer;
                changed
            });
            links.insert(*node, link);
        }
        for (_, gone) in old.iter().filter(|(node, _)| !links.contains_key(node)) {
            gone.stop.cancel();
        }
        self.inner.links.store(Arc::new(links));
    }

    /// The link to a node; `None` if it is not known.
    #[must_use]
    pub fn to(&self, node: NodeId) -> Option<PeerLink> {
        let link = self.inner.links.load().get(&node).cloned();
        if link.is_none() {
            self.inner.unknown_node.increment(1);
        }
        link
    }

    /// Gives a datagram that arrived here to the node that owns its slot. `hops` is how often it
    /// was forwarded before: 0 if it came from the network.
    pub fn ingress(&self, node: NodeId, hop: Hop, bytes: Bytes, hops: u8) -> ForwardOutcome {
        self.forward(node, Direction::Ingress, hop, bytes, hops)
    }

    /// Has a message sent by the node that holds the hop's local address. `hops` as above.
    pub fn egress(&self, node: NodeId, hop: Hop, bytes: Bytes, hops: u8) -> ForwardOutcome {
        self.forward(node, Direction::Egress, hop, bytes, hops)
    }

    fn forward(
        &self,
        node: NodeId,
        direction: Direction,
        hop: Hop,
        bytes: Bytes,
        hops: u8,
    ) -> ForwardOutcome {
        let Some(link) = self.to(node) else { return ForwardOutcome::UnknownNode };
        link.forward(Forwarded { direction, hop, bytes, hops: hops.saturating_add(1) })
    }

    /// Asks a node to hang up a call of its.
    ///
    /// Dropping the future gives up waiting; the call may be hung up all the same.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn hang_up(&self, node: NodeId, call: CallId) -> Result<HangUpOutcome, AskError> {
        let (link, route) = self.route(node)?;
        let rpc = link.peer.borrow().rpc;
        let mut client = link.channels.client(rpc);
        let mut request = Request::new(HangUp { route, call });
        request.set_timeout(self.inner.options.ask_timeout);
        let answer = within(self.inner.options.ask_timeout, client.hang_up(request)).await;
        let answer = answer.map_err(|status| AskError::from_status(node, rpc, &status))?;
        Ok(answer.into_inner().outcome)
    }

    /// Asks a node something that only the admin API understands.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(&self, node: NodeId, question: Bytes) -> Result<Bytes, AskError> {
        let (link, route) = self.route(node)?;
        let rpc = link.peer.borrow().rpc;
        let mut client = link.channels.client(rpc);
        let mut request = Request::new(Ask { route, question });
        request.set_timeout(self.inner.options.ask_timeout);
        let answer = within(self.inner.options.ask_timeout, client.ask(request)).await;
        let answer = answer.map_err(|status| AskError::from_status(node, rpc, &status))?;
        Ok(answer.into_inner().answer)
    }

    fn route(&self, node: NodeId) -> Result<(PeerLink, Route), AskError> {
        let link = self.inner.links.load().get(&node).cloned();
        let link = link.ok_or(AskError::UnknownNode { node })?;
        let options = &self.inner.options;
        Ok((link, Route { cluster: options.cluster, from: options.node, to: node }))
    }

    fn open(&self, node: NodeId, peer: Peer) -> PeerLink {
        let options = &self.inner.options;
        let (queue, queued) = mpsc::channel(options.queue_datagrams.max(1));
        let (peer, watch) = watch::channel(peer);
        let channels = Arc::new(Channels::new(options.clone()));
        let stop = self.inner.stop.child_token();
        let route = Route { cluster: options.cluster, from: options.node, to: node };
        let link =
            Link::new(route, options.clone(), queued, watch, Arc::clone(&channels), stop.clone());
        self.inner.tasks.spawn(link.run());
        let (queue_full, too_many_hops) = (dropped("queue_full"), dropped("hops"));
        PeerLink { queue, peer, channels, stop, queue_full, too_many_hops }
    }
}

impl PeerLink {
    /// Datagrams that wait for this peer.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// Puts a datagram on its way. Its `hops` counts this time, too. Never waits.
    pub fn forward(&self, datagram: Forwarded) -> ForwardOutcome {
        if datagram.hops > MAX_HOPS {
            self.too_many_hops.increment(1);
            return ForwardOutcome::TooManyHops;
        }
        let queued = Queued { datagram, since: Instant::now() };
        match self.queue.try_send(queued) {
            Ok(()) => ForwardOutcome::Queued,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.queue_full.increment(1);
                ForwardOutcome::QueueFull
            }
            Err(mpsc::error::TrySendError::Closed(_)) => ForwardOutcome::UnknownNode,
        }
    }
}

impl AskError {
    fn from_status(node: NodeId, rpc: SocketAddr, status: &Status) -> Self {
        let reason = status.message().to_owned();
        match status.code() {
            Code::Unauthenticated | Code::InvalidArgument | Code::FailedPrecondition => {
                Self::Refused { node, rpc, reason }
            }
            _ => Self::Unreachable { node, rpc, reason },
        }
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {limit:?}"))),
    }
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.inner.links.load();
        f.debug_struct("Forwarder").field("peers", &links.keys()).finish_non_exhaustive()
    }
}

impl fmt::Debug for PeerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerLink").field("peer", &*self.peer.borrow()).finish_non_exhaustive()
    }
}
