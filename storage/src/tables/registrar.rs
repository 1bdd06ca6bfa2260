//! Users and bindings in a batch: the committed tables under the writes of the batch.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use holdline_model::{Aor, LocationRecord, Millis, RegistrarTotals, UserRecord};

use crate::engine::{Batch, Direction, KeyRange, Table};
use crate::tables::batch::put;
use crate::tables::cache::decode;
use crate::tables::store::Shared;
use crate::tables::{StateError, binding_ends, group_range, locations, meta, users};

/// Writes of a batch to the registrar's tables.
#[derive(Debug, Default)]
pub(super) struct RegistrarWrites {
    pub(super) users: BTreeMap<Aor, Option<UserRecord>>,
    pub(super) locations: BTreeMap<Aor, Option<LocationRecord>>,
    /// Notes written (true) and removed (false).
    pub(super) ends: BTreeMap<(Millis, Aor), bool>,
    pub(super) totals: Option<RegistrarTotals>,
}

impl RegistrarWrites {
    pub(super) fn encode(&self, shared: &Shared, batch: &mut Batch) -> Result<(), StateError> {
        let group = shared.group;
        for (aor, record) in &self.users {
            let key = users::key(group, aor);
            match record {
                Some(record) => put(batch, Table::Users, key, record)?,
                None => batch.delete(Table::Users, key),
            }
        }
        for (aor, record) in &self.locations {
            let key = locations::key(group, aor);
            match record {
                Some(record) => batch.put(Table::Locations, key, locations::encode(record)?),
                None => batch.delete(Table::Locations, key),
            }
        }
        for ((at, aor), present) in &self.ends {
            let key = binding_ends::key(group, *at, aor);
            if *present {
                let value = Bytes::from_static(&binding_ends::VALUE);
                batch.put(Table::BindingEnds, key, value);
            } else {
                batch.delete(Table::BindingEnds, key);
            }
        }
        if let Some(totals) = &self.totals {
            put(batch, Table::Meta, meta::registrar_key(group), totals)?;
        }
        Ok(())
    }

    pub(super) fn user(
        &self,
        shared: &Shared,
        aor: &Aor,
    ) -> Result<Option<UserRecord>, StateError> {
        self.users.get(aor).map_or_else(|| read_user(shared, aor), |written| Ok(written.clone()))
    }

    pub(super) fn location(
        &self,
        shared: &Shared,
        aor: &Aor,
    ) -> Result<Option<LocationRecord>, StateError> {
        let written = self.locations.get(aor);
        written.map_or_else(|| read_location(shared, aor), |written| Ok(written.clone()))
    }

    /// The first `limit` notes of `up_to` or before, in order of time.
    pub(super) fn ended(
        &self,
        shared: &Shared,
        up_to: Millis,
        limit: usize,
    ) -> Result<Vec<(Millis, Aor)>, StateError> {
        let (from, _) = group_range(shared.group);
        let to = binding_ends::end(shared.group, up_to);
        let (mut notes, mut foreign) = (Vec::new(), None);
        let range = KeyRange { from: &from, to: &to };
        let table = Table::BindingEnds;
        shared.engine_as_is().scan(table, range, Direction::Forward, &mut |key, _| {
            let Some(note) = binding_ends::parse(key) else {
                foreign = Some(key.to_vec());
                return ControlFlow::Break(());
            };
            if notes.len() == limit {
                return ControlFlow::Break(());
            }
            if self.ends.get(&note) != Some(&false) {
                notes.push(note);
            }
            ControlFlow::Continue(())
        })?;
        if let Some(key) = foreign {
            return Err(StateError::ForeignKey { table, key });
        }
        let added = self.ends.iter().filter(|((at, _), present)| **present && *at <= up_to);
        notes.extend(added.map(|(note, _)| note.clone()));
        notes.sort_unstable();
        notes.dedup();
        notes.truncate(limit);
        Ok(notes)
    }
}

/// Reads a user as last committed.
pub(super) fn read_user(shared: &Shared, aor: &Aor) -> Result<Option<UserRecord>, StateError> {
    let key = users::key(shared.group, aor);
    let bytes = shared.engine_as_is().get(Table::Users, &key)?;
    bytes.map(|bytes| decode(Table::Users, &key, &bytes)).transpose()
}

/// Reads the bindings of an address of record as last committed.
pub(super) fn read_location(
    shared: &Shared,
    aor: &Aor,
) -> Result<Option<LocationRecord>, StateError> {
    let key = locations::key(shared.group, aor);
    let bytes = shared.engine_as_is().get(Table::Locations, &key)?;
    bytes.map(|bytes| locations::decode(&key, &bytes)).transpose()
}
