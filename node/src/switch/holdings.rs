//! Which slots this node acts for, compared with the replicated table. PURE.
//!
//! Invariant: it follows the table as it *is*, not the events that changed it. So a replayed, a
//! missed or a repeated event does no harm, nor does a snapshot that replaced many.

use std::collections::BTreeMap;

use holdline_model::{Epoch, NodeId, SlotId, SlotRecord, TransferReason};

/// The slots that this node acts for, with the epoch in which it does.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    slots: BTreeMap<SlotId, Epoch>,
}

/// What has to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Act for a slot from now on, in this epoch.
    Gained {
        /// Which slot.
        slot: SlotId,
        /// In which epoch.
        epoch: Epoch,
        /// Why it was given to us.
        reason: TransferReason,
    },
    /// Act for it no longer.
    Lost {
        /// Which slot.
        slot: SlotId,
    },
}

impl Holdings {
    /// Follows the table. `is_live` says that the table knows of this run of the process: what an
    /// earlier run owned is not ours until then.
    pub(crate) fn follow(
        &mut self,
        me: NodeId,
        is_live: bool,
        slots: &[SlotRecord],
    ) -> Vec<Change> {
        let ours = slots.iter().filter(|record| is_live && record.owner == me);
        let ours: BTreeMap<SlotId, &SlotRecord> =
            ours.map(|record| (record.slot, record)).collect();
        let mut changes = Vec::new();
        for slot in self.slots.keys().filter(|slot| !ours.contains_key(slot)) {
            changes.push(Change::Lost { slot: *slot });
        }
        for (slot, record) in &ours {
            if self.slots.get(slot) != Some(&record.epoch) {
                let reason = record.history.last().map_or(TransferReason::Formed, |s| s.reason);
                changes.push(Change::Gained { slot: *slot, epoch: record.epoch, reason });
            }
        }
        self.slots = ours.into_iter().map(|(slot, record)| (slot, record.epoch)).collect();
        changes
    }

    /// How many slots this node acts for.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: NodeId = NodeId(1);
    const OTHER: NodeId = NodeId(2);

    fn slot(slot: u16, owner: NodeId, epoch: u64) -> SlotRecord {
        let slot = SlotId(slot);
        SlotRecord { slot, home: ME, owner, epoch: Epoch(epoch), history: Vec::new(), origin: ME }
    }

    fn gained(slot: u16, epoch: u64) -> Change {
        let reason = TransferReason::Formed;
        Change::Gained { slot: SlotId(slot), epoch: Epoch(epoch), reason }
    }

    #[test]
    fn owns_nothing_until_the_table_knows_of_this_run() {
        let mut holdings = Holdings::default();
        assert_eq!(holdings.follow(ME, false, &[slot(0, ME, 1)]), []);
        assert_eq!(holdings.follow(ME, true, &[slot(0, ME, 2)]), [gained(0, 2)]);
    }

    #[test]
    fn says_each_change_once() {
        let mut holdings = Holdings::default();
        let table = [slot(0, ME, 1), slot(1, OTHER, 1)];
        assert_eq!(holdings.follow(ME, true, &table), [gained(0, 1)]);
        assert_eq!(holdings.follow(ME, true, &table), []);
        let table = [slot(0, OTHER, 2), slot(1, ME, 2)];
        assert_eq!(
            holdings.follow(ME, true, &table),
            [Change::Lost { slot: SlotId(0) }, gained(1, 2)]
        );
        assert_eq!(holdings.len(), 1);
    }

    #[test]
    fn a_new_epoch_of_an_own_slot_is_a_gain() {
        let mut holdings = Holdings::default();
        holdings.follow(ME, true, &[slot(0, ME, 1)]);
        assert_eq!(holdings.follow(ME, true, &[slot(0, ME, 3)]), [gained(0, 3)]);
    }

    #[test]
    fn loses_everything_when_another_run_took_its_place() {
        let mut holdings = Holdings::default();
        holdings.follow(ME, true, &[slot(0, ME, 1)]);
        let lost = [Change::Lost { slot: SlotId(0) }];
        assert_eq!(holdings.follow(ME, false, &[slot(0, ME, 2)]), lost);
    }
}
