//! What the rest of the node has of Raft: proposing, the lease, who leads, who is silent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdline_model::{Command, NodeId, Reply};
use holdline_storage::StateReader;
use tokio::sync::watch;

use crate::RaftInstance;
use crate::clock;
use crate::door::Gate;
use crate::leadership::{Leadership, Observer, quorum_age};
use crate::lease::{Board, Contacts, Lease, Verdict};
use crate::network::peers::Peers;
use crate::options::Wall;
use crate::proposal::{Proposals, ProposeError, ReplyTo, SubmitError};
use crate::read::Freshness;
use crate::round_trips::RoundTrips;
use crate::status::Status;

/// A running Raft node. Clones are the same one.
#[derive(Clone, Debug)]
pub struct RaftHandle {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) raft: RaftInstance,
    pub(crate) peers: Peers,
    pub(crate) observer: Observer,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) lease: Lease,
    pub(crate) board: Board,
    pub(crate) proposals: Proposals,
    pub(crate) reader: StateReader,
    /// Held while the members are changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) wall: Wall,
    pub(crate) gate: Gate,
    pub(crate) turned_away: watch::Receiver<Option<String>>,
    pub(crate) fresh: Freshness,
    pub(crate) round_trips: RoundTrips,
}

/// A dead node gets no lease while this stands; see [`RaftHandle::fence`].
#[must_use = "the fence is taken down when this is dropped"]
#[derive(Debug)]
pub struct Fence {
    shared: Arc<Shared>,
    node: NodeId,
}

impl Drop for Fence {
    fn drop(&mut self) {
        // Whatever was proposed behind the fence and may still take effect is in the log by now.
        self.shared.board.unfence(self.node, self.shared.observer.last_log());
    }
}

/// Raft has stopped by itself: the node must stop, too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Raft has stopped: {cause}")]
pub struct RaftStopped {
    /// What openraft says; for a failed disk, what the storage says.
    pub cause: String,
}

/// Leadership was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// Only the leader can hand over, and this node is not it.
    #[error("this node does not lead; the leader is {}", leader.map_or_else(|| "unknown".to_owned(), |id| format!("node {id}")))]
    NotLeader {
        /// Who leads.
        leader: Option<NodeId>,
    },
    /// The node is not a member.
    #[error("node {node} is not a voter")]
    NotAVoter {
        /// The node that was to lead.
        node: NodeId,
    },
    /// The other node did not take over in time; this one may lead on.
    #[error("node {node} did not take over within {after:?}")]
    TimedOut {
        /// The node that was to lead.
        node: NodeId,
        /// How long was waited.
        after: Duration,
    },
    /// Raft has stopped.
    #[error("Raft has stopped")]
    Stopped,
}

impl RaftHandle {
    /// Proposes a command; its outcome goes to `reply_to`. Does not wait. Proposals in flight at the
    /// same time have no order.
    ///
    /// # Errors
    /// The command was not accepted, has had and will have no effect; nothing goes to `reply_to`.
    pub fn submit(&self, command: &Command, reply_to: ReplyTo) -> Result<(), SubmitError> {
        self.shared.proposals.submit(command, reply_to)
    }

    /// Proposes a command and waits for its reply. Dropping the future leaves the command
    /// proposed.
    ///
    /// # Errors
    /// [`ProposeError::Submit`]: not accepted. [`ProposeError::Undecided`]: accepted, outcome
    /// unknown. That a command was rejected is a [`Reply`].
    pub async fn propose(&self, command: &Command) -> Result<Reply, ProposeError> {
        self.shared.proposals.propose(command).await
    }

    /// The lease, without which this node must not act as owner.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.shared.lease.clone()
    }

    /// Who leads, and its changes.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.clone()
    }

    /// On the leader: when each other member was heard, and what to think of it. A leader that has
    /// itself lost its majority takes nobody for dead.
    #[must_use]
    pub fn contacts(&self) -> Contacts {
        let acked = self.shared.observer.quorum_acked();
        let now = clock::now();
        let limit = self.shared.peers.tuning().election_max;
        let follows = acked.is_some_and(|acked| quorum_age(acked, now, limit).is_some());
        let mut contacts = self.shared.board.contacts(now);
        for node in contacts.nodes.values_mut().filter(|_| !follows) {
            node.verdict = node.verdict.min(Verdict::Suspect);
        }
        contacts
    }

    /// Fences a dead node before its slots are moved: it gets no lease while the fence stands, nor
    /// afterwards before it has applied what was proposed behind the fence. Otherwise a node that is
    /// heard again just then would hold a lease without knowing that its slots are gone. Keep
    /// the fence until the move is decided or undecided.
    ///
    /// `None` if this node does not lead a majority, or does not take the other one for dead.
    pub fn fence(&self, node: NodeId) -> Option<Fence> {
        let dead = self.contacts().nodes.get(&node).map(|it| it.verdict) == Some(Verdict::Dead);
        let fenced = dead && self.shared.board.fence(node, clock::now());
        fenced.then(|| Fence { shared: Arc::clone(&self.shared), node })
    }

    /// How far away the other members are, as far as they have answered: the shortest of the latest
    /// round trips.
    #[must_use]
    pub fn round_trips(&self) -> BTreeMap<NodeId, Duration> {
        self.shared.round_trips.best()
    }

    /// The state of the group as this node sees it.
    #[must_use]
    pub fn status(&self) -> Status {
        let acked = self.shared.observer.quorum_acked();
        let silent_after = self.shared.peers.tuning().election_max;
        Status::read(&self.shared.observer.metrics(), acked, clock::now(), silent_after)
    }

    /// Reads the replicated state as this node has applied it.
    #[must_use]
    pub fn state(&self) -> StateReader {
        self.shared.reader.clone()
    }

    /// Waits until this node is told that it has no place in the cluster, and why: it was turned away
    /// or removed. Then it must stop. Cancel-safe.
    pub async fn turned_away(&self) -> String {
        let mut turned_away = self.shared.turned_away.clone();
        let told = turned_away.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match told {
            Some(why) => why,
            // Nobody is left who could say so.
            None => std::future::pending().await,
        }
    }

    /// Whether this node takes part in Raft: it has a log, or was let in without one.
    #[must_use]
    pub fn takes_part(&self) -> bool {
        self.shared.gate.is_open()
    }

    /// Waits until Raft stops by itself: then the node must stop. Cancel-safe.
    pub async fn fatal(&self) -> RaftStopped {
        let mut observer = self.shared.observer.clone();
        loop {
            if let Some(cause) = observer.failure() {
                return RaftStopped { cause: describe(&cause) };
            }
            if !observer.changed().await {
                return RaftStopped { cause: self.cause_of_end(&observer).await };
            }
        }
    }

    /// Why the task has ended. It may have said so at the very moment at which it did.
    async fn cause_of_end(&self, observer: &Observer) -> String {
        let cause = match observer.failure() {
            Some(cause) => Some(cause),
            None => self.shared.raft.with_raft_state(|_| ()).await.err(),
        };
        cause.map_or_else(|| "its task has ended".to_owned(), |cause| describe(&cause))
    }

    /// Hands leadership to `node`, and waits until it leads, for a few election time-outs at most.
    ///
    /// # Errors
    /// See [`TransferError`]; this node may lead on then.
    pub async fn transfer_leader(&self, node: NodeId) -> Result<(), TransferError> {
        let mut leadership = self.shared.leadership.clone();
        let seen = leadership.borrow_and_update().clone();
        if !seen.is_me {
            return Err(TransferError::NotLeader { leader: seen.leader.map(|(id, _)| id) });
        }
        if !self.status().voters.contains(&node) {
            return Err(TransferError::NotAVoter { node });
        }
        if node == self.shared.peers.node() {
            return Ok(());
        }
        let trigger = self.shared.raft.trigger();
        trigger.transfer_leader(node).await.map_err(|_| TransferError::Stopped)?;
        let after = self.shared.peers.tuning().election_max * 5;
        let leads = leadership.wait_for(|now| now.leader.is_some_and(|(id, _)| id == node));
        match tokio::time::timeout(after, leads).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(TransferError::Stopped),
            Err(_) => Err(TransferError::TimedOut { node, after }),
        }
    }

    /// Stops Raft. A leader hands leadership to the member with the shortest lag first, so that
    /// the others need not find out that it has gone. Proposals that still wait are undecided; the
    /// caller's cancellation token ends the tasks.
    pub async fn shutdown(&self) {
        let status = self.status();
        if let Some((next, _)) = status
            .lag
            .iter()
            .filter(|(id, _)| status.voters.contains(id))
            .min_by_key(|(_, lag)| **lag)
            && let Err(error) = self.transfer_leader(*next).await
        {
            tracing::warn!(%error, "leadership was not handed over before stopping");
        }
        if let Err(error) = self.shared.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not stop in order");
        }
    }
}

/// The whole chain of causes: openraft's text alone often does not name the disk's.
fn describe(cause: &dyn std::error::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        let add = cause.to_string();
        if !text.contains(&add) {
            text.push_str(": ");
            text.push_str(&add);
        }
        next = cause.source();
    }
    text
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftHandle").field("node", &self.peers.node()).finish_non_exhaustive()
    }
}
