//! Blocks and records as bytes. See the module's documentation for the layout.

use crate::engine::Table;

/// The first bytes of a file; the last one is the format's version.
pub(super) const MAGIC: &[u8; 8] = b"HLSNAP\0\x01";

/// A block is closed when it has reached this size.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;

/// The largest block: a full one and one more record.
pub(crate) const MAX_BLOCK_BYTES: usize =
    BLOCK_BYTES + crate::codec::MAX_RECORD_BYTES + RECORD_OVERHEAD + u16::MAX as usize;

/// Kind and length before a payload.
pub(super) const BLOCK_HEAD: usize = 5;

/// The checksum after a payload.
pub(super) const BLOCK_TAIL: usize = 4;

const RECORD_OVERHEAD: usize = 1 + 2 + 4;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// The header, once, first.
    Header,
    /// Records.
    Records,
    /// The footer, once, last.
    Footer,
}

impl BlockKind {
    pub(super) const fn ordinal(self) -> u8 {
        match self {
            Self::Header => 1,
            Self::Records => 2,
            Self::Footer => 3,
        }
    }

    pub(super) const fn from_ordinal(ordinal: u8) -> Option<Self> {
        match ordinal {
            1 => Some(Self::Header),
            2 => Some(Self::Records),
            3 => Some(Self::Footer),
            _ => None,
        }
    }
}

/// Counts of records by table ordinal; the footer is their encoding.
pub(super) type Counts = [u64; Table::ALL.len()];

/// Appends a record; `None` if its key or value is longer than the format allows.
pub(crate) fn push_record(out: &mut Vec<u8>, table: Table, key: &[u8], value: &[u8]) -> Option<()> {
    let key_len = u16::try_from(key.len()).ok()?;
    let value_len = u32::try_from(value.len()).ok()?;
    if value.len() > crate::codec::MAX_RECORD_BYTES {
        return None;
    }
    out.push(table.ordinal());
    out.extend_from_slice(&key_len.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(&value_len.to_le_bytes());
    out.extend_from_slice(value);
    Some(())
}

/// A record of a block.
pub(crate) struct Record<'a> {
    pub(crate) table: Table,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// Takes the first record off a block; `None` if it is malformed.
pub(crate) fn pop_record<'a>(block: &mut &'a [u8]) -> Option<Record<'a>> {
    let (table, rest) = block.split_first()?;
    let table = Table::from_ordinal(*table).filter(|table| Table::STATE.contains(table))?;
    let (key_len, rest) = rest.split_first_chunk::<2>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_len)))?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let value_len = usize::try_from(u32::from_le_bytes(*value_len)).ok()?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    *block = rest;
    Some(Record { table, key, value })
}
