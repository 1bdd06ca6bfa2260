//! Table `expiry`: key group, time (u64), slot (u16), nonce (u64); value the format version alone.
//! They lie in the order of time, which is the order in which tombstones are swept.

use holdline_model::{CallId, GroupId, Millis, SlotId};

use crate::codec::FORMAT_VERSION;
use crate::tables::Key;
use crate::tables::key::{split_u16, split_u64};

/// The value: everything is in the key.
pub(super) const VALUE: [u8; 1] = [FORMAT_VERSION];

/// The key of a note.
pub(super) fn key(group: GroupId, at: Millis, call: CallId) -> Key {
    Key::new(group).u64(at.0).u16(call.slot.0).u64(call.nonce)
}

/// The key after all notes of `up_to` or before.
pub(super) fn end(group: GroupId, up_to: Millis) -> Vec<u8> {
    crate::tables::key::after_prefix(&Key::new(group).u64(up_to.0))
}

/// What a key says; `None` if it is not a key of this table.
pub(super) fn parse(key: &[u8]) -> Option<(Millis, CallId)> {
    let (key, nonce) = split_u64(key)?;
    let (key, slot) = split_u16(key)?;
    let (group, at) = split_u64(key)?;
    (group.len() == 2).then_some((Millis(at), CallId { slot: SlotId(slot), nonce }))
}
