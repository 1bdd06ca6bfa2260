//! The state of the group as this node sees it: for the admin API and for people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use holdline_model::NodeId;
use openraft::{RaftMetrics, ServerState};

use crate::handle::RaftHandle;
use crate::leadership::as_std;
use crate::store::applied_index;
use crate::types::{LogId, Member, TypeConfig};

/// The part a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It has no vote.
    Learner,
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
    /// Its Raft has stopped.
    Stopped,
}

/// The state of the group as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// Its part.
    pub role: Role,
    /// The newest term it knows of.
    pub term: u64,
    /// The leader it follows.
    pub leader: Option<NodeId>,
    /// Index of the last entry in its log.
    pub last_log: Option<u64>,
    /// Index of the last entry it knows to be committed.
    pub committed: Option<u64>,
    /// Index of the last entry it has applied.
    pub applied: Option<u64>,
    /// Index of the last entry in its newest snapshot.
    pub snapshot: Option<u64>,
    /// Index of the last entry removed from its log.
    pub purged: Option<u64>,
    /// Who has a vote.
    pub voters: BTreeSet<NodeId>,
    /// All members, learners included.
    pub members: BTreeMap<NodeId, Member>,
    /// On the leader: how many entries each other member lacks.
    pub lag: BTreeMap<NodeId, u64>,
    /// On the leader: how long ago it sent what a majority last acknowledged.
    pub quorum_age: Option<Duration>,
    /// On the leader: how many more voters may fail before there is no majority. `None` elsewhere,
    /// because only the leader hears them all.
    pub failures_tolerated: Option<usize>,
}

impl RaftHandle {
    /// Index of the last entry whose effects [`RaftHandle::state`] shows; unlike that of
    /// [`RaftHandle::status`] it comes from the state itself, so it is never behind what was read
    /// before.
    #[must_use]
    pub fn applied_index(&self) -> Option<u64> {
        let mark = self.shared.reader.applied().ok().flatten()?;
        applied_index(&mark).ok()
    }
}

impl Status {
    /// Reads the metrics. A member counts as failed if it acknowledged nothing for `silent_after`.
    pub(crate) fn read(
        metrics: &RaftMetrics<TypeConfig>,
        quorum_acked: Option<Instant>,
        now: Instant,
        silent_after: Duration,
    ) -> Self {
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let leads = metrics.state == ServerState::Leader;
        Self {
            node: metrics.id,
            role: role(metrics),
            term: metrics.current_term,
            leader: metrics.current_leader,
            last_log: metrics.last_log_index,
            committed: index(metrics.local_committed.as_ref()),
            applied: index(metrics.last_applied.as_ref()),
            snapshot: index(metrics.snapshot.as_ref()),
            purged: index(metrics.purged.as_ref()),
            members: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
            lag: if leads { lag(metrics) } else { BTreeMap::new() },
            quorum_age: quorum_acked.map(|acked| now.saturating_duration_since(acked)),
            failures_tolerated: leads
                .then(|| tolerated(voters.len(), reachable(metrics, &voters, now, silent_after))),
            voters,
        }
    }
}

fn role(metrics: &RaftMetrics<TypeConfig>) -> Role {
    if metrics.running_state.is_err() {
        return Role::Stopped;
    }
    match metrics.state {
        ServerState::Learner => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
        ServerState::Shutdown => Role::Stopped,
    }
}

fn index(id: Option<&LogId>) -> Option<u64> {
    id.map(|id| id.index)
}

fn lag(metrics: &RaftMetrics<TypeConfig>) -> BTreeMap<NodeId, u64> {
    let next = |index: Option<u64>| index.map_or(0, |index| index.saturating_add(1));
    let last = next(metrics.last_log_index);
    let of = |matched: &Option<LogId>| last.saturating_sub(next(index(matched.as_ref())));
    let all = metrics.replication.iter().flatten();
    all.filter(|(id, _)| **id != metrics.id).map(|(id, matched)| (*id, of(matched))).collect()
}

/// How many voters were heard lately, the leader included.
fn reachable(
    metrics: &RaftMetrics<TypeConfig>,
    voters: &BTreeSet<NodeId>,
    now: Instant,
    silent_after: Duration,
) -> usize {
    let heard = |id: &NodeId| {
        let acked = as_std(metrics.heartbeat.as_ref()?.get(id)?.as_ref()?.into_inner())?;
        Some(now.saturating_duration_since(acked) < silent_after)
    };
    voters.iter().filter(|id| **id == metrics.id || heard(id).unwrap_or(false)).count()
}

/// How many of the `reachable` voters may fail before there is no majority of all `voters`.
fn tolerated(voters: usize, reachable: usize) -> usize {
    reachable.saturating_sub(voters / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_how_many_more_may_fail() {
        assert_eq!(tolerated(1, 1), 0);
        assert_eq!(tolerated(3, 3), 1);
        assert_eq!(tolerated(3, 2), 0);
        assert_eq!(tolerated(3, 1), 0);
        assert_eq!(tolerated(5, 5), 2);
        assert_eq!(tolerated(5, 4), 1);
    }
}
