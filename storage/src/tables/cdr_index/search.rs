//! Finds call detail records: by the index as far as it has come, then by looking at the rest.
//!
//! Times bound the ids that are looked at. Before an entry `(stretch, id)` of the time index no call
//! ended in that stretch or later, so `from` has a first id. Nor does any record from there on end
//! earlier than the stretch by more than the disorder, so `to` has a last one.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ops::ControlFlow;

use holdline_model::{Cdr, CdrId, Millis};

use super::terms::{Hash, Hint, Term, id_of};
use super::{BUCKET_MS, FIRST, LAST, Progress, id_from, progress, successor, time_key};
use crate::engine::{Direction, KeyRange, Read, Table};
use crate::tables::cache::{decode, scan};
use crate::tables::query::{CdrPage, CdrQuery};
use crate::tables::store::Shared;
use crate::tables::{StateError, cdrs, group_range};

/// A page of the records that are asked for, in the order of the log.
pub(crate) fn search(shared: &Shared, query: &CdrQuery) -> Result<CdrPage, StateError> {
    let (engine, group) = (shared.engine()?, shared.group);
    let hash = Hash::new(group, engine.index_key());
    let begin = query.after.map_or(FIRST, successor).max(shared.cache().keeping.floor);
    let (last, found) = (query.after, CdrPage::default());
    let mut page = Page { query, begin, page: found, seen: 0, last, is_full: false };
    if let Some(at) = progress(engine, group, hash.fingerprint())? {
        page.indexed(shared, &hash, at)?;
        page.begin = page.begin.max(at.next);
    }
    if !page.is_full {
        page.scanned(shared, None)?;
    }
    Ok(page.page)
}

/// A page on its way.
struct Page<'a> {
    query: &'a CdrQuery,
    /// Nothing before this record is of interest.
    begin: CdrId,
    page: CdrPage,
    /// Records looked at.
    seen: usize,
    /// The record looked at last.
    last: Option<CdrId>,
    is_full: bool,
}

impl Page<'_> {
    /// What the index knows of.
    fn indexed(&mut self, shared: &Shared, hash: &Hash, at: Progress) -> Result<(), StateError> {
        let engine = shared.engine_as_is();
        if let Some(from) = self.query.ended_from {
            self.begin = self.begin.max(first_of(shared, from)?);
        }
        let end = match self.query.ended_before {
            Some(to) => first_beyond(shared, to.plus_ms(at.disorder_ms))?.unwrap_or(at.next),
            None => at.next,
        };
        let end = end.min(at.next);
        let mut lists = self.lists(hash);
        if lists.is_empty() {
            return self.scanned(shared, Some(end));
        }
        let (mut looked_at, bound) = (0, ENTRIES_PER_RECORD * self.query.scan_limit);
        let mut candidate = self.begin;
        rarest_first(&mut lists, engine, candidate, end, &mut looked_at)?;
        'candidates: while candidate < end {
            for (place, list) in lists.iter_mut().enumerate() {
                if place > 0 && list.has(engine, candidate, &mut looked_at)? {
                    continue;
                }
                match list.seek(engine, candidate, end, &mut looked_at)? {
                    None => return Ok(()),
                    Some(id) if id > candidate => {
                        candidate = id;
                        // All before the candidate was looked at.
                        let seen = Some(before(candidate));
                        if looked_at > bound && seen > self.query.after {
                            self.page.next = seen;
                            self.is_full = true;
                            return Ok(());
                        }
                        continue 'candidates;
                    }
                    Some(_) => {}
                }
            }
            let key = cdrs::key(shared.group, candidate);
            if let Some(bytes) = engine.get(Table::Cdrs, &key)?
                && self.take(decode(Table::Cdrs, &key, &bytes)?) == ControlFlow::Break(())
            {
                return Ok(());
            }
            candidate = successor(candidate);
        }
        Ok(())
    }

    /// Looks at each record from `begin` on, up to `end` if there is one.
    fn scanned(&mut self, shared: &Shared, end: Option<CdrId>) -> Result<(), StateError> {
        let (_, last) = group_range(shared.group);
        let to = end.map_or(last, |end| cdrs::key(shared.group, end).to_vec());
        let from = cdrs::key(shared.group, self.begin);
        scan(shared.engine_as_is(), Table::Cdrs, &from, &to, |cdr: Cdr| self.take(cdr))
    }

    /// Takes a record into the page if it is asked for.
    fn take(&mut self, cdr: Cdr) -> ControlFlow<()> {
        if self.page.cdrs.len() == self.query.limit || self.seen == self.query.scan_limit {
            self.page.next = self.last;
            self.is_full = true;
            return ControlFlow::Break(());
        }
        self.seen += 1;
        self.last = Some(cdr.id);
        if self.query.matches(&cdr) {
            self.page.cdrs.push(cdr);
        }
        ControlFlow::Continue(())
    }

    fn lists(&self, hash: &Hash) -> Vec<List> {
        let query = self.query;
        let mut lists = Vec::new();
        lists.extend(query.call_id.as_ref().map(|id| List::new(hash.call_id(id), None)));
        for number in [
            query.caller.as_ref().and_then(|pattern| hash.caller(pattern)),
            query.callee.as_ref().and_then(|pattern| hash.callee(pattern)),
        ] {
            lists.extend(number.map(|(term, hint)| List::new(term, hint)));
        }
        lists.extend(query.account.as_ref().map(|name| List::new(hash.tenant(name), None)));
        lists
    }
}

/// What is rare goes first: it leaps furthest, and the others are only asked whether they have what it
/// has. How rare a term is shows in its first piece.
fn rarest_first(
    lists: &mut [List],
    engine: &dyn Read,
    from: CdrId,
    end: CdrId,
    looked_at: &mut usize,
) -> Result<(), StateError> {
    if lists.len() < 2 {
        return Ok(());
    }
    for list in lists.iter_mut() {
        list.next = from;
        list.read(engine, end, looked_at)?;
    }
    lists.sort_by_key(|list| Reverse(list.gap(from, end)));
    Ok(())
}

/// The entries of a term, read in pieces.
struct List {
    term: Term,
    hint: Option<Hint>,
    piece: VecDeque<CdrId>,
    /// Where the next piece begins.
    next: CdrId,
    ended: bool,
}

impl List {
    fn new(term: Term, hint: Option<Hint>) -> Self {
        Self { term, hint, piece: VecDeque::new(), next: FIRST, ended: false }
    }

    /// How many entries of the log there are to one of this term, in the piece that is read.
    fn gap(&self, from: CdrId, end: CdrId) -> u64 {
        let to = if self.ended { end } else { self.next };
        to.index.saturating_sub(from.index) / u64::try_from(self.piece.len()).unwrap_or(1).max(1)
    }

    /// Whether the record `id` is known to have this term, though no piece reaches so far: that of a
    /// frequent term need not be read from one record of a rare one to the next.
    fn has(&self, engine: &dyn Read, id: CdrId, looked_at: &mut usize) -> Result<bool, StateError> {
        if self.ended || self.piece.back().is_some_and(|last| *last >= id) {
            return Ok(false);
        }
        *looked_at += 1;
        let value = engine.get(Table::CdrIndex, &self.term.entry(id))?;
        Ok(value.is_some_and(|value| passes(self.hint, &value)))
    }

    /// The first entry from `from` on and before `end`.
    fn seek(
        &mut self,
        engine: &dyn Read,
        from: CdrId,
        end: CdrId,
        looked_at: &mut usize,
    ) -> Result<Option<CdrId>, StateError> {
        loop {
            while let Some(id) = self.piece.front() {
                if *id >= from {
                    return Ok(Some(*id));
                }
                self.piece.pop_front();
            }
            if self.ended {
                return Ok(None);
            }
            self.next = self.next.max(from);
            self.read(engine, end, looked_at)?;
        }
    }

    fn read(
        &mut self,
        engine: &dyn Read,
        end: CdrId,
        looked_at: &mut usize,
    ) -> Result<(), StateError> {
        let (from, to) = (self.term.entry(self.next), self.term.entry(end.min(LAST)));
        let mut left = PIECE;
        let (mut last, hint) = (None, self.hint);
        let range = KeyRange { from: &from, to: &to };
        engine.scan(Table::CdrIndex, range, Direction::Forward, &mut |key, value| {
            left -= 1;
            if let Some(id) = id_of(key) {
                last = Some(id);
                if passes(hint, value) {
                    self.piece.push_back(id);
                }
            }
            let is_enough = left == 0 || self.piece.len() == ENOUGH;
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        *looked_at += PIECE - left;
        self.ended = left > 0 && self.piece.len() < ENOUGH;
        self.next = last.map_or(self.next, successor);
        Ok(())
    }
}

/// Whether an entry may be of the longer beginning that is asked for.
fn passes(hint: Option<Hint>, value: &[u8]) -> bool {
    hint.is_none_or(|(place, byte)| value.get(place) == Some(&byte))
}

/// The id just before one, for a cursor: there need not be a record of that id.
fn before(id: CdrId) -> CdrId {
    match (id.index, id.position) {
        (0, 0) => FIRST,
        (index, 0) => CdrId { index: index - 1, position: u32::from(u16::MAX) },
        (index, position) => CdrId { index, position: position - 1 },
    }
}

/// No call that ended at `from` or later has a record before this one.
fn first_of(shared: &Shared, from: Millis) -> Result<CdrId, StateError> {
    let (group, bucket) = (shared.group, from.0 / BUCKET_MS);
    let range = (time_key(group, 0), time_key(group, bucket.saturating_add(1)));
    Ok(first_in(shared, &range.0, &range.1, Direction::Backward)?.unwrap_or(FIRST))
}

/// No call that ended before `to` has a record from this one on; `None` if that is not known.
fn first_beyond(shared: &Shared, to: Millis) -> Result<Option<CdrId>, StateError> {
    let (group, bucket) = (shared.group, to.0.div_ceil(BUCKET_MS));
    let range = (time_key(group, bucket), time_key(group, u64::MAX));
    first_in(shared, &range.0, &range.1, Direction::Forward)
}

fn first_in(
    shared: &Shared,
    from: &[u8],
    to: &[u8],
    direction: Direction,
) -> Result<Option<CdrId>, StateError> {
    let mut found = None;
    shared.engine_as_is().scan(
        Table::CdrIndex,
        KeyRange { from, to },
        direction,
        &mut |_, value| {
            found = id_from(value);
            ControlFlow::Break(())
        },
    )?;
    Ok(found)
}

/// Entries read at a time, at most.
const PIECE: usize = 4_096;

/// Entries that pass the hint in a piece, at most.
const ENOUGH: usize = 128;

/// Entries of the index that are looked at instead of one record.
const ENTRIES_PER_RECORD: usize = 10;
