//! Table `calls`: key group, slot (u16), nonce (u64); value [`holdline_model::CallRecord`]. The
//! calls of a slot lie side by side, since a takeover reads them all.

use holdline_model::{CallId, Epoch, GroupId, Phase, SlotId, Step};
use serde::Deserialize;

use crate::tables::Key;
use crate::tables::key::after_prefix;

/// A call's key.
pub(super) fn key(group: GroupId, call: CallId) -> Key {
    Key::new(group).u16(call.slot.0).u64(call.nonce)
}

/// The keys of a slot's calls: from the first, inclusive, to the second, exclusive.
pub(super) fn slot_range(group: GroupId, slot: SlotId) -> (Vec<u8>, Vec<u8>) {
    let from = Key::new(group).u16(slot.0).to_vec();
    let to = after_prefix(&from);
    (from, to)
}

/// How many calls a slot has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Calls that nobody has answered yet.
    pub inviting: u64,
    /// Answered calls.
    pub answered: u64,
    /// Tombstones.
    pub finished: u64,
}

impl CallCounts {
    /// Calls that are up: all but tombstones.
    #[must_use]
    pub const fn up(&self) -> u64 {
        self.inviting + self.answered
    }

    pub(super) const fn add(&mut self, phase: Phase) {
        match phase {
            Phase::Inviting => self.inviting += 1,
            Phase::Answered | Phase::Confirmed => self.answered += 1,
            Phase::Finished => self.finished += 1,
        }
    }
}

/// The first fields of a `CallRecord`: enough to count calls, at a tenth of the price.
#[derive(Deserialize)]
pub(super) struct CallHead {
    pub(super) call: CallId,
    #[expect(dead_code, reason = "lies between the fields that are wanted")]
    step: Step,
    #[expect(dead_code, reason = "lies between the fields that are wanted")]
    epoch: Epoch,
    #[expect(dead_code, reason = "lies between the fields that are wanted")]
    admit_epoch: Epoch,
    pub(super) phase: Phase,
}
