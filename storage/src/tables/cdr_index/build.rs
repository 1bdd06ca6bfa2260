//! Makes the index, a lot of records at a time, beside apply.

use std::ops::ControlFlow;

use holdline_model::{Cdr, CdrId, Millis};

use super::terms::Hash;
use super::{FIRST, Progress, id_bytes, progress, progress_key, successor, time_key};
use crate::codec;
use crate::engine::{Batch, Durability, Table};
use crate::tables::cache::scan;
use crate::tables::store::Shared;
use crate::tables::{StateError, cdrs, group_range};

/// Records whose entries are written together. Each has some twenty: a batch of many records outgrows what
/// the allocator keeps, and finding memory for it anew costs more than what is in it.
const WRITTEN_TOGETHER: usize = 32;

/// How the index stands after a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexState {
    /// Records that were indexed.
    pub indexed: usize,
    /// Whether there may be more to index.
    pub more: bool,
}

/// The oldest records that are old enough to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The first that stays.
    pub before: CdrId,
    /// How many go.
    pub records: u32,
}

/// Indexes up to `limit` records that are not indexed yet.
pub(crate) fn index(shared: &Shared, limit: usize) -> Result<IndexState, StateError> {
    // Neither another lot nor the installation of a snapshot meanwhile.
    let _turn = shared.indexing();
    let mut all = IndexState { indexed: 0, more: true };
    while all.more && all.indexed < limit {
        let lot = index_lot(shared, (limit - all.indexed).min(WRITTEN_TOGETHER))?;
        all = IndexState { indexed: all.indexed + lot.indexed, more: lot.more };
    }
    Ok(all)
}

fn index_lot(shared: &Shared, limit: usize) -> Result<IndexState, StateError> {
    // What is not written yet is for the next time: apply would wait for this thread, which yields to all.
    let (engine, group) = (shared.engine_as_is(), shared.group);
    let hash = Hash::new(group, engine.index_key());
    let fingerprint = hash.fingerprint();
    let known = progress(engine, group, fingerprint)?;
    let mut batch = Batch::new();
    if known.is_none() {
        let (from, to) = group_range(group);
        batch.delete_range(Table::CdrIndex, from, to);
    }
    let floor = shared.cache().keeping.floor;
    engine.set_cdr_floor(group, floor.index);
    let begun = Progress { fingerprint, next: FIRST, latest: Millis(0), disorder_ms: 0 };
    let mut at = known.unwrap_or(begun);
    at.next = at.next.max(floor);
    let (_, to) = group_range(group);
    let mut state = IndexState { indexed: 0, more: false };
    scan(engine, Table::Cdrs, &cdrs::key(group, at.next), &to, |cdr: Cdr| {
        if state.indexed == limit {
            state.more = true;
            return ControlFlow::Break(());
        }
        state.indexed += 1;
        let bucket = at.note(&cdr);
        if let Some(bucket) = bucket {
            batch.put(Table::CdrIndex, time_key(group, bucket), id_bytes(cdr.id).to_vec());
        }
        hash.of(&cdr, |term, hints| {
            batch.put(Table::CdrIndex, term.entry(cdr.id), hints.to_vec());
        });
        ControlFlow::Continue(())
    })?;
    if state.indexed == 0 && known.is_some() {
        return Ok(state);
    }
    let record =
        codec::encode(&at).map_err(|cause| StateError::Encode { table: Table::CdrIndex, cause })?;
    batch.put(Table::CdrIndex, progress_key(group), record);
    engine.write(batch, Durability::State)?;
    Ok(state)
}

/// Up to `limit` of the oldest records, all of calls that ended before `cutoff`, none after `last`.
pub(crate) fn oldest(
    shared: &Shared,
    cutoff: Millis,
    last: Option<CdrId>,
    limit: usize,
) -> Result<Oldest, StateError> {
    let (engine, group) = (shared.engine()?, shared.group);
    let floor = shared.cache().keeping.floor;
    let (_, to) = group_range(group);
    let mut oldest = Oldest { before: floor, records: 0 };
    let mut left = limit;
    scan(engine, Table::Cdrs, &cdrs::key(group, floor), &to, |cdr: Cdr| {
        if left == 0 || cdr.ended_at >= cutoff || last.is_some_and(|last| cdr.id > last) {
            return ControlFlow::Break(());
        }
        left -= 1;
        oldest = Oldest { before: successor(cdr.id), records: oldest.records + 1 };
        ControlFlow::Continue(())
    })?;
    Ok(oldest)
}

impl Progress {
    /// Takes a record in; the stretch of time that begins with it, if one does.
    fn note(&mut self, cdr: &Cdr) -> Option<u64> {
        let is_first = self.latest == Millis(0);
        let before = self.latest.0 / super::BUCKET_MS;
        self.next = successor(cdr.id);
        self.disorder_ms = self.disorder_ms.max(self.latest.since(cdr.ended_at));
        self.latest = self.latest.max(cdr.ended_at);
        let now = self.latest.0 / super::BUCKET_MS;
        (is_first || now > before).then_some(now)
    }
}
