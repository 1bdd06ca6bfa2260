//! The buckets of the classes: how they fill, who may take from them.
//!
//! Filling is exact whatever the order of events: while nobody takes, a bucket's level after some
//! time is the smaller of its size and its level plus all that came; what is more rises to the parent.
//! So one pass from the leaves to the roots, once per moment, does it.

mod fill;
pub(crate) mod take;

use holdline_model::limit::{LimitRefusal, Shortage};
use serde::{Deserialize, Serialize};

use crate::bucket::wait_ms;
use crate::plan::{Class, Plan};

/// The state of all classes' buckets, in the order of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    pub(crate) classes: Vec<Level>,
}

/// The state of one class's buckets. A class that is at rest is all zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Level {
    /// What its bucket is short of being full; more than its size when it is overdrawn.
    pub(crate) missing: u64,
    /// What its ceiling's bucket is short of being full.
    pub(crate) ceiling_missing: u64,
    /// The part of `missing` that nodes have leased, and that does not fill up.
    pub(crate) leased: u64,
    /// The same of `ceiling_missing`.
    pub(crate) ceiling_leased: u64,
    /// What of its parent's bucket is set aside for it.
    pub(crate) reserved: u64,
    /// Until when it counts as one that borrows; 0 if it never did.
    pub(crate) borrows_until_ms: u64,
    /// Requests admitted, marked ones included.
    pub(crate) admitted: u64,
    /// Requests admitted although there were no tokens.
    pub(crate) marked: u64,
    /// Requests refused by this class.
    pub(crate) refused: u64,
}

/// Where an amount comes from: taken as a whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taking {
    /// From these classes' buckets, with the child that borrows, if one does.
    pub(crate) buckets: Vec<(usize, u64, Option<usize>)>,
    /// From these classes' ceilings.
    pub(crate) ceilings: Vec<(usize, u64)>,
    /// Classes that mark.
    pub(crate) marks: Vec<usize>,
    /// How long the request is held.
    pub(crate) hold_ms: u64,
}

/// Why an amount cannot be taken: which class refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) class: usize,
    pub(crate) shortage: Shortage,
    pub(crate) retry_after_ms: u64,
    pub(crate) status: u16,
}

/// How long a class that has asked counts as one that borrows, in milliseconds.
pub(crate) const BORROWS_MS: u64 = 1_000;

impl Levels {
    /// Full buckets.
    pub(crate) fn full(plan: &Plan) -> Self {
        Self { classes: vec![Level::default(); plan.classes.len()] }
    }

    pub(crate) fn level(&self, class: usize) -> Level {
        self.classes.get(class).copied().unwrap_or_default()
    }

    pub(crate) fn level_mut(&mut self, class: usize, act: impl FnOnce(&mut Level)) {
        if let Some(level) = self.classes.get_mut(class) {
            act(level);
        }
    }

    /// Whether time changes nothing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.classes.iter().all(|level| {
            level.missing <= level.leased
                && level.ceiling_missing <= level.ceiling_leased
                && level.reserved == 0
        })
    }

    /// What is in a class's bucket; nothing if it is overdrawn.
    pub(crate) fn in_bucket(&self, class: usize, plan: &Class) -> u64 {
        plan.size.saturating_sub(self.level(class).missing)
    }

    /// Fills a class's bucket and ceiling, and those of all beneath it.
    pub(crate) fn reset(&mut self, plan: &Plan, class: Option<usize>) {
        let mut within = vec![false; plan.classes.len()];
        for (at, planned) in plan.classes.iter().enumerate() {
            let inherits = planned.parent.is_some_and(|parent| within.get(parent) == Some(&true));
            if class.is_none_or(|class| class == at) || inherits {
                if let Some(mark) = within.get_mut(at) {
                    *mark = true;
                }
                self.level_mut(at, |level| {
                    level.missing = level.leased;
                    level.ceiling_missing = level.ceiling_leased;
                });
            }
        }
    }
}

impl Short {
    pub(crate) fn refusal(self, plan: &Plan) -> LimitRefusal {
        LimitRefusal {
            class: plan.classes.get(self.class).map(|class| class.name.clone()).unwrap_or_default(),
            shortage: self.shortage,
            status: self.status,
            retry_after_ms: self.retry_after_ms.clamp(1, MAX_RETRY_AFTER_MS),
        }
    }
}

/// The longest time that a refusal asks to wait.
pub(crate) const MAX_RETRY_AFTER_MS: u64 = 3_600_000;

/// How long an amount takes that several buckets fill up together.
pub(crate) const fn retry_ms(amount: u64, rate: u64) -> u64 {
    if rate == 0 { BORROWS_MS } else { wait_ms(amount, rate) }
}
