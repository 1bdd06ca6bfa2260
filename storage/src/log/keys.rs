//! Keys of the log and of the hard state, and the purge mark.

use bytes::Bytes;
use holdline_model::GroupId;
use serde::{Deserialize, Serialize};

use crate::tables::Key;

/// What was purged last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// The last entry removed.
    pub index: u64,
    /// What the Raft glue keeps of that entry (its log id).
    pub mark: Bytes,
}

/// An entry's key.
pub(super) fn entry_key(group: GroupId, index: u64) -> Key {
    Key::new(group).u64(index)
}

/// The key of the vote.
pub(super) fn vote_key(group: GroupId) -> Key {
    Key::new(group).u8(0)
}

/// The key of the committed mark.
pub(super) fn committed_key(group: GroupId) -> Key {
    Key::new(group).u8(1)
}

/// The key of the purge mark.
pub(super) fn purged_key(group: GroupId) -> Key {
    Key::new(group).u8(2)
}

/// The key of the mark of a running installation.
pub(crate) fn installing_key(group: GroupId) -> Key {
    Key::new(group).u8(3)
}

/// The key of the number of the last synced write.
pub(super) fn synced_key(group: GroupId) -> Key {
    Key::new(group).u8(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pinned() {
        let group = GroupId(0x0102);
        assert_eq!(&*entry_key(group, 3), &[1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(&*vote_key(group), &[1, 2, 0]);
        assert_eq!(&*committed_key(group), &[1, 2, 1]);
        assert_eq!(&*purged_key(group), &[1, 2, 2]);
        assert_eq!(&*installing_key(group), &[1, 2, 3]);
        assert_eq!(&*synced_key(group), &[1, 2, 4]);
    }

    #[test]
    fn the_purge_mark_has_golden_bytes() {
        let purged = Purged { index: 300, mark: Bytes::from_static(b"ab") };
        let bytes = crate::codec::encode(&purged).unwrap();
        assert_eq!(bytes, [2, 251, 0x2c, 1, 2, b'a', b'b']);
        assert_eq!(crate::codec::decode::<Purged>(&bytes).unwrap(), purged);
    }
}
