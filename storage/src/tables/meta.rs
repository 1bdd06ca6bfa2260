//! Table `meta`: what there is once per group.
//!
//! | key | value |
//! |---|---|
//! | group, `0x00` | applied mark: bytes of the Raft glue |
//! | group, `0x01` | membership: bytes of the Raft glue |
//! | group, `0x02` | [`holdline_model::ClusterRecord`] |
//! | group, `0x03` | [`holdline_model::RegistrarTotals`] |
//! | group, `0x04` | [`holdline_model::DisabledTrunks`] |
//! | group, `0x05` | [`holdline_model::CdrKeeping`] |
//! | group, `0x06` | [`holdline_model::Format`]; not there: the oldest |

use holdline_model::GroupId;

use crate::tables::Key;

/// The key of the applied mark.
pub(crate) fn applied_key(group: GroupId) -> Key {
    Key::new(group).u8(0)
}

/// The key of the membership.
pub(crate) fn membership_key(group: GroupId) -> Key {
    Key::new(group).u8(1)
}

/// The key of the cluster's record.
pub(crate) fn cluster_key(group: GroupId) -> Key {
    Key::new(group).u8(2)
}

/// The key of the number of users and bindings.
pub(crate) fn registrar_key(group: GroupId) -> Key {
    Key::new(group).u8(3)
}

/// The key of the disabled trunks.
pub(crate) fn disabled_trunks_key(group: GroupId) -> Key {
    Key::new(group).u8(4)
}

/// The key of how call detail records are kept.
pub(crate) fn cdr_keeping_key(group: GroupId) -> Key {
    Key::new(group).u8(5)
}

/// The key of the format.
pub(crate) fn format_key(group: GroupId) -> Key {
    Key::new(group).u8(6)
}
