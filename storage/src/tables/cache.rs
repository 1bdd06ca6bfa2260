//! The tables that every command reads, decoded and whole: cluster, nodes, slots, the registrar's
//! totals, how call detail records are kept, and what administrators want of the trunks. They are small
//! (at most [`holdline_model::limits::MAX_SLOTS`] slots), so nothing is ever evicted.
//!
//! Invariant: it equals the stored tables as of the last written batch.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use holdline_model::{
    CdrKeeping, ClusterRecord, DisabledTrunks, Format, GroupId, NodeId, NodeRecord,
    RegistrarTotals, SlotId, SlotRecord,
};
use serde::de::DeserializeOwned;

use crate::codec;
use crate::engine::{Direction, KeyRange, Read, Table};
use crate::tables::{StateError, group_range, meta};

/// The decoded tables.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) cluster: Option<ClusterRecord>,
    pub(super) disabled_trunks: DisabledTrunks,
    pub(super) nodes: BTreeMap<NodeId, NodeRecord>,
    pub(super) slots: BTreeMap<SlotId, SlotRecord>,
    pub(super) totals: RegistrarTotals,
    pub(super) keeping: CdrKeeping,
    pub(super) format: Format,
}

impl Cache {
    /// Reads the tables of a group.
    pub(super) fn load(engine: &dyn Read, group: GroupId) -> Result<Self, StateError> {
        let mut cache = Self::default();
        let key = meta::cluster_key(group);
        if let Some(bytes) = engine.get(Table::Meta, &key)? {
            cache.cluster = Some(decode(Table::Meta, &key, &bytes)?);
        }
        let key = meta::registrar_key(group);
        if let Some(bytes) = engine.get(Table::Meta, &key)? {
            cache.totals = decode(Table::Meta, &key, &bytes)?;
        }
        let key = meta::disabled_trunks_key(group);
        if let Some(bytes) = engine.get(Table::Meta, &key)? {
            cache.disabled_trunks = decode(Table::Meta, &key, &bytes)?;
        }
        let key = meta::cdr_keeping_key(group);
        if let Some(bytes) = engine.get(Table::Meta, &key)? {
            cache.keeping = decode(Table::Meta, &key, &bytes)?;
        }
        let key = meta::format_key(group);
        if let Some(bytes) = engine.get(Table::Meta, &key)? {
            cache.format = decode(Table::Meta, &key, &bytes)?;
        }
        let (from, to) = group_range(group);
        scan(engine, Table::Nodes, &from, &to, |node: NodeRecord| {
            cache.nodes.insert(node.node, node);
            ControlFlow::Continue(())
        })?;
        scan(engine, Table::Slots, &from, &to, |slot: SlotRecord| {
            cache.slots.insert(slot.slot, slot);
            ControlFlow::Continue(())
        })?;
        Ok(cache)
    }
}

/// Decodes a stored record.
pub(super) fn decode<T: DeserializeOwned>(
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<T, StateError> {
    codec::decode(value).map_err(|cause| StateError::Corrupt { table, key: key.to_vec(), cause })
}

/// Calls `visit` with every record of a range, in the order of the keys, until it breaks.
pub(super) fn scan<T: DeserializeOwned>(
    engine: &dyn Read,
    table: Table,
    from: &[u8],
    to: &[u8],
    visit: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), StateError> {
    scan_by(engine, table, KeyRange { from, to }, |key, value| decode(table, key, value), visit)
}

/// The same, for records that are decoded in their own way.
pub(super) fn scan_by<T>(
    engine: &dyn Read,
    table: Table,
    range: KeyRange<'_>,
    decode: impl Fn(&[u8], &[u8]) -> Result<T, StateError>,
    mut visit: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), StateError> {
    let mut failed = None;
    engine.scan(table, range, Direction::Forward, &mut |key, value| match decode(key, value) {
        Ok(record) => visit(record),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), Err)
}
