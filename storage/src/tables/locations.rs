//! Table `locations`: key group, address of record as text; value
//! [`holdline_model::LocationRecord`].

use holdline_model::{Aor, GroupId};

use crate::tables::users;

/// The key of an address's bindings.
pub(super) fn key(group: GroupId, aor: &Aor) -> Vec<u8> {
    users::key(group, aor)
}
