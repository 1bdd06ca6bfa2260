//! Keys: short, on the stack, each starting with the group.

use std::ops::Deref;

use holdline_model::GroupId;

/// The longest key: group, time, slot, nonce.
const CAPACITY: usize = 2 + 8 + 2 + 8;

/// A key under construction, then a slice of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Key {
    /// The key that sorts before all others of the group.
    pub(crate) fn new(group: GroupId) -> Self {
        Self { bytes: [0; CAPACITY], len: 0 }.u16(group.0)
    }

    pub(crate) fn u8(self, value: u8) -> Self {
        self.push([value])
    }

    pub(crate) fn u16(self, value: u16) -> Self {
        self.push(value.to_be_bytes())
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.push(value.to_be_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.push(value.to_be_bytes())
    }

    fn push<const N: usize>(mut self, part: [u8; N]) -> Self {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + N) {
            room.copy_from_slice(&part);
            self.len += N;
        } else {
            debug_assert!(false, "CAPACITY is the longest key of all tables");
        }
        self
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl From<Key> for Vec<u8> {
    fn from(key: Key) -> Self {
        key.to_vec()
    }
}

/// The keys of a group: from the first, inclusive, to the second, exclusive.
pub(crate) fn group_range(group: GroupId) -> (Vec<u8>, Vec<u8>) {
    let from = Key::new(group).to_vec();
    let to = after_prefix(&from);
    (from, to)
}

/// The first key after all those that begin with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut to = prefix.to_vec();
    while let Some(last) = to.pop() {
        if let Some(next) = last.checked_add(1) {
            to.push(next);
            return to;
        }
    }
    // Only a prefix of 0xff bytes has no successor of its own length; no key is longer than this.
    vec![0xff; CAPACITY + 1]
}

/// Reads a key from its end to its beginning: the opposite of building one.
pub(crate) fn split_u64(key: &[u8]) -> Option<(&[u8], u64)> {
    let (rest, last) = key.split_last_chunk::<8>()?;
    Some((rest, u64::from_be_bytes(*last)))
}

/// As [`split_u64`], for a slot.
pub(crate) fn split_u16(key: &[u8]) -> Option<(&[u8], u16)> {
    let (rest, last) = key.split_last_chunk::<2>()?;
    Some((rest, u16::from_be_bytes(*last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian_after_the_group() {
        let key = Key::new(GroupId(0x0102)).u8(3).u16(0x0405).u32(0x0607_0809).u64(10);
        let expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0, 10];
        assert_eq!(&*key, &expected);
    }

    #[test]
    fn the_range_of_a_group_ends_where_the_next_begins() {
        assert_eq!(group_range(GroupId(0x01ff)), (vec![1, 0xff], vec![2]));
        assert_eq!(group_range(GroupId(7)), (vec![0, 7], vec![0, 8]));
        let (from, to) = group_range(GroupId(u16::MAX));
        assert!(from < to && *Key::new(GroupId(u16::MAX)).u64(u64::MAX).u64(u64::MAX) < *to);
    }
}
