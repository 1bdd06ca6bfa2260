//! Table `slots`: key group, slot (u16); value [`holdline_model::SlotRecord`].

use holdline_model::{GroupId, SlotId};

use crate::tables::Key;

/// A slot's key.
pub(super) fn key(group: GroupId, slot: SlotId) -> Key {
    Key::new(group).u16(slot.0)
}
