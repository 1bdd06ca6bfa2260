//! The tables as `apply` sees them: the committed state under the writes of one batch.
//!
//! A batch carries the writes of many commands. Records are kept decoded until the end, so that
//! one written several times is encoded once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use holdline_limit::{LimitState, LimitTable};
use holdline_model::{
    Aor, CallId, CallRecord, Cdr, CdrId, CdrKeeping, ClusterRecord, DisabledTrunks, Format,
    LocationRecord, Millis, NodeId, NodeRecord, Phase, RegistrarTotals, SlotId, SlotRecord, State,
    UserRecord,
};
use serde::Serialize;

use crate::codec;
use crate::engine::{Batch, Direction, KeyRange, Table};
use crate::tables::reader::{read_phase, read_written_call};
use crate::tables::registrar::RegistrarWrites;
use crate::tables::store::Shared;
use crate::tables::unwritten::Writes;
use crate::tables::{StateError, cdrs, expiry, group_range, membership_key, meta, nodes, slots};

/// Writes not yet committed, over the committed state. Dropped without [`StateBatch::commit`], it
/// leaves no trace.
#[derive(Debug)]
pub struct StateBatch {
    shared: Arc<Shared>,
    cluster: Option<ClusterRecord>,
    disabled_trunks: Option<DisabledTrunks>,
    membership: Option<Bytes>,
    nodes: BTreeMap<NodeId, NodeRecord>,
    slots: BTreeMap<SlotId, SlotRecord>,
    /// What need not be written with the commit.
    writes: Writes,
    keeping: Option<CdrKeeping>,
    format: Option<Format>,
    /// Stored records before this one go.
    purge: Option<CdrId>,
    /// No stored note sorts before this one, as the first scan has found.
    first_note: OnceLock<(Millis, CallId)>,
    registrar: RegistrarWrites,
    /// The limits were changed, or looked at, and not yet written.
    limits_touched: bool,
}

impl StateBatch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            cluster: None,
            disabled_trunks: None,
            membership: None,
            nodes: BTreeMap::new(),
            slots: BTreeMap::new(),
            writes: Writes::default(),
            keeping: None,
            format: None,
            purge: None,
            first_note: OnceLock::new(),
            registrar: RegistrarWrites::default(),
            limits_touched: false,
        }
    }

    /// Writes the membership: bytes of the Raft glue.
    pub fn put_membership(&mut self, membership: &[u8]) {
        self.membership = Some(Bytes::copy_from_slice(membership));
    }

    /// Commits everything in the batch and the applied mark (bytes of the Raft glue) as one. It is
    /// durable after the next flush of the state; readers see it when this returns.
    ///
    /// # Errors
    /// All are fatal: after [`StateError::Engine`] it is unknown whether the batch was written.
    pub fn commit(mut self, applied: &[u8]) -> Result<(), StateError> {
        if self.limits_touched {
            self.writes.limits =
                self.shared.limits(LimitTable::take_changes)?.into_iter().collect();
        }
        metrics::counter!("holdline_cdrs_written_total").increment(self.writes.cdrs.len() as u64);
        self.move_floor();
        let urgent = self.urgent()?;
        let is_urgent = !urgent.is_empty();
        let mut unwritten = self.shared.unwritten();
        unwritten.check()?;
        if let Some(before) = self.purge {
            unwritten.purge(before);
        }
        unwritten.add(std::mem::take(&mut self.writes), applied);
        if is_urgent || unwritten.is_full() {
            self.shared.write(&mut unwritten, urgent)?;
        }
        drop(unwritten);
        self.limits_touched = false;
        if is_urgent {
            self.cache();
        }
        Ok(())
    }

    /// Takes what was written into the memory of it.
    fn cache(&mut self) {
        let mut cache = self.shared.cache_mut();
        cache.totals = self.registrar.totals.unwrap_or(cache.totals);
        cache.format = self.format.unwrap_or(cache.format);
        if let Some(disabled) = self.disabled_trunks.take() {
            cache.disabled_trunks = disabled;
        }
        if let Some(keeping) = self.keeping.take() {
            cache.keeping = keeping;
        }
        if self.cluster.is_some() {
            cache.cluster = self.cluster.take();
        }
        cache.nodes.append(&mut self.nodes);
        cache.slots.append(&mut self.slots);
    }

    /// Before the write: a reader that looks meanwhile must not begin after a note that it brings.
    fn move_floor(&self) {
        let added =
            self.writes.expiry.iter().filter(|(_, present)| **present).map(|(note, _)| *note).min();
        if self.first_note.get().is_none() && added.is_none() {
            return;
        }
        let mut floor = self.shared.floor();
        if let Some(first) = self.first_note.get() {
            floor.raise(*first);
        }
        if let Some(added) = added {
            floor.lower(added);
        }
    }

    /// What is written at once: readers look for it in memory, or in the engine as it is.
    fn urgent(&self) -> Result<Batch, StateError> {
        let group = self.shared.group;
        let mut batch = Batch::new();
        for (node, record) in &self.nodes {
            put(&mut batch, Table::Nodes, nodes::key(group, *node), record)?;
        }
        for (slot, record) in &self.slots {
            put(&mut batch, Table::Slots, slots::key(group, *slot), record)?;
        }
        if let Some(before) = self.purge {
            let (from, _) = group_range(group);
            batch.delete_range(Table::Cdrs, from, cdrs::key(group, before));
        }
        self.registrar.encode(&self.shared, &mut batch)?;
        if let Some(record) = &self.cluster {
            put(&mut batch, Table::Meta, meta::cluster_key(group), record)?;
        }
        if let Some(record) = &self.disabled_trunks {
            put(&mut batch, Table::Meta, meta::disabled_trunks_key(group), record)?;
        }
        if let Some(record) = &self.keeping {
            put(&mut batch, Table::Meta, meta::cdr_keeping_key(group), record)?;
        }
        if let Some(format) = &self.format {
            put(&mut batch, Table::Meta, meta::format_key(group), format)?;
        }
        if let Some(membership) = &self.membership {
            batch.put(Table::Meta, membership_key(group), membership.clone());
        }
        Ok(batch)
    }
}

impl State for StateBatch {
    type Error = StateError;

    fn cluster(&self) -> Result<Option<ClusterRecord>, StateError> {
        Ok(self.cluster.clone().or_else(|| self.shared.cache().cluster.clone()))
    }

    fn put_cluster(&mut self, record: &ClusterRecord) -> Result<(), StateError> {
        self.cluster = Some(record.clone());
        Ok(())
    }

    fn disabled_trunks(&self) -> Result<DisabledTrunks, StateError> {
        let written = self.disabled_trunks.clone();
        Ok(written.unwrap_or_else(|| self.shared.cache().disabled_trunks.clone()))
    }

    fn put_disabled_trunks(&mut self, record: &DisabledTrunks) -> Result<(), StateError> {
        self.disabled_trunks = Some(record.clone());
        Ok(())
    }

    fn node(&self, node: NodeId) -> Result<Option<NodeRecord>, StateError> {
        let written = self.nodes.get(&node).cloned();
        Ok(written.or_else(|| self.shared.cache().nodes.get(&node).cloned()))
    }

    fn nodes(&self) -> Result<Vec<NodeRecord>, StateError> {
        Ok(merge(&self.shared.cache().nodes, &self.nodes))
    }

    fn put_node(&mut self, record: &NodeRecord) -> Result<(), StateError> {
        self.nodes.insert(record.node, record.clone());
        Ok(())
    }

    fn slot(&self, slot: SlotId) -> Result<Option<SlotRecord>, StateError> {
        let written = self.slots.get(&slot).cloned();
        Ok(written.or_else(|| self.shared.cache().slots.get(&slot).cloned()))
    }

    fn slots(&self) -> Result<Vec<SlotRecord>, StateError> {
        Ok(merge(&self.shared.cache().slots, &self.slots))
    }

    fn put_slot(&mut self, record: &SlotRecord) -> Result<(), StateError> {
        self.slots.insert(record.slot, record.clone());
        Ok(())
    }

    fn call(&self, call: CallId) -> Result<Option<CallRecord>, StateError> {
        if let Some(written) = self.writes.calls.get(&call) {
            return Ok(written.as_deref().cloned());
        }
        if let Some(unwritten) = self.shared.unwritten().call(call) {
            return Ok(unwritten.cloned());
        }
        match self.shared.recent().take(call) {
            Some(recent) => Ok(Some(*recent)),
            None => read_written_call(&self.shared, call),
        }
    }

    fn phase(&self, call: CallId) -> Result<Option<Phase>, StateError> {
        match self.writes.calls.get(&call) {
            Some(written) => Ok(written.as_ref().map(|record| record.phase)),
            None => read_phase(&self.shared, call),
        }
    }

    fn put_call(&mut self, record: CallRecord) -> Result<(), StateError> {
        self.writes.calls.insert(record.call, Some(Box::new(record)));
        Ok(())
    }

    fn delete_call(&mut self, call: CallId) -> Result<(), StateError> {
        self.writes.calls.insert(call, None);
        Ok(())
    }

    fn put_cdr(&mut self, cdr: &Cdr) -> Result<(), StateError> {
        let bytes = encode(Table::Cdrs, cdr)?;
        self.writes.cdrs.insert(cdr.id, bytes.into());
        Ok(())
    }

    fn format(&self) -> Result<Format, StateError> {
        Ok(self.format.unwrap_or_else(|| self.shared.cache().format))
    }

    fn put_format(&mut self, format: Format) -> Result<(), StateError> {
        self.format = Some(format);
        Ok(())
    }

    fn cdr_keeping(&self) -> Result<CdrKeeping, StateError> {
        Ok(self.keeping.clone().unwrap_or_else(|| self.shared.cache().keeping.clone()))
    }

    fn put_cdr_keeping(&mut self, record: &CdrKeeping) -> Result<(), StateError> {
        self.keeping = Some(record.clone());
        Ok(())
    }

    fn purge_cdrs(&mut self, before: CdrId) -> Result<(), StateError> {
        self.purge = self.purge.max(Some(before));
        self.writes.cdrs = self.writes.cdrs.split_off(&before);
        Ok(())
    }

    fn put_expiry(&mut self, at: Millis, call: CallId) -> Result<(), StateError> {
        self.writes.expiry.insert((at, call), true);
        Ok(())
    }

    fn delete_expiry(&mut self, at: Millis, call: CallId) -> Result<(), StateError> {
        self.writes.expiry.insert((at, call), false);
        Ok(())
    }

    fn expired(&self, up_to: Millis, limit: usize) -> Result<Vec<(Millis, CallId)>, StateError> {
        let stored = self.stored_expiry(up_to, limit)?;
        let added =
            self.writes.expiry.iter().filter(|((at, _), present)| **present && *at <= up_to);
        let mut notes: Vec<_> = stored.into_iter().chain(added.map(|(note, _)| *note)).collect();
        notes.sort_unstable();
        notes.dedup();
        notes.truncate(limit);
        Ok(notes)
    }

    fn user(&self, aor: &Aor) -> Result<Option<UserRecord>, StateError> {
        self.registrar.user(&self.shared, aor)
    }

    fn put_user(&mut self, record: UserRecord) -> Result<(), StateError> {
        self.registrar.users.insert(record.aor.clone(), Some(record));
        Ok(())
    }

    fn delete_user(&mut self, aor: &Aor) -> Result<(), StateError> {
        self.registrar.users.insert(aor.clone(), None);
        Ok(())
    }

    fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, StateError> {
        self.registrar.location(&self.shared, aor)
    }

    fn put_location(&mut self, record: LocationRecord) -> Result<(), StateError> {
        self.registrar.locations.insert(record.aor.clone(), Some(record));
        Ok(())
    }

    fn delete_location(&mut self, aor: &Aor) -> Result<(), StateError> {
        self.registrar.locations.insert(aor.clone(), None);
        Ok(())
    }

    fn put_binding_end(&mut self, at: Millis, aor: &Aor) -> Result<(), StateError> {
        self.registrar.ends.insert((at, aor.clone()), true);
        Ok(())
    }

    fn delete_binding_end(&mut self, at: Millis, aor: &Aor) -> Result<(), StateError> {
        self.registrar.ends.insert((at, aor.clone()), false);
        Ok(())
    }

    fn ended_bindings(
        &self,
        up_to: Millis,
        limit: usize,
    ) -> Result<Vec<(Millis, Aor)>, StateError> {
        self.registrar.ended(&self.shared, up_to, limit)
    }

    fn registrar_totals(&self) -> Result<RegistrarTotals, StateError> {
        Ok(self.registrar.totals.unwrap_or_else(|| self.shared.cache().totals))
    }

    fn put_registrar_totals(&mut self, totals: RegistrarTotals) -> Result<(), StateError> {
        self.registrar.totals = Some(totals);
        Ok(())
    }
}

impl LimitState for StateBatch {
    fn limits<T>(&mut self, act: impl FnOnce(&mut LimitTable) -> T) -> Result<T, StateError> {
        self.limits_touched = true;
        self.shared.limits(act)
    }
}

impl Drop for StateBatch {
    fn drop(&mut self) {
        if self.limits_touched {
            self.shared.forget_limits();
        }
    }
}

impl StateBatch {
    /// The first `limit` stored notes that this batch does not remove.
    fn stored_expiry(
        &self,
        up_to: Millis,
        limit: usize,
    ) -> Result<Vec<(Millis, CallId)>, StateError> {
        let from = self.shared.floor().key(self.shared.group);
        let to = expiry::end(self.shared.group, up_to);
        if *from >= *to {
            return Ok(Vec::new());
        }
        let mut notes = Vec::new();
        let mut foreign = None;
        let mut first = None;
        let range = KeyRange { from: &from, to: &to };
        let engine = self.shared.engine()?;
        engine.scan(Table::Expiry, range, Direction::Forward, &mut |key, _| {
            let Some(note) = expiry::parse(key) else {
                foreign = Some(key.to_vec());
                return ControlFlow::Break(());
            };
            first.get_or_insert(note);
            if notes.len() == limit {
                return ControlFlow::Break(());
            }
            if self.writes.expiry.get(&note) != Some(&false) {
                notes.push(note);
            }
            ControlFlow::Continue(())
        })?;
        if foreign.is_none() {
            self.first_note.get_or_init(|| first.unwrap_or_else(|| expiry::after(up_to)));
        }
        let table = Table::Expiry;
        foreign.map_or(Ok(notes), |key| Err(StateError::ForeignKey { table, key }))
    }
}

pub(super) fn put<T: Serialize>(
    batch: &mut Batch,
    table: Table,
    key: impl Into<Vec<u8>>,
    record: &T,
) -> Result<(), StateError> {
    batch.put(table, key, encode(table, record)?);
    Ok(())
}

pub(super) fn encode<T: Serialize>(table: Table, record: &T) -> Result<Vec<u8>, StateError> {
    codec::encode(record).map_err(|cause| StateError::Encode { table, cause })
}

/// The values of both maps in the order of the keys; those of `over` win.
fn merge<K: Ord, V: Clone>(under: &BTreeMap<K, V>, over: &BTreeMap<K, V>) -> Vec<V> {
    if over.is_empty() {
        return under.values().cloned().collect();
    }
    let mut all: BTreeMap<&K, &V> = under.iter().collect();
    all.extend(over);
    all.into_values().cloned().collect()
}
