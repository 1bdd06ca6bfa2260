//! Which node numbers were ever used, and what administrators said of them. It is part of the
//! cluster's record. Which nodes vote is the Raft membership's alone.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Millis, Name, NodeId, NodeRole, limits};

/// The numbers that were used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The highest number that was ever given to a node; new ones are above.
    pub highest: NodeId,
    /// Nodes that joined, are expected or were removed, by number; at most
    /// [`crate::limits::MAX_ROSTER`], of which the oldest removed ones make room.
    pub entries: Vec<RosterEntry>,
}

/// A node that joined, is expected, or was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Which node.
    pub node: NodeId,
    /// How far it has come.
    pub standing: Standing,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Its site.
    pub pop: Name,
    /// Its part.
    pub role: NodeRole,
    /// Tells one attempt to join from another, so that a repeated one gets the same number.
    pub nonce: u64,
    /// It is to stay without a vote until an administrator promotes it.
    pub held: bool,
    /// When this was last changed.
    pub at: Millis,
}

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// An administrator expects it.
    Expected,
    /// It was let in.
    Admitted,
    /// It was removed, for ever.
    Removed,
}

impl Roster {
    /// What is known of a node that did not form the cluster.
    #[must_use]
    pub fn entry(&self, node: NodeId) -> Option<&RosterEntry> {
        self.entries.iter().find(|entry| entry.node == node)
    }

    /// The node that is or will be at an address.
    #[must_use]
    pub fn at_address(&self, rpc: SocketAddr) -> Option<&RosterEntry> {
        let present = self.entries.iter().filter(|entry| entry.standing != Standing::Removed);
        present.into_iter().find(|entry| entry.rpc == rpc)
    }

    /// Whether a node is to stay without a vote.
    #[must_use]
    pub fn is_held(&self, node: NodeId) -> bool {
        self.entry(node).is_some_and(|entry| entry.held)
    }

    /// Whether a node joined or is expected, and was not removed.
    #[must_use]
    pub fn is_present(&self, node: NodeId) -> bool {
        self.entry(node).is_some_and(|entry| entry.standing != Standing::Removed)
    }

    /// When a node was removed, if it was.
    #[must_use]
    pub fn removed_at(&self, node: NodeId) -> Option<Millis> {
        let entry = self.entry(node)?;
        (entry.standing == Standing::Removed).then_some(entry.at)
    }

    /// Adds or replaces an entry; `false` if there is no room.
    pub fn put(&mut self, entry: RosterEntry) -> bool {
        self.highest = self.highest.max(entry.node);
        if let Some(known) = self.entries.iter_mut().find(|known| known.node == entry.node) {
            *known = entry;
            return true;
        }
        if self.entries.len() >= limits::MAX_ROSTER {
            let removed = |entry: &RosterEntry| entry.standing == Standing::Removed;
            let Some(oldest) = self.entries.iter().position(removed) else { return false };
            self.entries.remove(oldest);
        }
        let place = self.entries.partition_point(|known| known.node < entry.node);
        self.entries.insert(place, entry);
        true
    }
}
