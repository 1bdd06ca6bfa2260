//! Table `users`: key group, address of record as text; value [`holdline_model::UserRecord`].

use holdline_model::{Aor, GroupId};

use crate::tables::Key;

/// A user's key. A group's keys sort as the addresses do, as texts.
pub(super) fn key(group: GroupId, aor: &Aor) -> Vec<u8> {
    let mut key = Key::new(group).to_vec();
    key.extend_from_slice(aor.as_str().as_bytes());
    key
}
