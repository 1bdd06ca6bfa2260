//! Reads of the state outside apply: for takeovers, the API and health.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use holdline_limit::LimitTable;
use holdline_model::{
    Aor, CallId, CallRecord, Cdr, CdrId, CdrKeeping, ClusterRecord, DisabledTrunks, Format,
    LocationRecord, Millis, NodeId, NodeRecord, Phase, RegistrarTotals, SlotId, SlotRecord,
    State as _, UserRecord,
};

use crate::backup::{self, BackupError, Facts};
use crate::codec::decode_prefix;
use crate::engine::{Direction, KeyRange, Table};
use crate::tables::cache::{decode, scan, scan_by};
use crate::tables::calls::CallHead;
use crate::tables::query::{CallPage, CdrPage, CdrQuery, LocationPage, UserPage};
use crate::tables::registrar::{read_location, read_user};
use crate::tables::store::Shared;
use crate::tables::{
    CallCounts, IndexState, Oldest, StateBatch, StateError, calls, cdr_index, cdrs, group_range,
    locations, users,
};

/// Reads one group's state as it was last committed. Cheap to clone.
///
/// Each call sees one state of one table. Cluster, nodes and slots come from memory; what reads
/// calls or call detail records may block on the disk.
#[derive(Clone, Debug)]
pub struct StateReader {
    shared: Arc<Shared>,
}

impl StateReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The applied mark; `None` before the first entry was applied.
    pub fn applied(&self) -> Result<Option<Vec<u8>>, StateError> {
        self.shared.applied()
    }

    /// What the cluster was formed with; `None` before it was formed.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterRecord> {
        self.shared.cache().cluster.clone()
    }

    /// The trunks that are not to be called.
    #[must_use]
    pub fn disabled_trunks(&self) -> DisabledTrunks {
        self.shared.cache().disabled_trunks.clone()
    }

    /// One node.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<NodeRecord> {
        self.shared.cache().nodes.get(&node).cloned()
    }

    /// All nodes, by id.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeRecord> {
        self.shared.cache().nodes.values().cloned().collect()
    }

    /// One slot.
    #[must_use]
    pub fn slot(&self, slot: SlotId) -> Option<SlotRecord> {
        self.shared.cache().slots.get(&slot).cloned()
    }

    /// All slots, by id.
    #[must_use]
    pub fn slots(&self) -> Vec<SlotRecord> {
        self.shared.cache().slots.values().cloned().collect()
    }

    /// Looks at the limits and the calls that are up. Apply waits meanwhile: be quick.
    pub fn limits<T>(&self, look: impl FnOnce(&LimitTable) -> T) -> Result<T, StateError> {
        self.shared.limits(|table| look(table))
    }

    /// One call, up or finished and not yet swept.
    pub fn call(&self, call: CallId) -> Result<Option<CallRecord>, StateError> {
        if let Some(unwritten) = self.shared.unwritten().call(call) {
            return Ok(unwritten.cloned());
        }
        read_written_call(&self.shared, call)
    }

    /// Calls `visit` with each call of a slot, tombstones included, by id, until it breaks.
    pub fn for_each_call(
        &self,
        slot: SlotId,
        visit: impl FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        let (from, to) = calls::slot_range(self.shared.group, slot);
        scan(self.shared.engine()?, Table::Calls, &from, &to, visit)
    }

    /// All calls of a slot, tombstones included, by id.
    pub fn calls_of_slot(&self, slot: SlotId) -> Result<Vec<CallRecord>, StateError> {
        let mut calls = Vec::new();
        self.for_each_call(slot, |call| {
            calls.push(call);
            ControlFlow::Continue(())
        })?;
        Ok(calls)
    }

    /// Up to `limit` calls after the id `after`, tombstones included, by id.
    pub fn calls(&self, after: Option<CallId>, limit: usize) -> Result<CallPage, StateError> {
        let (from, to) = group_range(self.shared.group);
        let from = after.map_or(from, |call| successor(&calls::key(self.shared.group, call)));
        let mut page = CallPage::default();
        scan(self.shared.engine()?, Table::Calls, &from, &to, |call: CallRecord| {
            if page.calls.len() == limit {
                page.next = page.calls.last().map(|last| last.call).or(after);
                return ControlFlow::Break(());
            }
            page.calls.push(call);
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    /// One call detail record.
    pub fn cdr(&self, id: CdrId) -> Result<Option<Cdr>, StateError> {
        let key = cdrs::key(self.shared.group, id);
        let bytes = self.shared.engine()?.get(Table::Cdrs, &key)?;
        bytes.map(|bytes| decode(Table::Cdrs, &key, &bytes)).transpose()
    }

    /// A page of call detail records, in the order of the log.
    pub fn cdrs(&self, query: &CdrQuery) -> Result<CdrPage, StateError> {
        cdr_index::search(&self.shared, query)
    }

    /// The cluster's format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.shared.cache().format
    }

    /// How call detail records are kept.
    #[must_use]
    pub fn cdr_keeping(&self) -> CdrKeeping {
        self.shared.cache().keeping.clone()
    }

    /// Up to `limit` of the oldest call detail records that are still there: of calls that ended
    /// before `cutoff`, none after `last`.
    pub fn oldest_cdrs(
        &self,
        cutoff: Millis,
        last: Option<CdrId>,
        limit: usize,
    ) -> Result<Oldest, StateError> {
        cdr_index::oldest(&self.shared, cutoff, last, limit)
    }

    /// Makes the index of call detail records, by up to `limit` of them: for one task beside apply,
    /// again and again. Queries find what is not indexed yet by looking at it.
    pub fn index_cdrs(&self, limit: usize) -> Result<IndexState, StateError> {
        cdr_index::index(&self.shared, limit)
    }

    /// Gives back the room of purged call detail records. May take minutes; reads and writes go on.
    pub fn compact_cdrs(&self) -> Result<(), StateError> {
        let (from, to) = group_range(self.shared.group);
        let floor = cdrs::key(self.shared.group, self.cdr_keeping().floor);
        let engine = self.shared.engine_as_is();
        engine.compact(Table::Cdrs, KeyRange { from: &from, to: &floor })?;
        Ok(engine.compact(Table::CdrIndex, KeyRange { from: &from, to: &to })?)
    }

    /// Writes the whole state as a backup, in clear, as it is now; applying goes on meanwhile. Blocks
    /// on the disk and on `out`. How many records there were.
    ///
    /// # Errors
    /// [`BackupError::NoState`] before the cluster was formed; else what failed.
    pub fn back_up(&self, facts: Facts, out: &mut dyn Write) -> Result<u64, BackupError> {
        let facts = Facts { about_bytes: self.shared.engine_as_is().about_bytes(), ..facts };
        let engine = self.shared.engine();
        let engine = engine.map_err(|cause| BackupError::Unwritten { cause: Box::new(cause) })?;
        backup::save(engine, self.shared.group, facts, out)
    }

    /// One user.
    pub fn user(&self, aor: &Aor) -> Result<Option<UserRecord>, StateError> {
        read_user(&self.shared, aor)
    }

    /// Up to `limit` users after `after`, by address of record.
    pub fn users(&self, after: Option<&Aor>, limit: usize) -> Result<UserPage, StateError> {
        let (from, to) = group_range(self.shared.group);
        let from = after.map_or(from, |aor| successor(&users::key(self.shared.group, aor)));
        let mut page = UserPage::default();
        scan(self.shared.engine_as_is(), Table::Users, &from, &to, |user: UserRecord| {
            if page.users.len() == limit {
                page.next = page.users.last().map(|last| last.aor.clone());
                return ControlFlow::Break(());
            }
            page.users.push(user);
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    /// The bindings of one address of record, those that have ended and are not swept included.
    pub fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, StateError> {
        read_location(&self.shared, aor)
    }

    /// The bindings of up to `limit` addresses of record after `after`.
    pub fn locations(&self, after: Option<&Aor>, limit: usize) -> Result<LocationPage, StateError> {
        let (from, to) = group_range(self.shared.group);
        let from = after.map_or(from, |aor| successor(&locations::key(self.shared.group, aor)));
        let mut page = LocationPage::default();
        let engine = self.shared.engine_as_is();
        let range = KeyRange { from: &from, to: &to };
        scan_by(engine, Table::Locations, range, locations::decode, |location: LocationRecord| {
            if page.locations.len() == limit {
                page.next = page.locations.last().map(|last| last.aor.clone());
                return ControlFlow::Break(());
            }
            page.locations.push(location);
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    /// How many users and bindings there are.
    #[must_use]
    pub fn registrar_totals(&self) -> RegistrarTotals {
        self.shared.cache().totals
    }

    /// Whether any binding that has ended by `now` is still there.
    pub fn has_ended_bindings(&self, now: Millis) -> Result<bool, StateError> {
        Ok(!StateBatch::new(Arc::clone(&self.shared)).ended_bindings(now, 1)?.is_empty())
    }

    /// Whether any tombstone is due to be swept at `now`.
    pub fn has_expired(&self, now: Millis) -> Result<bool, StateError> {
        Ok(!StateBatch::new(Arc::clone(&self.shared)).expired(now, 1)?.is_empty())
    }

    /// How many calls each slot has. Reads the first bytes of every call: some 50 ms for 100,000
    /// calls, so not for every request.
    pub fn count_calls(&self) -> Result<BTreeMap<SlotId, CallCounts>, StateError> {
        let (from, to) = group_range(self.shared.group);
        let range = KeyRange { from: &from, to: &to };
        let mut counts = BTreeMap::<SlotId, CallCounts>::new();
        let mut failed = None;
        let engine = self.shared.engine()?;
        engine.scan(Table::Calls, range, Direction::Forward, &mut |key, value| {
            match decode_prefix::<CallHead>(value) {
                Ok(head) => counts.entry(head.call.slot).or_default().add(head.phase),
                Err(cause) => {
                    failed =
                        Some(StateError::Corrupt { table: Table::Calls, key: key.to_vec(), cause });
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(counts), Err)
    }
}

/// Reads a call that is not among what is unwritten.
pub(super) fn read_written_call(
    shared: &Shared,
    call: CallId,
) -> Result<Option<CallRecord>, StateError> {
    let key = calls::key(shared.group, call);
    let bytes = shared.engine_as_is().get(Table::Calls, &key)?;
    bytes.map(|bytes| decode(Table::Calls, &key, &bytes)).transpose()
}

/// How far a call has come, as last committed: what follows in the record is not decoded.
pub(super) fn read_phase(shared: &Shared, call: CallId) -> Result<Option<Phase>, StateError> {
    if let Some(unwritten) = shared.unwritten().phase(call) {
        return Ok(unwritten);
    }
    let key = calls::key(shared.group, call);
    let Some(bytes) = shared.engine_as_is().get(Table::Calls, &key)? else { return Ok(None) };
    match decode_prefix::<CallHead>(&bytes) {
        Ok(head) => Ok(Some(head.phase)),
        Err(cause) => Err(StateError::Corrupt { table: Table::Calls, key: key.to_vec(), cause }),
    }
}

/// The smallest key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}
