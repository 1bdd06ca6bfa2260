//! How a Raft node is set up: who it is, who the members are, and every time-out and bound.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use holdline_model::{ClusterId, GroupId, Millis, NodeId, limits};
use holdline_storage::codec;
use openraft::{Config, SnapshotPolicy};
use serde::{Deserialize, Serialize};

use crate::lease::LONGEST;
use crate::millis;
use crate::network::{ClusterToken, Connect};
use crate::types::Member;

/// What [`crate::RaftNode::start`] needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// The cluster; every RPC names it.
    pub cluster: ClusterId,
    /// The Raft group; every RPC names it.
    pub group: GroupId,
    /// The cluster's name, for a node that joins.
    pub name: String,
    /// The first members. They form the group when the log is empty; afterwards the membership in
    /// the log counts. All of them name the same ones; a node that joined names none.
    pub members: BTreeMap<NodeId, Member>,
    /// This node as a member.
    pub member: Member,
    /// Where a node that joined finds others.
    pub seeds: Vec<SocketAddr>,
    /// The leader has let this node in a moment ago: its log is empty for a good reason.
    pub is_new: bool,
    /// The store of this node was damaged and set aside: it knows no more what it had promised, so it
    /// never forms the group anew, and waits for somebody who has a log.
    pub set_aside: bool,
    /// The time of day.
    pub wall: Wall,
    /// The secret that the nodes share.
    pub token: ClusterToken,
    /// Time-outs and bounds.
    pub tuning: Tuning,
    /// How the other nodes are connected to.
    pub connect: Connect,
}

/// The time of day, in milliseconds since 1970. Clones are the same.
#[derive(Clone)]
pub struct Wall(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Wall {
    /// Asks `now` for the time.
    pub fn new(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> Millis {
        (self.0)()
    }
}

impl std::fmt::Debug for Wall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wall(…)")
    }
}

/// Time-outs and bounds of a Raft node, with one set of defaults: those for nodes in one PoP.
///
/// Between PoPs the caller scales `election_*`, `heartbeat`, `lease*` and `connect_timeout` with the
/// round trip; [`Tuning::scaled_to`] does that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tuning {
    /// How often the leader is heard by every follower.
    #[serde(rename = "heartbeat_ms", with = "millis")]
    pub heartbeat: Duration,
    /// A follower that hears no leader for a time between this and `election_max` asks for votes.
    #[serde(rename = "election_min_ms", with = "millis")]
    pub election_min: Duration,
    /// See `election_min`. Also how long the leader leads after a majority was last heard.
    #[serde(rename = "election_max_ms", with = "millis")]
    pub election_max: Duration,
    /// After losing its majority, a leader is silent and tries again in turns of this length, so
    /// that a majority that cannot hear it may elect another.
    #[serde(rename = "quorum_loss_probe_ms", with = "millis")]
    pub quorum_loss_probe: Duration,
    /// How long a lease runs, from the moment its request was sent.
    #[serde(rename = "lease_ms", with = "millis")]
    pub lease: Duration,
    /// How often a node asks for its lease.
    #[serde(rename = "lease_renew_ms", with = "millis")]
    pub lease_renew: Duration,
    /// What the leader waits beyond a lease before it declares a node dead: it covers clocks that
    /// run at different rates.
    #[serde(rename = "lease_margin_ms", with = "millis")]
    pub lease_margin: Duration,
    /// A node that answers probes but whose lease requests do not arrive is dead after this.
    #[serde(rename = "deaf_after_ms", with = "millis")]
    pub deaf_after: Duration,
    /// How long a proposal of unknown outcome is sent again before it is reported as undecided.
    #[serde(rename = "propose_timeout_ms", with = "millis")]
    pub propose_timeout: Duration,
    /// Proposals that may wait on a node; more are refused.
    pub propose_queue: NonZeroUsize,
    /// Writes that a node may have in flight.
    pub propose_writes: NonZeroUsize,
    /// From the beginning of one write to that of the next when many commands come: what comes
    /// meanwhile shares an entry. It is shorter the fewer come, and nothing for a lone one. Longer
    /// costs a call up to twice as much time to be set up, and saves syncs.
    #[serde(rename = "propose_interval_ms", with = "millis")]
    pub propose_interval: Duration,
    /// Batches from other nodes that a leader works on at a time; more are told to wait.
    pub propose_remote: NonZeroUsize,
    /// Messages with applied actions that may wait for the node; then apply waits.
    pub actions_queue: NonZeroUsize,
    /// A snapshot is built after so many entries.
    pub snapshot_every: u64,
    /// Entries kept in the log although a snapshot holds them, for followers that lag a little.
    pub snapshot_keep: u64,
    /// How long sending and installing a snapshot may take.
    #[serde(rename = "snapshot_timeout_ms", with = "millis")]
    pub snapshot_timeout: Duration,
    /// Bytes of one chunk of a snapshot.
    pub snapshot_chunk_bytes: NonZeroUsize,
    /// Bytes of snapshots that are sent to a node within a second, at most: what calls need of the
    /// network and of the disk comes first.
    pub snapshot_bytes_per_s: NonZeroU64,
    /// Entries that one append carries at most.
    pub append_entries: NonZeroUsize,
    /// Bytes of entries that one append carries at most, unless a single entry is larger.
    pub append_bytes: NonZeroUsize,
    /// How long an append with entries may take; heartbeats take the time openraft gives them.
    #[serde(rename = "append_timeout_ms", with = "millis")]
    pub append_timeout: Duration,
    /// For how long entries for a follower that no majority waits for are collected before they are
    /// sent to it together; zero sends them at once.
    #[serde(rename = "spare_hold_ms", with = "millis")]
    pub spare_hold: Duration,
    /// Whether leadership is handed to a node that most commands come from, for a while, and that
    /// is far away: calls set up there then wait for one round trip per commit, not for two.
    pub follow_calls: bool,
    /// What counts as far for that, as a round trip. Between nearer nodes it would gain nothing,
    /// and the death of a node that owns the calls and leads takes longest to get over.
    #[serde(rename = "follow_calls_above_ms", with = "millis")]
    pub follow_calls_above: Duration,
    /// For how long a node must have proposed most. A leader leads three times as long at least.
    #[serde(rename = "follow_calls_after_ms", with = "millis")]
    pub follow_calls_after: Duration,
    /// How long connecting to a node may take.
    #[serde(rename = "connect_timeout_ms", with = "millis")]
    pub connect_timeout: Duration,
    /// How often an idle connection is checked.
    #[serde(rename = "keepalive_interval_ms", with = "millis")]
    pub keepalive_interval: Duration,
    /// How long the answer to that check may take before the connection is given up.
    #[serde(rename = "keepalive_timeout_ms", with = "millis")]
    pub keepalive_timeout: Duration,
    /// The pause before replication to an unreachable node is tried again.
    #[serde(rename = "reconnect_ms", with = "millis")]
    pub reconnect: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(100),
            election_max: Duration::from_millis(200),
            quorum_loss_probe: Duration::from_millis(500),
            lease: Duration::from_millis(300),
            lease_renew: Duration::from_millis(90),
            lease_margin: Duration::from_millis(50),
            deaf_after: Duration::from_secs(2),
            propose_timeout: Duration::from_secs(5),
            propose_queue: NonZeroUsize::MIN.saturating_add(65_535),
            propose_writes: NonZeroUsize::MIN.saturating_add(63),
            propose_interval: Duration::from_millis(8),
            propose_remote: NonZeroUsize::MIN.saturating_add(255),
            actions_queue: NonZeroUsize::MIN.saturating_add(1_023),
            snapshot_every: 200_000,
            snapshot_keep: 50_000,
            snapshot_timeout: Duration::from_secs(120),
            snapshot_chunk_bytes: NonZeroUsize::MIN.saturating_add((256 << 10) - 1),
            snapshot_bytes_per_s: NonZeroU64::MIN.saturating_add((12 << 20) - 1),
            append_entries: NonZeroUsize::MIN.saturating_add(1_023),
            append_bytes: NonZeroUsize::MIN.saturating_add((4 << 20) - 1),
            append_timeout: Duration::from_secs(1),
            spare_hold: Duration::from_millis(20),
            follow_calls: true,
            follow_calls_above: Duration::from_millis(5),
            follow_calls_after: Duration::from_secs(10),
            connect_timeout: Duration::from_millis(200),
            keepalive_interval: Duration::from_secs(1),
            keepalive_timeout: Duration::from_secs(1),
            reconnect: Duration::from_millis(30),
        }
    }
}

/// Options that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// This node is not one of the members.
    #[error("node {node} is not among the {members} members: add it to them")]
    NotAMember {
        /// This node.
        node: NodeId,
        /// How many members there are.
        members: usize,
    },
    /// The shorter of two times is not shorter.
    #[error(
        "{shorter_name} is {shorter:?}, which must be less than {longer_name}, which is {longer:?}"
    )]
    TooLong {
        /// Name of the time that must be the shorter one.
        shorter_name: &'static str,
        /// Its value.
        shorter: Duration,
        /// Name of the time that must be the longer one.
        longer_name: &'static str,
        /// Its value.
        longer: Duration,
    },
    /// The log would be emptied as often as it is kept.
    #[error("snapshot_keep is {keep}, which must be less than snapshot_every, which is {every}")]
    KeepsMoreThanItBuilds {
        /// `snapshot_keep`.
        keep: u64,
        /// `snapshot_every`.
        every: u64,
    },
    /// An append would be larger than a message may be.
    #[error("append_bytes makes messages of up to {bytes} bytes; the limit is {limit}: lower it")]
    AppendTooLarge {
        /// The largest message.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// openraft refuses the times.
    #[error("heartbeat {heartbeat:?} and election {election_min:?} to {election_max:?} do not fit")]
    Refused {
        /// `heartbeat`.
        heartbeat: Duration,
        /// `election_min`.
        election_min: Duration,
        /// `election_max`.
        election_max: Duration,
    },
}

impl Options {
    /// Checks the options against each other.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn validate(&self) -> Result<(), OptionsError> {
        if !self.members.is_empty() && !self.members.contains_key(&self.node) {
            let members = self.members.len();
            return Err(OptionsError::NotAMember { node: self.node, members });
        }
        self.tuning.validate()
    }
}

impl Tuning {
    /// Messages between nodes are refused beyond this size, in bytes: an append with
    /// `append_bytes` of entries, or with one entry as large as an entry can be, and its frame.
    #[must_use]
    pub fn message_bytes(&self) -> usize {
        const FRAME: usize = 64 << 10;
        let framing = limits::MAX_BATCH_COMMANDS * 16 + FRAME;
        self.append_bytes.get().saturating_add(limits::MAX_BATCH_BYTES).saturating_add(framing)
    }

    /// The same, for nodes with the given round trip between them: whatever must be longer than a
    /// round trip is at least a few of them.
    #[must_use]
    pub fn scaled_to(&self, round_trip: Duration) -> Self {
        let heartbeat = self.heartbeat.max(round_trip * 2);
        let factor = heartbeat.as_secs_f64() / self.heartbeat.as_secs_f64().max(f64::MIN_POSITIVE);
        let scale = |time: Duration| Duration::from_millis(millis::whole(time.mul_f64(factor)));
        Self {
            heartbeat: scale(self.heartbeat),
            election_min: scale(self.election_min),
            election_max: scale(self.election_max),
            quorum_loss_probe: scale(self.quorum_loss_probe),
            lease: scale(self.lease),
            lease_renew: scale(self.lease_renew),
            lease_margin: scale(self.lease_margin),
            deaf_after: scale(self.deaf_after),
            connect_timeout: self.connect_timeout.max(round_trip * 4),
            ..self.clone()
        }
    }

    /// The longest round trip between voters that these times fit: [`Tuning::scaled_to`] would change
    /// none of them for it.
    #[must_use]
    pub fn longest_round_trip(&self) -> Duration {
        self.heartbeat / 2
    }

    /// Checks the values against each other.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn validate(&self) -> Result<(), OptionsError> {
        let ordered = [
            ("heartbeat_ms", self.heartbeat, "election_min_ms", self.election_min),
            ("election_min_ms", self.election_min, "election_max_ms", self.election_max),
            ("election_max_ms", self.election_max, "lease_ms", self.lease),
            (
                "twice election_max_ms",
                self.election_max * 2,
                "quorum_loss_probe_ms",
                self.quorum_loss_probe,
            ),
            ("lease_ms", self.lease, "the longest lease that other nodes believe", LONGEST),
            ("three times lease_renew_ms", self.lease_renew * 3, "lease_ms", self.lease),
            (
                "lease_ms and lease_margin_ms",
                self.lease + self.lease_margin,
                "deaf_after_ms",
                self.deaf_after,
            ),
            ("zero", Duration::ZERO, "heartbeat_ms", self.heartbeat),
            ("zero", Duration::ZERO, "follow_calls_after_ms", self.follow_calls_after),
            ("zero", Duration::ZERO, "lease_renew_ms", self.lease_renew),
            ("zero", Duration::ZERO, "lease_margin_ms", self.lease_margin),
            ("election_max_ms", self.election_max, "propose_timeout_ms", self.propose_timeout),
            ("spare_hold_ms", self.spare_hold, "election_min_ms", self.election_min),
        ];
        for (shorter_name, shorter, longer_name, longer) in ordered {
            if shorter >= longer {
                return Err(OptionsError::TooLong { shorter_name, shorter, longer_name, longer });
            }
        }
        let (keep, every) = (self.snapshot_keep, self.snapshot_every);
        if keep >= every {
            return Err(OptionsError::KeepsMoreThanItBuilds { keep, every });
        }
        let (bytes, limit) = (self.message_bytes(), codec::MAX_MESSAGE_BYTES);
        if bytes > limit {
            return Err(OptionsError::AppendTooLarge { bytes, limit });
        }
        Ok(())
    }

    /// For how long after an append was sent, in milliseconds, its answer makes a heartbeat needless: three fifths of a
    /// heartbeat, which is longer than a spare follower's entries are held back by default, or what
    /// the election leaves of it (openraft acts upon ticks, a fifth of a heartbeat apart).
    fn heartbeat_after_append(&self) -> u64 {
        let heartbeat = millis::whole(self.heartbeat);
        let tick = (heartbeat * 13 / 64).max(1);
        let room = millis::whole(self.election_min).saturating_sub(heartbeat + tick + 1);
        room.min(heartbeat * 3 / 5)
    }

    /// openraft's configuration.
    pub(crate) fn config(
        &self,
        cluster: ClusterId,
        group: GroupId,
    ) -> Result<Config, OptionsError> {
        let config = Config {
            cluster_name: format!("{cluster}/{group}"),
            heartbeat_interval: millis::whole(self.heartbeat),
            heartbeat_min_interval: Some(self.heartbeat_after_append()),
            election_timeout_min: millis::whole(self.election_min),
            election_timeout_max: millis::whole(self.election_max),
            quorum_loss_probe_interval: Some(millis::whole(self.quorum_loss_probe)),
            enable_pre_vote: Some(true),
            // The state's newest batches may be lost in a crash, so a restarted leader has to be
            // elected before it leads: it then knows what was committed.
            enable_leader_restore: Some(false),
            install_snapshot_timeout: millis::whole(self.snapshot_timeout),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.snapshot_keep,
            purge_batch_size: self.snapshot_keep.clamp(1, PURGE_BATCH),
            // A follower gets a snapshot only if the log does not reach back far enough any more.
            replication_lag_threshold: self.snapshot_every.saturating_mul(2),
            max_payload_entries: u64::try_from(self.append_entries.get()).unwrap_or(u64::MAX),
            ..Config::default()
        };
        config.validate().map_err(|_| OptionsError::Refused {
            heartbeat: self.heartbeat,
            election_min: self.election_min,
            election_max: self.election_max,
        })
    }
}

/// Entries are purged in lots of this size, because each purge is a write of its own.
const PURGE_BATCH: u64 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn defaults_are_valid_and_fit_openraft() {
        let tuning = Tuning::default();
        assert_eq!(tuning.validate(), Ok(()));
        assert!(tuning.config(ClusterId(1), GroupId(1)).is_ok());
    }

    #[test]
    fn scaled_to_a_round_trip_stays_valid() {
        for round_trip in [MS, MS * 20, MS * 80, MS * 300] {
            let tuning = Tuning::default().scaled_to(round_trip);
            assert_eq!(tuning.validate(), Ok(()), "{round_trip:?}");
            assert!(tuning.election_min >= round_trip * 3, "{round_trip:?}");
            assert!(tuning.longest_round_trip() >= round_trip, "{round_trip:?}");
            let again = tuning.scaled_to(tuning.longest_round_trip());
            assert_eq!((again.lease, again.heartbeat), (tuning.lease, tuning.heartbeat));
            assert!(tuning.config(ClusterId(1), GroupId(1)).is_ok());
        }
        assert_eq!(Tuning::default().scaled_to(MS), Tuning::default());
    }

    #[test]
    fn heartbeats_are_left_out_after_appends_as_far_as_the_election_allows() {
        let least = |tuning: &Tuning| {
            tuning.config(ClusterId(1), GroupId(1)).unwrap().heartbeat_min_interval
        };
        assert_eq!(least(&Tuning::default()), Some(30));
        assert_eq!(least(&Tuning::default().scaled_to(MS * 100)), Some(120));
        let near = Tuning { heartbeat: MS * 80, ..Tuning::default() };
        assert_eq!(least(&near), Some(3));
        let nearer = Tuning { heartbeat: MS * 99, ..Tuning::default() };
        assert_eq!(least(&nearer), Some(0));
    }

    #[test]
    fn contradictions_name_both_values() {
        let tuning = Tuning { lease: MS * 150, ..Tuning::default() };
        let error = tuning.validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "election_max_ms is 200ms, which must be less than lease_ms, which is 150ms"
        );
        let minute = Duration::from_secs(60);
        let tuning = Tuning { lease: minute, deaf_after: minute * 2, ..Tuning::default() };
        assert!(tuning.validate().unwrap_err().to_string().contains("other nodes believe"));
        let tuning = Tuning { snapshot_keep: 300_000, ..Tuning::default() };
        let expected = OptionsError::KeepsMoreThanItBuilds { keep: 300_000, every: 200_000 };
        assert_eq!(tuning.validate(), Err(expected));
        let append_bytes = NonZeroUsize::new(64 << 20).unwrap();
        let error = Tuning { append_bytes, ..Tuning::default() }.validate().unwrap_err();
        assert!(matches!(error, OptionsError::AppendTooLarge { .. }), "{error}");
    }
}
