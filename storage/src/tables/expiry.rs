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

/// Where the notes begin: no stored note sorts before it.
///
/// Notes that were removed stay in the engine as marks until it compacts them away. A scan from the
/// group's first key would step over the marks of all calls that ended lately, once a second.
#[derive(Debug, Default)]
pub(super) struct Floor(Option<(Millis, CallId)>);

impl Floor {
    /// Where a scan of the notes begins.
    pub(super) fn key(&self, group: GroupId) -> Key {
        self.0.map_or_else(|| Key::new(group), |(at, call)| key(group, at, call))
    }

    /// A note is about to be written.
    pub(super) fn lower(&mut self, note: (Millis, CallId)) {
        self.0 = self.0.map(|floor| floor.min(note));
    }

    /// Whoever applies has found no note before this one.
    pub(super) fn raise(&mut self, first: (Millis, CallId)) {
        self.0 = Some(first);
    }

    /// The state was replaced: nothing is known of it.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// The place after all notes of `up_to` or before.
pub(super) fn after(up_to: Millis) -> (Millis, CallId) {
    (up_to.plus_ms(1), CallId { slot: SlotId(0), nonce: 0 })
}

/// What a key says; `None` if it is not a key of this table.
pub(super) fn parse(key: &[u8]) -> Option<(Millis, CallId)> {
    let (key, nonce) = split_u64(key)?;
    let (key, slot) = split_u16(key)?;
    let (group, at) = split_u64(key)?;
    (group.len() == 2).then_some((Millis(at), CallId { slot: SlotId(slot), nonce }))
}
