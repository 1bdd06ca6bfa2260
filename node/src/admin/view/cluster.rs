//! The cluster and its nodes.

use std::net::SocketAddr;

use holdline_model::NodeId;
use serde::{Deserialize, Serialize};

use super::time;
use crate::admin::health::{Reason, Status, judge};
use crate::admin::seam::{ClusterFacts, MemberFacts};

/// How the cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterHealthView {
    /// `green`, `yellow` or `red`.
    pub status: Status,
    /// Why it is not green, the worst first.
    pub reasons: Vec<Reason>,
    /// The cluster's name.
    pub cluster: String,
    /// The node that answers.
    pub answered_by: NodeId,
    /// The leader, as far as that node knows.
    pub leader: Option<NodeId>,
    /// Raft's term.
    pub term: u64,
    /// The cluster's format: what may be written, and which programs can take part.
    pub format: u8,
    /// Voters needed for a majority.
    pub quorum: usize,
    /// Voters that are alive.
    pub voters_alive: usize,
    /// How many more nodes may fail before calls are not served any more.
    pub may_fail: usize,
    /// Index of the last entry known to be committed.
    pub committed_index: u64,
    /// Index of the last entry applied by the node that answers.
    pub applied_index: u64,
    /// How many slots there are.
    pub slots: usize,
    /// How many calls are up.
    pub calls: usize,
    /// The members, by id.
    pub members: Vec<NodeView>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Which node.
    pub id: NodeId,
    /// Its site.
    pub pop: String,
    /// Whether it is alive.
    pub alive: bool,
    /// Whether it leads.
    pub leader: bool,
    /// Whether its vote counts towards a majority.
    pub voter: bool,
    /// Whether it is drained.
    pub draining: bool,
    /// Its software version; `null` if it never announced itself.
    pub version: Option<String>,
    /// The newest format that it reads; `null` if it has not said so.
    pub reads_format: Option<u8>,
    /// When it announced itself.
    pub up_at: Option<String>,
    /// Entries it has not got yet; `null` if the node that answers does not know.
    pub lag: Option<u64>,
    /// Slots it owns.
    pub slots_owned: usize,
    /// Slots whose home it is.
    pub slots_home: usize,
    /// Calls it owns that are up.
    pub calls: usize,
    /// Its floating SIP addresses.
    pub sip: Vec<SocketAddr>,
    /// Where other nodes reach it.
    pub rpc: Option<SocketAddr>,
    /// Where its admin API listens.
    pub admin: Option<SocketAddr>,
}

impl ClusterHealthView {
    /// The verdict on the facts; see [`judge`] for the certificates.
    #[must_use]
    pub fn new(facts: &ClusterFacts, certificates: &[(String, i64)]) -> Self {
        let verdict = judge(facts, certificates);
        Self {
            status: verdict.status,
            reasons: verdict.reasons,
            cluster: facts.cluster.to_string(),
            answered_by: facts.answered_by,
            leader: facts.leader,
            term: facts.term,
            format: facts.format.0,
            quorum: verdict.quorum,
            voters_alive: verdict.voters_alive,
            may_fail: verdict.may_fail,
            committed_index: facts.committed_index,
            applied_index: facts.applied_index,
            slots: facts.slots,
            calls: facts.members.iter().map(|member| member.calls).sum(),
            members: NodeView::all(facts),
        }
    }
}

impl NodeView {
    /// The members, by id.
    #[must_use]
    pub fn all(facts: &ClusterFacts) -> Vec<Self> {
        facts.members.iter().map(|member| Self::new(member, facts.leader)).collect()
    }

    fn new(member: &MemberFacts, leader: Option<NodeId>) -> Self {
        let record = member.record.as_ref();
        Self {
            id: member.node,
            pop: member.pop.to_string(),
            alive: member.alive,
            leader: leader == Some(member.node),
            voter: member.voter,
            draining: record.is_some_and(|record| record.draining),
            version: record.map(|record| record.version.clone()),
            reads_format: member.reads.map(|format| format.0),
            up_at: record.map(|record| time::format(record.up_at)),
            lag: member.log_lag,
            slots_owned: member.slots_owned,
            slots_home: member.slots_home,
            calls: member.calls,
            sip: record.map(|record| record.sip.clone()).unwrap_or_default(),
            rpc: record.map(|record| record.rpc),
            admin: record.map(|record| record.admin),
        }
    }
}
