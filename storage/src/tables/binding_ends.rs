//! Table `binding_ends`: key group, time (u64), address of record as text; value the format version
//! alone. They lie in the order of time, which is the order in which bindings are swept.

use holdline_model::{Aor, GroupId, Millis};

use crate::codec::FORMAT_VERSION;
use crate::tables::Key;
use crate::tables::key::after_prefix;

/// The value: everything is in the key.
pub(super) const VALUE: [u8; 1] = [FORMAT_VERSION];

/// The key of a note.
pub(super) fn key(group: GroupId, at: Millis, aor: &Aor) -> Vec<u8> {
    let mut key = Key::new(group).u64(at.0).to_vec();
    key.extend_from_slice(aor.as_str().as_bytes());
    key
}

/// The key after all notes of `up_to` or before.
pub(super) fn end(group: GroupId, up_to: Millis) -> Vec<u8> {
    after_prefix(&Key::new(group).u64(up_to.0))
}

/// What a key says; `None` if it is not a key of this table.
pub(super) fn parse(key: &[u8]) -> Option<(Millis, Aor)> {
    let (_group, key) = key.split_first_chunk::<2>()?;
    let (at, aor) = key.split_first_chunk::<8>()?;
    let aor = std::str::from_utf8(aor).ok()?.parse().ok()?;
    Some((Millis(u64::from_be_bytes(*at)), aor))
}
