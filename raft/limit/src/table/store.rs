//! What is written, and how a table is made from it again.

use std::sync::Arc;

use holdline_model::limit::LimitFault;
use holdline_model::{CallRecord, Phase};

use super::LimitTable;
use crate::change::{Change, Record};
use crate::plan::Plan;

impl LimitTable {
    /// What has to be written since this was last asked: the record's value, or `None` if it is gone.
    pub fn take_changes(&mut self) -> Vec<(Record, Option<Change>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|record| (self.value(&record), record)).map(|(v, r)| (r, v)).collect()
    }

    /// Whether anything has to be written.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn value(&self, record: &Record) -> Option<Change> {
        Some(match record {
            Record::Settings => Change::Settings(Box::new((*self.settings).clone())),
            Record::Levels => Change::Levels(self.clock.clone(), self.levels.clone()),
            Record::Bucket(key) => {
                let (bucket, note_ms) = self.buckets.stored(key)?;
                Change::Bucket(key.clone(), bucket, note_ms)
            }
            Record::Lease(key) => Change::Lease(key.clone(), self.leases.get(key)?.clone()),
            Record::Refusal(key) => Change::Refusal(*key, self.refusals.stored(*key)?),
        })
    }

    /// A table from what was written, in any order, and the calls that are stored.
    ///
    /// # Errors
    /// If the stored configuration is faulty: another version of the software wrote it.
    pub fn restore(stored: impl IntoIterator<Item = Change>) -> Result<Self, LimitFault> {
        let mut table = Self::default();
        let mut refusals = Vec::new();
        for change in stored {
            match change {
                Change::Settings(settings) => {
                    table.plan = Arc::new(Plan::new(&settings.config)?);
                    table.settings = Arc::from(settings);
                }
                Change::Levels(clock, levels) => (table.clock, table.levels) = (clock, levels),
                Change::Bucket(key, bucket, note_ms) => {
                    table.buckets.restore(key, bucket, note_ms);
                }
                Change::Lease(key, lease) => {
                    table.leases.insert(key, lease);
                }
                Change::Refusal(key, refused) => refusals.push((key, refused)),
            }
        }
        table.refusals.restore(refusals);
        table.levels.classes.resize(table.plan.classes.len(), Default::default());
        Ok(table)
    }

    /// A stored call is read while a table is restored.
    pub fn restore_call(&mut self, record: &CallRecord) {
        if record.phase != Phase::Finished {
            self.call_up(record);
        }
    }
}
