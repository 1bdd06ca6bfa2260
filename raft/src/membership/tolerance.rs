//! How many voters may fail, before and after a change. PURE.

use std::collections::BTreeSet;

use holdline_model::NodeId;
use serde::{Deserialize, Serialize};

/// Who votes, and which of them are alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who is alive, with or without a vote.
    pub alive: BTreeSet<NodeId>,
}

/// How many voters may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerance {
    /// How many vote.
    pub voters: u32,
    /// How many of them are alive.
    pub alive: u32,
    /// How many are needed.
    pub needed: u32,
}

impl Tolerance {
    /// How many more may fail; `None` if too few are alive already.
    #[must_use]
    pub fn may_fail(&self) -> Option<u32> {
        self.alive.checked_sub(self.needed)
    }
}

impl Votes {
    /// How it is now.
    #[must_use]
    pub fn tolerance(&self) -> Tolerance {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let alive = self.voters.intersection(&self.alive).count();
        let needed = if self.voters.is_empty() { 1 } else { self.voters.len() / 2 + 1 };
        Tolerance { voters: count(self.voters.len()), alive: count(alive), needed: count(needed) }
    }

    /// How it would be with these voters added and those removed.
    #[must_use]
    pub fn after(&self, add: Option<NodeId>, remove: Option<NodeId>) -> Self {
        let mut voters = self.voters.clone();
        voters.extend(add);
        if let Some(node) = remove {
            voters.remove(&node);
        }
        Self { voters, alive: self.alive.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(voters: &[u64], alive: &[u64]) -> Votes {
        let set = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
        Votes { voters: set(voters), alive: set(alive) }
    }

    fn may_fail(votes: &Votes) -> Option<u32> {
        votes.tolerance().may_fail()
    }

    #[test]
    fn says_how_many_may_fail_before_and_after() {
        let three = votes(&[1, 2, 3], &[1, 2, 3, 4]);
        assert_eq!(may_fail(&three), Some(1));
        assert_eq!(may_fail(&three.after(Some(NodeId(4)), None)), Some(1));
        assert_eq!(may_fail(&three.after(None, Some(NodeId(3)))), Some(0));
        assert_eq!(may_fail(&three.after(Some(NodeId(4)), Some(NodeId(3)))), Some(1));
    }

    #[test]
    fn a_change_that_leaves_too_few_alive_has_no_tolerance() {
        let one_down = votes(&[1, 2, 3], &[1, 2]);
        assert_eq!(may_fail(&one_down), Some(0));
        assert_eq!(may_fail(&one_down.after(None, Some(NodeId(2)))), None);
        // The dead one may go: then the two that are left are all.
        assert_eq!(may_fail(&one_down.after(None, Some(NodeId(3)))), Some(0));
        let alone = votes(&[1], &[1]);
        assert_eq!(may_fail(&alone.after(None, Some(NodeId(1)))), None);
    }
}
