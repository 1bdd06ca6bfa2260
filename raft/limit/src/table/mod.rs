//! The state of all limits.
//!
//! What must survive is written as [`Change`]s; the calls that are up are not among them, since they
//! follow from the calls' records.

mod admit;
mod lease;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdline_model::limit::{LimitConfig, LimitFault, LimitRefusal};
use holdline_model::{CallId, CallRecord, Millis, Name, NodeId, Rejection};
use serde::{Deserialize, Serialize};

use crate::LimitClock;
use crate::calls::{Calls, UpCall};
use crate::change::Record;
use crate::each::Buckets;
use crate::lease::{Lease, LeaseKey};
use crate::plan::Plan;
use crate::refusals::Refusals;
use crate::tree::{Level, Levels};

pub use admit::Ask;

/// The configuration in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Counts the changes; 0 before the first.
    pub version: u64,
    /// When it was set, by the proposer's clock.
    pub set_at: Millis,
    /// As it was given.
    pub config: LimitConfig,
}

/// All limits and their state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitTable {
    settings: Arc<Settings>,
    plan: Arc<Plan>,
    clock: LimitClock,
    levels: Levels,
    buckets: Buckets,
    calls: Calls,
    refusals: Refusals,
    leases: BTreeMap<LeaseKey, Lease>,
    dirty: BTreeSet<Record>,
}

impl Default for LimitTable {
    fn default() -> Self {
        Self {
            settings: Arc::default(),
            plan: Arc::new(Plan::unlimited()),
            clock: LimitClock::default(),
            levels: Levels::default(),
            buckets: Buckets::default(),
            calls: Calls::default(),
            refusals: Refusals::default(),
            leases: BTreeMap::new(),
            dirty: BTreeSet::new(),
        }
    }
}

impl LimitTable {
    /// The configuration in force.
    #[must_use]
    pub const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The configuration in force, ready to be used.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Whether time would change anything, so that the leader is to let it pass.
    #[must_use]
    pub fn needs_tick(&self) -> bool {
        !self.levels.is_at_rest() || self.buckets.len() > 0 || !self.leases.is_empty()
    }

    /// Lets time pass: `stamp` is the time of `node`, which proposed the entry.
    pub fn tick(&mut self, node: NodeId, stamp: Millis) {
        self.pass(node, stamp);
        self.end_silent_leases();
        self.forget(TICK_NOTES);
    }

    /// A node's process was started again: what an earlier run of it had leased is spent.
    pub fn node_up(&mut self, node: NodeId) {
        self.clock.forget(node);
        self.dirty.insert(Record::Levels);
        let keys = self.leases.keys().filter(|key| key.node == node);
        for key in keys.cloned().collect::<Vec<_>>() {
            self.drop_lease(&key);
        }
    }

    /// Replaces the configuration.
    ///
    /// # Errors
    /// [`Rejection::LimitVersion`] if it is not `expected` that is in force; [`Rejection::Limits`] if
    /// it is faulty. Nothing is changed then.
    pub fn set(
        &mut self,
        expected: u64,
        config: &LimitConfig,
        at: Millis,
    ) -> Result<(), Rejection> {
        let current = self.settings.version;
        if expected != current {
            return Err(Rejection::LimitVersion { expected, current });
        }
        let plan = Plan::new(config).map_err(|fault| Rejection::Limits(Box::new(fault)))?;
        self.levels = self.carried_over(&plan);
        for lease in self.leases.values() {
            lease.reserve(&plan, &mut self.levels);
        }
        let gone = self.buckets.retain(|each| plan.each.iter().any(|kept| kept.name == *each));
        self.dirty.extend(gone.into_iter().map(Record::Bucket));
        self.calls.recount(&plan);
        self.plan = Arc::new(plan);
        let version = current + 1;
        self.settings = Arc::new(Settings { version, set_at: at, config: config.clone() });
        self.dirty.extend([Record::Settings, Record::Levels]);
        Ok(())
    }

    /// What the classes of a new plan begin with: what they had, as far as there is room. A class that
    /// is new in a tree that is not begins with nothing, so that a change makes no tokens.
    fn carried_over(&self, plan: &Plan) -> Levels {
        let mut levels = Levels::full(plan);
        let mut is_new_tree = vec![true; plan.classes.len()];
        for (at, class) in plan.classes.iter().enumerate() {
            let old = self.plan.class_named(&class.name);
            let old = old.and_then(|at| Some((self.plan.classes.get(at)?, self.levels.level(at))));
            let tree_is_new = match class.parent {
                Some(parent) => is_new_tree.get(parent) == Some(&true),
                None => old.is_none(),
            };
            if let Some(mark) = is_new_tree.get_mut(at) {
                *mark = tree_is_new;
            }
            levels.level_mut(at, |level| match old {
                Some((planned, old)) => {
                    let ceiling = class.ceiling.map_or(0, |shape| shape.size);
                    let before = planned.ceiling.map_or(ceiling, |shape| shape.size);
                    *level = Level {
                        missing: short_of(class.size, planned.size, old.missing),
                        ceiling_missing: short_of(ceiling, before, old.ceiling_missing),
                        admitted: old.admitted,
                        marked: old.marked,
                        refused: old.refused,
                        ..Level::default()
                    };
                }
                None if !tree_is_new => level.missing = class.size,
                None => {}
            });
        }
        levels
    }

    /// Fills buckets: of a class and all beneath it, of a set, or all.
    ///
    /// # Errors
    /// [`Rejection::Limits`] if there is no such class or set.
    pub fn reset(&mut self, name: Option<&Name>) -> Result<(), Rejection> {
        let class = name.and_then(|name| self.plan.class_named(name));
        let each = |one: &Name| name.is_none_or(|name| name == one);
        let is_each = self.plan.each.iter().any(|set| Some(&set.name) == name);
        if let Some(name) = name
            && class.is_none()
            && !is_each
        {
            let fault = LimitFault::UnknownClass { class: name.clone() };
            return Err(Rejection::Limits(Box::new(fault)));
        }
        if !is_each {
            let plan = Arc::clone(&self.plan);
            self.levels.reset(&plan, class);
            self.dirty.insert(Record::Levels);
        }
        if class.is_none() {
            let gone = self.buckets.retain(|one| !each(one));
            self.dirty.extend(gone.into_iter().map(Record::Bucket));
        }
        Ok(())
    }

    pub(crate) const fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    pub(crate) const fn levels(&self) -> &Levels {
        &self.levels
    }

    pub(crate) const fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    pub(crate) const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Why a call may not go to its next target, if it may not.
    #[must_use]
    pub fn attempt(&self, record: &CallRecord, attempt: u16) -> Option<LimitRefusal> {
        let trunk_out = crate::calls::trunk_of(record, attempt);
        let request = Ask::of_record(record).request();
        if self.plan.is_emergency(request.called) {
            return None;
        }
        self.calls.refuses(&self.plan, record.call, &request, trunk_out.as_deref())
    }

    /// A call is up, or goes to another trunk.
    pub fn call_up(&mut self, record: &CallRecord) {
        self.calls.insert(&self.plan, record.call, UpCall::new(record));
    }

    /// A call is over.
    pub fn call_over(&mut self, call: CallId) {
        self.calls.remove(&self.plan, call);
    }

    fn pass(&mut self, node: NodeId, stamp: Millis) {
        let passed_ms = self.clock.advance(node, stamp);
        self.levels.fill(&self.plan, passed_ms, self.clock.now_ms());
        self.dirty.insert(Record::Levels);
    }

    fn forget(&mut self, notes: usize) {
        let now_ms = self.clock.now_ms();
        let gone = self.buckets.forget_full(&self.plan, now_ms, notes);
        self.dirty.extend(gone.into_iter().map(Record::Bucket));
        let gone = self.refusals.forget_old(now_ms);
        self.dirty.extend(gone.into_iter().map(Record::Refusal));
    }
}

/// What a bucket of `size` is short of when it holds what one of size `before` held.
const fn short_of(size: u64, before: u64, missing: u64) -> u64 {
    let overdrawn = missing.saturating_sub(before);
    let held = before.saturating_sub(missing);
    size.saturating_sub(held) + overdrawn
}

/// Notes of buckets that one tick looks at.
const TICK_NOTES: usize = 8_192;
