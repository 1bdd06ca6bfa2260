//! The messages between the nodes of a group.
//!
//! Invariant: the order of fields and variants is the format on the wire.

use std::time::Duration;

use bytes::Bytes;
use holdline_model::{ClusterId, GroupId, NodeId, Reply};
use openraft::raft;
use serde::{Deserialize, Serialize};

use crate::membership::{ChangeError, Changed, MemberChange};
use crate::types::{self, TypeConfig};

/// A message with the cluster, the group and the nodes that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    pub(crate) cluster: ClusterId,
    pub(crate) group: GroupId,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) body: T,
}

pub(crate) type Append = Envelope<raft::AppendEntriesRequest<TypeConfig>>;
pub(crate) type AppendOutcome = raft::StreamAppendResult<TypeConfig>;
pub(crate) type Vote = Envelope<raft::VoteRequest<TypeConfig>>;
pub(crate) type VoteAnswer = raft::VoteResponse<TypeConfig>;
pub(crate) type TransferLeader = Envelope<raft::TransferLeaderRequest<TypeConfig>>;
pub(crate) type TransferLeaderAnswer = raft::TransferLeaderResponse<TypeConfig>;
pub(crate) type SnapshotOffer = Envelope<SnapshotOffered>;
pub(crate) type SnapshotAnswer = raft::SnapshotResponse<TypeConfig>;
pub(crate) type Propose = Envelope<Proposal>;
pub(crate) type LeaseRequest = Envelope<LeaseAsk>;
pub(crate) type Probe = Envelope<()>;
pub(crate) type ChangeAsk = Envelope<MemberChange>;
pub(crate) type ChangeAnswer = Result<Changed, ChangeError>;
pub(crate) type ReadIndex = Envelope<ReadIndexAsk>;

/// A snapshot on its way: one `Head`, then chunks, then `End`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum SnapshotFrame {
    /// Whose it is.
    Head(Envelope<SnapshotHead>),
    /// Its next bytes.
    Chunk(Bytes),
    /// There is no more: a stream that breaks off has no `End`.
    End,
}

/// What goes before a snapshot's bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotHead {
    /// The vote of the leader that sends it.
    pub(crate) vote: types::Vote,
    /// What it holds.
    pub(crate) meta: types::SnapshotMeta,
    /// How many bytes it has.
    pub(crate) bytes: u64,
    /// From which of them on it is sent: what came before is there already.
    pub(crate) from: u64,
}

/// A leader has a snapshot for a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotOffered {
    /// The last entry in it.
    pub(crate) last: Option<types::LogId>,
    /// How many bytes it has.
    pub(crate) bytes: u64,
}

/// Where the leader is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotWanted {
    /// Bytes that are there already, from an earlier attempt.
    pub(crate) from: u64,
}

/// Commands that another node wants committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    /// How long the sender waits for the answer, in milliseconds.
    pub(crate) budget_ms: u64,
    /// The encoded commands.
    pub(crate) commands: Vec<Bytes>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ProposeAnswer {
    /// For each command its reply, or nothing if its outcome is unknown.
    Decided(Vec<Option<Reply>>),
    /// This node does not lead; nothing was proposed.
    NotLeader,
    /// The leader has too much to do; nothing was proposed.
    Busy,
}

/// A node asks for its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseAsk {
    /// Index of the last entry that the node has applied; nothing before the first.
    pub(crate) applied: Option<u64>,
    /// Commands that the node has proposed since it last asked.
    pub(crate) proposed: u64,
    /// How long the node waits for an answer of the leader's, in microseconds, at best.
    pub(crate) round_trip_us: u64,
}

/// The leader's answer to a lease request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LeaseAnswer {
    /// A lease.
    Granted {
        /// It runs this long from the moment its request was *sent*.
        time: Duration,
        /// The node has nearly everything and votes: calls may fail over to it.
        safe: bool,
    },
    /// This node does not lead, or has not heard a majority lately, or is about to move the slots
    /// of the node that asks, or that node has not applied an entry that may have moved them.
    Refused,
}

/// The answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProbeAnswer {
    /// Whether the node holds a lease.
    pub(crate) leased: bool,
}

/// A node wants to read what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadIndexAsk {
    /// The leader's lease is good enough: no round to a majority.
    pub(crate) on_lease: bool,
}

/// How far the node that asked must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReadIndexAnswer {
    /// It must have applied this entry.
    At(u64),
    /// This node does not lead, or no majority says that it does.
    NotNow,
}
