//! Who is a member, who votes, to whom calls may fail over.

use std::net::SocketAddr;

use holdline_model::{NodeId, RosterEntry, Standing};
use holdline_raft::{Changed, Tolerance};
use serde::{Deserialize, Serialize};

use super::time;
use crate::admin::health::{judge, majority_of};
use crate::admin::seam::{ClusterFacts, MemberFacts};

/// The members, those that are expected and those that were removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersView {
    /// How many vote, are alive and are needed.
    pub votes: ToleranceView,
    /// What is missing, if something is: one sentence each, with what to do.
    pub advice: Vec<String>,
    /// The highest number that was ever given to a node.
    pub highest: NodeId,
    /// By number.
    pub members: Vec<MemberView>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Which node.
    pub id: NodeId,
    /// `voter`, `learner`, `expected` or `removed`.
    pub standing: String,
    /// `full` or `witness`.
    pub role: String,
    /// Its site.
    pub pop: String,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Whether it is alive.
    pub alive: bool,
    /// Whether it leads.
    pub leader: bool,
    /// Calls may fail over to it: it votes, is alive and has nearly everything.
    pub safe: bool,
    /// It stays without a vote until it is promoted by hand.
    pub held: bool,
    /// Entries it has not got yet; `null` if the node that answers does not know.
    pub lag: Option<u64>,
    /// Slots it owns.
    pub slots_owned: usize,
    /// Slots whose home it is.
    pub slots_home: usize,
    /// Calls it owns that are up.
    pub calls: usize,
    /// The round trip from the node that answers, in microseconds; `null` if it is not known.
    pub round_trip_us: Option<u64>,
    /// When it was removed.
    pub removed_at: Option<String>,
}

/// How many voters may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToleranceView {
    /// How many vote.
    pub voters: u32,
    /// How many of them are alive.
    pub alive: u32,
    /// How many are needed.
    pub needed: u32,
    /// How many more may fail.
    pub may_fail: u32,
}

/// A change that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedView {
    /// The node that was changed, or that leads now.
    pub node: NodeId,
    /// How it was before.
    pub before: ToleranceView,
    /// How it is now.
    pub after: ToleranceView,
}

impl From<Tolerance> for ToleranceView {
    fn from(tolerance: Tolerance) -> Self {
        let Tolerance { voters, alive, needed } = tolerance;
        Self { voters, alive, needed, may_fail: tolerance.may_fail().unwrap_or(0) }
    }
}

impl From<Changed> for ChangedView {
    fn from(changed: Changed) -> Self {
        let Changed { node, before, after } = changed;
        Self { node, before: before.into(), after: after.into() }
    }
}

impl From<&ClusterFacts> for MembersView {
    fn from(facts: &ClusterFacts) -> Self {
        let verdict = judge(facts, &[]);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let voters = facts.members.iter().filter(|member| member.voter).count();
        let votes = ToleranceView {
            voters: count(voters),
            alive: count(verdict.voters_alive),
            needed: count(majority_of(voters)),
            may_fail: count(verdict.may_fail),
        };
        let mut members: Vec<_> =
            facts.members.iter().map(|member| MemberView::new(member, facts)).collect();
        let others = facts.roster.entries.iter();
        let others = others.filter(|it| !facts.members.iter().any(|known| known.node == it.node));
        members.extend(others.map(MemberView::absent));
        members.sort_by_key(|member| member.id);
        let highest = members.iter().map(|member| member.id).max().unwrap_or_default();
        let highest = facts.roster.highest.max(highest);
        Self { votes, advice: crate::admin::spread::advice(facts), highest, members }
    }
}

impl MemberView {
    fn new(member: &MemberFacts, facts: &ClusterFacts) -> Self {
        let held = facts.roster.is_held(member.node) && !member.voter;
        Self {
            id: member.node,
            standing: if member.voter { "voter" } else { "learner" }.to_owned(),
            role: member.role.as_str().to_owned(),
            pop: member.pop.to_string(),
            rpc: member.rpc,
            alive: member.alive,
            leader: facts.leader == Some(member.node),
            safe: member.safe,
            held,
            lag: member.log_lag,
            slots_owned: member.slots_owned,
            slots_home: member.slots_home,
            calls: member.calls,
            round_trip_us: facts
                .round_trips
                .iter()
                .find(|it| (it.from, it.to) == (facts.answered_by, member.node))
                .map(|it| it.micros),
            removed_at: None,
        }
    }

    /// One that is no member now.
    fn absent(entry: &RosterEntry) -> Self {
        let standing = match entry.standing {
            Standing::Expected | Standing::Admitted => "expected",
            Standing::Removed => "removed",
        };
        let removed = entry.standing == Standing::Removed;
        Self {
            id: entry.node,
            standing: standing.to_owned(),
            role: entry.role.as_str().to_owned(),
            pop: entry.pop.to_string(),
            rpc: entry.rpc,
            alive: false,
            leader: false,
            safe: false,
            held: entry.held,
            lag: None,
            slots_owned: 0,
            slots_home: 0,
            calls: 0,
            round_trip_us: None,
            removed_at: removed.then(|| time::format(entry.at)),
        }
    }
}
