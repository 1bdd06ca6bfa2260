//! Table `cdrs`: key group, index (u64), position (u32); value [`holdline_model::Cdr`]. They lie in
//! the order of the log, so that a cursor is an id.

use holdline_model::{CdrId, GroupId};

use crate::tables::Key;

/// A call detail record's key.
pub(super) fn key(group: GroupId, id: CdrId) -> Key {
    Key::new(group).u64(id.index).u32(id.position)
}
