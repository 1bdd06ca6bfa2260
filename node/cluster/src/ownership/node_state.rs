//! What the leader knows of a node when it plans.

use holdline_model::{Name, NodeId};

/// A member of the cluster, as the leader sees it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Which node.
    pub node: NodeId,
    /// Its site.
    pub pop: Name,
    /// Whether it is there.
    pub verdict: Verdict,
    /// It has applied nearly all that is committed, so it could act at once.
    pub caught_up: bool,
    /// How long its process has been up without a break, in milliseconds.
    pub up_for_ms: u64,
    /// It is to own nothing.
    pub draining: bool,
    /// It votes.
    pub voter: bool,
    /// It may own slots: it votes, and is no witness.
    pub may_own: bool,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was heard within its lease.
    Alive,
    /// It is silent, but its lease may still run: it must neither lose nor gain slots.
    Suspect,
    /// Its lease is over and it did not answer: others may own its slots.
    Dead,
}
