//! The types that openraft is set up with: what an entry carries, what apply answers, what is known
//! of a member.
//!
//! Invariant: the order of fields is the format in the log and on the wire.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use holdline_model::{Name, NodeId, NodeRole, Reply};
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// openraft's view of Holdline.
    pub TypeConfig:
        D = Batch,
        R = Replies,
        NodeId = NodeId,
        Node = Member,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

/// What a log entry carries: commands as encoded bytes.
///
/// Only apply decodes them, so that neither the leader nor a follower spends time on it before the
/// entry is committed, and so that bytes which nobody can decode are rejected on every replica alike.
/// Bounded by [`holdline_model::limits::MAX_BATCH_COMMANDS`] and
/// [`holdline_model::limits::MAX_BATCH_BYTES`] where it is put together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The commands, in the order in which they are applied.
    pub commands: Vec<Bytes>,
}

impl Batch {
    /// Sum of the commands' sizes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.commands.iter().map(Bytes::len).sum()
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands, {} bytes", self.commands.len(), self.bytes())
    }
}

/// What apply answers: one reply for each command of the batch, in order. Empty for an entry that
/// carries none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replies(pub Vec<Reply>);

/// What the membership says of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Its site.
    pub pop: Name,
    /// Its part.
    pub role: NodeRole,
}

impl Default for Member {
    /// A member that cannot be reached; openraft needs one to name nodes it knows nothing of.
    fn default() -> Self {
        Self {
            rpc: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            pop: Name::default(),
            role: NodeRole::Full,
        }
    }
}

/// Names an entry: the leader that proposed it, and its index.
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
/// A log entry.
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
/// A vote: which leader a node follows.
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
/// A membership, with the entry that holds it.
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
/// What a snapshot holds.
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
/// A snapshot, with what it holds.
pub(crate) type Snapshot = openraft::alias::SnapshotOf<TypeConfig, crate::store::SnapshotData>;
