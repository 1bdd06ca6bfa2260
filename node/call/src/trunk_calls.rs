//! How many calls each trunk has: of the calls that an engine owns, those that are up or being set
//! up, by the trunk that is tried or that answered.

use std::collections::BTreeMap;

use holdline_model::{CallRecord, Name, Phase};

/// Calls by trunk.
///
/// Invariant: the sum of the counts is the number of known calls that are not finished and have a
/// target.
#[derive(Debug, Default)]
pub(crate) struct TrunkCalls {
    /// Without trunks that have none; bounded by the trunks that calls name.
    counts: BTreeMap<Name, u64>,
    has_changed: bool,
}

/// Where a call counts: at which of its targets, unless it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    attempt: u16,
    is_up: bool,
}

impl TrunkCalls {
    pub(crate) fn place(record: &CallRecord) -> Place {
        Place { attempt: record.attempt, is_up: record.phase != Phase::Finished }
    }

    pub(crate) fn add(&mut self, record: &CallRecord) {
        self.count(record, Self::place(record), 1);
    }

    pub(crate) fn remove(&mut self, record: &CallRecord) {
        self.count(record, Self::place(record), -1);
    }

    /// A call may have gone on since it was at `before`.
    pub(crate) fn moved(&mut self, before: Place, record: &CallRecord) {
        let after = Self::place(record);
        if before != after {
            self.count(record, before, -1);
            self.count(record, after, 1);
        }
    }

    /// The counts, if they have changed since they were asked for last.
    pub(crate) fn take_changed(&mut self) -> Option<&BTreeMap<Name, u64>> {
        std::mem::take(&mut self.has_changed).then_some(&self.counts)
    }

    fn count(&mut self, record: &CallRecord, at: Place, by: i64) {
        let Some(target) = record.targets.get(usize::from(at.attempt)).filter(|_| at.is_up) else {
            return;
        };
        self.has_changed = true;
        let count = self.counts.entry(target.trunk.clone()).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            self.counts.remove(&target.trunk);
        }
    }
}
