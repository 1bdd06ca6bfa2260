//! Table `cdr_index`: where to find call detail records by time, tenant, number and Call-ID.
//!
//! It is no part of the replicated state: each node makes it from its own records, beside apply, a
//! lot at a time ([`build`]). What is not indexed yet is found by looking at it ([`search`]), so an
//! index that is behind, or was thrown away, costs time and nothing else.
//!
//! | key | value |
//! |---|---|
//! | group, `0x00` | [`Progress`] |
//! | group, `0x01`, ten seconds (u64) | the first record from which on calls end so late (index u64, position u32) |
//! | group, kind (u8), hash (6 bytes), index (6 bytes), position (u16) | a byte of the hash of each longer beginning |
//!
//! Numbers, names and Call-IDs are in it as keyed hashes only ([`terms`]). The entries of one term
//! lie in the order of the log, so a page is read from where the last one ended, and several terms
//! are intersected by leaping from one to the other.

mod build;
mod search;
mod terms;
#[cfg(test)]
mod tests;

use holdline_model::{CdrId, GroupId, Millis};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::engine::{Read, Table};
use crate::tables::{Key, StateError};

pub use build::{IndexState, Oldest};
pub(super) use build::{index, oldest};
pub(super) use search::search;

/// How far the index has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Tells whether the hashes were made with the present key, and as they are made today.
    fingerprint: u64,
    /// The first record that is not indexed.
    next: CdrId,
    /// The latest end of a call that was indexed.
    latest: Millis,
    /// By how much a call ended before an earlier record's, at most: clocks differ. In milliseconds.
    disorder_ms: u64,
}

/// What the index calls a stretch of time, in milliseconds.
const BUCKET_MS: u64 = 10_000;

const PROGRESS: u8 = 0;
const TIME: u8 = 1;

fn progress_key(group: GroupId) -> Key {
    Key::new(group).u8(PROGRESS)
}

/// The progress; `None` if nothing is indexed, or with another key.
fn progress(
    engine: &dyn Read,
    group: GroupId,
    fingerprint: u64,
) -> Result<Option<Progress>, StateError> {
    let key = progress_key(group);
    let Some(bytes) = engine.get(Table::CdrIndex, &key)? else { return Ok(None) };
    // What cannot be read was written by another version of the software: it is made anew.
    Ok(codec::decode::<Progress>(&bytes).ok().filter(|it| it.fingerprint == fingerprint))
}

fn time_key(group: GroupId, bucket: u64) -> Key {
    Key::new(group).u8(TIME).u64(bucket)
}

/// An id as it stands in values and keys of this table.
fn id_bytes(id: CdrId) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (index, position) = bytes.split_at_mut(8);
    index.copy_from_slice(&id.index.to_be_bytes());
    position.copy_from_slice(&id.position.to_be_bytes());
    bytes
}

fn id_from(bytes: &[u8]) -> Option<CdrId> {
    let (index, position) = bytes.split_first_chunk::<8>()?;
    let position = position.first_chunk::<4>().filter(|_| position.len() == 4)?;
    Some(CdrId { index: u64::from_be_bytes(*index), position: u32::from_be_bytes(*position) })
}

/// The first id after one.
pub(super) const fn successor(id: CdrId) -> CdrId {
    CdrId { index: id.index, position: id.position.saturating_add(1) }
}

/// An id that sorts before all others.
pub(super) const FIRST: CdrId = CdrId { index: 0, position: 0 };

/// An id that sorts after all others, and fits into a posting's key.
const LAST: CdrId = CdrId { index: (1 << 48) - 1, position: u16::MAX as u32 };

/// Whether a key is that of an entry about a record of a log entry before `index`.
pub(crate) fn is_index_entry_below(key: &[u8], index: u64) -> bool {
    key.get(2).is_some_and(|kind| *kind > TIME)
        && terms::id_of(key).is_some_and(|id| id.index < index)
}
