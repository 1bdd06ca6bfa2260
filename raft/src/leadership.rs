//! Who leads, as this node knows it: followed from openraft's metrics, published in a watch.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use holdline_model::NodeId;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::vote::RaftLeaderId;
use openraft::{Instant as _, RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::RaftInstance;
use crate::clock;
use crate::types::{TypeConfig, Vote};

/// Who leads, as this node knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The newest term this node knows of.
    pub term: u64,
    /// The leader, and where it is reached; `None` during an election.
    pub leader: Option<(NodeId, SocketAddr)>,
    /// Whether that is this node.
    pub is_me: bool,
    /// Where the members are reached, this node included.
    pub members: BTreeMap<NodeId, SocketAddr>,
    /// Those of them that vote.
    pub voters: BTreeSet<NodeId>,
}

/// openraft's metrics, read for one question each. Reading locks openraft out, so each read is
/// short and copies what it needs.
#[derive(Clone)]
pub(crate) struct Observer {
    node: NodeId,
    /// Changes with every entry.
    metrics: openraft::alias::WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>,
    /// Changes with leader, term and membership only.
    server: openraft::alias::WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>,
}

impl Observer {
    pub(crate) fn new(raft: &RaftInstance) -> Self {
        Self { node: *raft.node_id(), metrics: raft.metrics(), server: raft.server_metrics() }
    }

    pub(crate) fn leadership(&self) -> Leadership {
        let server = self.server.borrow_watched();
        let membership = server.membership_config.membership();
        let known = server.current_leader;
        let leader = known.and_then(|id| Some((id, membership.get_node(&id)?.rpc)));
        Leadership {
            term: server.vote.leader_id.term,
            leader,
            is_me: leads(self.node, server.state, &server.vote),
            members: membership.nodes().map(|(id, member)| (*id, member.rpc)).collect(),
            voters: membership.voter_ids().collect(),
        }
    }

    /// If this node leads: when a majority last acknowledged something, as the time at which the
    /// leader had *sent* it. A leader that is the only voter is its own majority at any time.
    pub(crate) fn quorum_acked(&self) -> Option<Instant> {
        let metrics = self.metrics.borrow_watched();
        if !leads(self.node, metrics.state, &metrics.vote) {
            return None;
        }
        let mut voters = metrics.membership_config.membership().voter_ids();
        if voters.next() == Some(self.node) && voters.next().is_none() {
            return Some(clock::now());
        }
        as_std(metrics.last_quorum_acked?.into_inner())
    }

    /// Index of the last entry that this node has applied.
    pub(crate) fn applied(&self) -> Option<u64> {
        self.metrics.borrow_watched().last_applied.map(|id| id.index)
    }

    /// Index of the last entry in this node's log.
    pub(crate) fn last_log(&self) -> Option<u64> {
        self.metrics.borrow_watched().last_log_index
    }

    /// Waits for a change of leadership or membership; `false` when openraft has ended.
    pub(crate) async fn changed(&mut self) -> bool {
        self.server.changed().await.is_ok()
    }

    pub(crate) fn metrics(&self) -> RaftMetrics<TypeConfig> {
        self.metrics.borrow_watched().clone()
    }

    /// Why openraft has stopped, if it has.
    pub(crate) fn failure(&self) -> Option<openraft::errors::Fatal<TypeConfig>> {
        self.metrics.borrow_watched().running_state.clone().err()
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("node", &self.node).finish_non_exhaustive()
    }
}

/// openraft's time as one of [`clock`]. Never later than it was: `now` is read first.
pub(crate) fn as_std(at: openraft_rt_tokio::TokioInstant) -> Option<Instant> {
    let now = clock::now();
    now.checked_sub(at.elapsed())
}

/// How old the majority's acknowledgement is, if it is young enough to lead.
pub(crate) fn quorum_age(acked: Instant, now: Instant, limit: Duration) -> Option<Duration> {
    let age = now.saturating_duration_since(acked);
    (age < limit).then_some(age)
}

fn leads(node: NodeId, state: ServerState, vote: &Vote) -> bool {
    state == ServerState::Leader && vote.is_committed() && *vote.leader_id.node_id() == node
}

/// Publishes changes of leadership until openraft ends or `cancel` is called.
pub(crate) async fn follow(
    mut observer: Observer,
    publish: watch::Sender<Leadership>,
    cancel: CancellationToken,
) {
    loop {
        let seen = observer.leadership();
        publish.send_if_modified(|known| {
            if *known == seen {
                return false;
            }
            if known.term != seen.term || known.leader != seen.leader {
                log(&seen);
            }
            *known = seen;
            true
        });
        tokio::select! {
            alive = observer.changed() => if !alive { return },
            () = cancel.cancelled() => return,
        }
    }
}

fn log(seen: &Leadership) {
    match seen.leader {
        Some((leader, _)) => tracing::info!(term = seen.term, %leader, "a leader is known"),
        None => tracing::info!(term = seen.term, "no leader is known"),
    }
    metrics::counter!("holdline_raft_leader_changes_total").increment(1);
    metrics::gauge!("holdline_raft_is_leader").set(if seen.is_me { 1.0 } else { 0.0 });
}
