//! What is committed but not yet handed to the engine: calls, call detail records, notes of
//! tombstones and limits, of the last commits together.
//!
//! A call's record changes several times within a second, and each write would cost an encoding, a copy
//! of some KiB and a place in the engine's memory; only the newest is worth it. So commits are
//! gathered until there are [`COMMITS`] of them or [`RECORDS`] records, until somebody reads a table
//! of which something is here, or until something else is committed. Nothing is less durable for it:
//! what the engine holds of the state is lost in a crash just so, back to the last flush.
//!
//! Invariant: the engine's tables with this on top are the state as of the last commit; both it and
//! the engine's tables alone are a state with the applied mark that belongs to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use holdline_limit::{Change, Record};
use holdline_model::{CallId, CallRecord, CdrId, GroupId, Millis, Phase};

use crate::engine::{Batch, Table};
use crate::tables::batch::put;
use crate::tables::{StateError, applied_key, calls, cdrs, expiry, limits};

/// Commits gathered at most.
const COMMITS: usize = 16;

/// Records gathered, after which they are written: so much takes a millisecond, and stays in the
/// processor's caches.
const RECORDS: usize = 128;

/// Writes of one batch, or of several, by record.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// Boxed: the map moves its entries about.
    pub(super) calls: BTreeMap<CallId, Option<Box<CallRecord>>>,
    pub(super) cdrs: BTreeMap<CdrId, Bytes>,
    /// Notes written (true) and removed (false).
    pub(super) expiry: BTreeMap<(Millis, CallId), bool>,
    pub(super) limits: BTreeMap<Record, Option<Change>>,
}

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    writes: Writes,
    /// The mark of the last commit; `None` if there is nothing here.
    applied: Option<Bytes>,
    commits: usize,
    /// A write has failed: what was gathered is gone, and nothing may be committed after it.
    failed: bool,
    /// Nothing is gathered.
    holds_nothing: bool,
}

impl Writes {
    fn len(&self) -> usize {
        self.calls.len() + self.cdrs.len() + self.expiry.len() + self.limits.len()
    }

    /// Puts newer writes on top.
    fn add(&mut self, newer: Self) {
        self.calls.extend(newer.calls);
        self.cdrs.extend(newer.cdrs);
        self.expiry.extend(newer.expiry);
        self.limits.extend(newer.limits);
    }

    fn encode(&self, group: GroupId, batch: &mut Batch) -> Result<(), StateError> {
        for (call, record) in &self.calls {
            let key = calls::key(group, *call);
            match record {
                Some(record) => put(batch, Table::Calls, key, record.as_ref())?,
                None => batch.delete(Table::Calls, key),
            }
        }
        for (id, bytes) in &self.cdrs {
            batch.put(Table::Cdrs, cdrs::key(group, *id), bytes.clone());
        }
        for ((at, call), present) in &self.expiry {
            let key = expiry::key(group, *at, *call);
            if *present {
                batch.put(Table::Expiry, key, Bytes::from_static(&expiry::VALUE));
            } else {
                batch.delete(Table::Expiry, key);
            }
        }
        limits::write(batch, group, &self.limits)
    }
}

impl Unwritten {
    /// From now on every commit is written by itself.
    pub(super) const fn hold_nothing(&mut self) {
        self.holds_nothing = true;
    }

    /// An error if nothing may be committed any more.
    pub(super) fn check(&self) -> Result<(), StateError> {
        if self.failed { Err(StateError::Abandoned) } else { Ok(()) }
    }

    /// Takes the writes of a commit in.
    pub(super) fn add(&mut self, writes: Writes, applied: &[u8]) {
        if self.writes.len() == 0 {
            self.writes = writes;
        } else {
            self.writes.add(writes);
        }
        self.applied = Some(Bytes::copy_from_slice(applied));
        self.commits += 1;
    }

    /// Call detail records before this one are not to be written any more.
    pub(super) fn purge(&mut self, before: CdrId) {
        self.writes.cdrs = self.writes.cdrs.split_off(&before);
    }

    /// Whether there is enough to be written.
    pub(super) fn is_full(&self) -> bool {
        self.holds_nothing || self.commits >= COMMITS || self.writes.len() >= RECORDS
    }

    /// The mark of the last commit, if it is here.
    pub(super) const fn applied(&self) -> Option<&Bytes> {
        self.applied.as_ref()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.applied.is_none()
    }

    /// Adds all of it to a batch, with the mark.
    pub(super) fn encode(&self, group: GroupId, batch: &mut Batch) -> Result<(), StateError> {
        batch.reserve(self.writes.len() + 1);
        self.writes.encode(group, batch)?;
        if let Some(applied) = &self.applied {
            batch.put(Table::Meta, applied_key(group), applied.clone());
        }
        Ok(())
    }

    /// All of it was written: the calls, as they were.
    pub(super) fn written(&mut self) -> BTreeMap<CallId, Option<Box<CallRecord>>> {
        std::mem::replace(self, self.emptied()).writes.calls
    }

    /// It could not be written.
    pub(super) fn fail(&mut self) {
        *self = Self { failed: true, ..self.emptied() };
    }

    fn emptied(&self) -> Self {
        Self { failed: self.failed, holds_nothing: self.holds_nothing, ..Self::default() }
    }

    /// A call, if it is here; `Some(None)` if it was deleted.
    pub(super) fn call(&self, call: CallId) -> Option<Option<&CallRecord>> {
        self.writes.calls.get(&call).map(Option::as_deref)
    }

    /// How far a call has come, if it is here.
    pub(super) fn phase(&self, call: CallId) -> Option<Option<Phase>> {
        self.call(call).map(|record| record.map(|record| record.phase))
    }
}
