//! Tokens leased to nodes, which spend them by themselves.
//!
//! Leased tokens keep their room in the buckets that they come from, so that buckets and leases
//! together never hold more than the burst: what a node spends late was not filled up meanwhile. The
//! room is free again when the node says that they are spent or gives them back, when its process was
//! started again (they count as spent), or when it has said nothing for long.

use holdline_model::limit::Tokens;
use holdline_model::{Incarnation, Name, NodeId};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::tree::{Levels, Taking};

/// Whose lease of what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseKey {
    /// The node.
    pub node: NodeId,
    /// The class.
    pub class: Name,
}

/// What a node has leased of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Which run of its process.
    pub incarnation: Incarnation,
    /// The last request, and what it was granted.
    pub request: u64,
    /// What it was granted then.
    pub granted: Tokens,
    /// From which classes' buckets what it holds comes.
    pub(crate) buckets: Vec<(Name, u64)>,
    /// From which classes' ceilings.
    pub(crate) ceilings: Vec<(Name, u64)>,
    /// When its silence is taken for its end, by the limits' clock.
    pub(crate) until_ms: u64,
}

/// Leases that are not heard of for so many times their validity count as spent.
pub(crate) const SILENT_TIMES: u64 = 10;

impl Lease {
    pub(crate) const fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            request: 0,
            granted: Tokens(0),
            buckets: Vec::new(),
            ceilings: Vec::new(),
            until_ms: 0,
        }
    }

    /// What the node holds.
    #[must_use]
    pub fn held(&self) -> Tokens {
        Tokens(self.buckets.iter().map(|(_, part)| part).sum())
    }

    /// Adds what was taken.
    pub(crate) fn add(&mut self, plan: &Plan, levels: &mut Levels, taking: &Taking) {
        for (at, part, _) in &taking.buckets {
            levels.level_mut(*at, |level| level.leased += part);
            put(&mut self.buckets, plan, *at, *part);
        }
        for (at, part) in &taking.ceilings {
            levels.level_mut(*at, |level| level.ceiling_leased += part);
            put(&mut self.ceilings, plan, *at, *part);
        }
    }

    /// An amount is spent: its room may fill up. What is nearest to the class goes first.
    pub(crate) fn spend(&mut self, plan: &Plan, levels: &mut Levels, amount: u64) {
        settle(&mut self.buckets, amount, |class, part| {
            free(plan, levels, class, |level| level.leased = level.leased.saturating_sub(part));
        });
        settle_each(&mut self.ceilings, amount, |class, part| {
            free(plan, levels, class, |level| {
                level.ceiling_leased = level.ceiling_leased.saturating_sub(part);
            });
        });
    }

    /// An amount is given back: it is in its bucket again. What is furthest from the class goes first.
    pub(crate) fn give_back(&mut self, plan: &Plan, levels: &mut Levels, amount: u64) {
        self.buckets.reverse();
        settle(&mut self.buckets, amount, |class, part| {
            free(plan, levels, class, |level| {
                level.leased = level.leased.saturating_sub(part);
                level.missing = level.missing.saturating_sub(part);
            });
        });
        self.buckets.reverse();
        settle_each(&mut self.ceilings, amount, |class, part| {
            free(plan, levels, class, |level| {
                level.ceiling_leased = level.ceiling_leased.saturating_sub(part);
                level.ceiling_missing = level.ceiling_missing.saturating_sub(part);
            });
        });
    }

    /// Takes its room in other buckets than before: the configuration was replaced.
    pub(crate) fn reserve(&self, plan: &Plan, levels: &mut Levels) {
        for (class, part) in &self.buckets {
            free(plan, levels, class, |level| {
                level.leased = level.leased.saturating_add(*part);
                level.missing = level.missing.max(level.leased);
            });
        }
        for (class, part) in &self.ceilings {
            free(plan, levels, class, |level| {
                level.ceiling_leased = level.ceiling_leased.saturating_add(*part);
                level.ceiling_missing = level.ceiling_missing.max(level.ceiling_leased);
            });
        }
    }
}

fn put(parts: &mut Vec<(Name, u64)>, plan: &Plan, at: usize, part: u64) {
    let Some(class) = plan.classes.get(at) else { return };
    match parts.iter_mut().find(|(name, _)| *name == class.name) {
        Some((_, held)) => *held += part,
        None => parts.push((class.name.clone(), part)),
    }
}

/// Settles an amount, part by part.
fn settle(parts: &mut Vec<(Name, u64)>, amount: u64, mut act: impl FnMut(&Name, u64)) {
    let mut left = amount;
    for (class, held) in parts.iter_mut() {
        let part = left.min(*held);
        *held -= part;
        left -= part;
        act(class, part);
    }
    parts.retain(|(_, held)| *held > 0);
}

/// Settles the same amount in every part: an admission passes each ceiling.
fn settle_each(parts: &mut Vec<(Name, u64)>, amount: u64, mut act: impl FnMut(&Name, u64)) {
    for (class, held) in parts.iter_mut() {
        let part = amount.min(*held);
        *held -= part;
        act(class, part);
    }
    parts.retain(|(_, held)| *held > 0);
}

fn free(plan: &Plan, levels: &mut Levels, class: &Name, act: impl FnOnce(&mut crate::tree::Level)) {
    if let Some(at) = plan.class_named(class) {
        levels.level_mut(at, act);
    }
}
