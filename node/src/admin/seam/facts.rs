//! What a node knows of itself and of the cluster. Facts only: the verdict is in
//! [`crate::admin::health`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdline_call::TrunkHealth;
use holdline_model::{Format, Listener, Millis, Name, NodeId, NodeRecord, NodeRole, Roster};
use holdline_sip::locate::Location;
use holdline_transport::CertificateFacts;

/// What a node knows of itself without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFacts {
    /// Which node.
    pub node: NodeId,
    /// The leader, as far as it knows.
    pub leader: Option<NodeId>,
    /// Raft's term.
    pub term: u64,
    /// Whether the cluster was formed, as far as this node has applied.
    pub formed: bool,
    /// It takes part in Raft: it has a log, or was let in without one.
    pub takes_part: bool,
    /// It has a vote.
    pub votes: bool,
    /// The leader says that calls may fail over to it: it votes and has nearly everything.
    pub safe: bool,
    /// Whether it holds its lease: without it, it answers nothing.
    pub lease_held: bool,
    /// Entries known to be committed but not yet applied here.
    pub apply_lag: u64,
    /// Room on the data folder's file system, in bytes; `None` if it could not be found out.
    pub disk_free_bytes: Option<u64>,
    /// With less room than this it is not ready, in bytes.
    pub disk_min_free_bytes: u64,
    /// The disk is so full that no calls are admitted.
    pub disk_protected: bool,
    /// Whether the node's log could be written and synced last time.
    pub log_writable: bool,
    /// Slots that it owns.
    pub slots_owned: usize,
    /// Slots it owns whose calls are not all rebuilt yet.
    pub slots_recovering: usize,
    /// Floating addresses it should have bound but could not.
    pub addresses_missing: usize,
    /// It is drained, or being drained.
    pub draining: bool,
    /// It is stopping.
    pub stopping: bool,
}

/// What a node knows of the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// The cluster's name.
    pub cluster: Name,
    /// Its format.
    pub format: Format,
    /// The node that answers.
    pub answered_by: NodeId,
    /// The leader, as far as the node knows.
    pub leader: Option<NodeId>,
    /// Raft's term.
    pub term: u64,
    /// Index of the last entry known to be committed.
    pub committed_index: u64,
    /// Index of the last entry applied by the node that answers.
    pub applied_index: u64,
    /// Whether the cluster was formed.
    pub formed: bool,
    /// How many slots there are.
    pub slots: usize,
    /// The members, by id, whether alive or not.
    pub members: Vec<MemberFacts>,
    /// Who joined, is expected or was removed.
    pub roster: Roster,
    /// How far nodes find each other.
    pub round_trips: Vec<RoundTrip>,
    /// The times of elections and leases of the node that answers.
    pub times: TimesFacts,
}

impl ClusterFacts {
    /// The two voters that are farthest from each other, as far as is known.
    #[must_use]
    pub fn farthest(&self) -> Option<RoundTrip> {
        let votes = |node| self.members.iter().any(|member| member.node == node && member.voter);
        farthest(&self.round_trips, votes)
    }
}

/// How far voters may be apart for a node's times of elections and leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimesFacts {
    /// The longest round trip that they fit.
    pub fit: Duration,
    /// Whether they will fit what is measured when the node is started again.
    pub adapt: bool,
}

impl TimesFacts {
    /// Whether voters so far apart cost elections; if so, the whole milliseconds that are too many.
    #[must_use]
    pub fn are_short_of(&self, farthest: RoundTrip) -> Option<u64> {
        let apart = Duration::from_micros(farthest.micros);
        (apart > self.fit).then(|| farthest.micros.div_ceil(1_000))
    }

    /// What is to be done with `who` when voters are so many milliseconds apart, which is too far.
    #[must_use]
    pub fn remedy(&self, apart_ms: u64, who: &str) -> String {
        if self.adapt {
            format!("restart {who}, to start with times that fit")
        } else {
            format!("set cluster.round_trip_ms to {apart_ms}, or remove it, and restart {who}")
        }
    }
}

/// The two voters that are farthest from each other. Two may find each other differently far: the
/// shorter time counts, because what was longer waited for a processor.
#[must_use]
pub fn farthest(trips: &[RoundTrip], votes: impl Fn(NodeId) -> bool) -> Option<RoundTrip> {
    let mut pairs: BTreeMap<(NodeId, NodeId), u64> = BTreeMap::new();
    for trip in trips.iter().filter(|trip| votes(trip.from) && votes(trip.to)) {
        let pair = (trip.from.min(trip.to), trip.from.max(trip.to));
        let known = pairs.entry(pair).or_insert(trip.micros);
        *known = trip.micros.min(*known);
    }
    let farthest = pairs.into_iter().max_by_key(|(_, micros)| *micros);
    farthest.map(|((from, to), micros)| RoundTrip { from, to, micros })
}

/// How far one node finds another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// Who measures.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// The shortest of the latest answers, in microseconds.
    pub micros: u64,
}

/// What a node knows of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Which node.
    pub node: NodeId,
    /// Its site.
    pub pop: Name,
    /// Whether its vote counts towards a majority.
    pub voter: bool,
    /// Its part.
    pub role: NodeRole,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Calls may fail over to it: it votes and has nearly everything.
    pub safe: bool,
    /// Whether it is alive: heard by the leader or, seen from elsewhere, in gossip.
    pub alive: bool,
    /// What it announced when it started; `None` if it never did.
    pub record: Option<NodeRecord>,
    /// The newest format that it reads; `None` if it has not said so.
    pub reads: Option<Format>,
    /// Entries it has not got yet; `None` if that is not known here.
    pub log_lag: Option<u64>,
    /// Slots it owns.
    pub slots_owned: usize,
    /// Slots whose home it is.
    pub slots_home: usize,
    /// Calls it owns that are up.
    pub calls: usize,
}

/// What listens somewhere, for calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerFacts {
    /// How, and where.
    pub listener: Listener,
    /// The node whose address it is.
    pub home: NodeId,
    /// The node that has it now; `None` if none does.
    pub holder: Option<NodeId>,
    /// Whether it is open at the node that answers.
    pub is_open_here: bool,
    /// Connections of the node that answers; `None` if it is not open there, or has none.
    pub connections: Option<usize>,
}

/// A certificate of the node that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCertificate {
    /// Where it was read.
    pub path: PathBuf,
    /// The trunk that it is shown to; `None`: it is the listeners', and shown to everybody else.
    pub trunk: Option<String>,
    /// What it says.
    pub facts: CertificateFacts,
}

/// What a node knows of one trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkFacts {
    /// Its name.
    pub name: Name,
    /// Whose calls those are that come from it.
    pub tenant: Name,
    /// Where calls to it go: an address, or a name.
    pub address: String,
    /// Where its name leads, or why nowhere; `None` if it has no name.
    pub leads_to: Option<Result<Arc<Location>, String>>,
    /// Whether it is asked by OPTIONS whether it is there.
    pub is_probed: bool,
    /// Its state; `None` before the first look at it, right after the node's start.
    pub health: Option<TrunkHealth>,
    /// Since when an administrator keeps calls from it, if one does.
    pub disabled_since: Option<Millis>,
}
