//! The log as the Raft glue uses it.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use holdline_model::GroupId;

use crate::codec;
use crate::engine::{Direction, Engine, EngineError, KeyRange, Table};
use crate::log::flusher::{Flusher, Inner, Shared, Wake};
use crate::log::job::{Change, Job, OnDurable};
use crate::log::keys::{Purged, committed_key, entry_key, purged_key, synced_key, vote_key};
use crate::log::window::Window;
use crate::log::{LogError, LogOptions, SyncMark};
use crate::tables::group_range;

/// The log and hard state of one group. Clones share it; when the last is dropped, what is queued
/// is written and the flusher thread ends.
#[derive(Clone)]
pub struct LogStore {
    shared: Arc<Shared>,
    /// Ends the thread, if there is one, when the last clone goes.
    _flusher: Option<Arc<Flusher>>,
}

impl LogStore {
    /// Opens the log of a group and starts its flusher thread. Blocks on the disk.
    ///
    /// # Errors
    /// [`LogError::Read`], [`LogError::PurgeMark`], [`LogError::NoThread`].
    pub fn open(
        engine: Arc<dyn Engine>,
        group: GroupId,
        options: LogOptions,
    ) -> Result<Self, LogError> {
        Self::start(Self::load(engine, group, options, None)?)
    }

    /// As [`LogStore::open`]; the mark tells whether anything is lost, and is kept from now on.
    ///
    /// # Errors
    /// [`LogError::Lost`], and those of [`LogStore::open`].
    pub fn open_marked(
        engine: Arc<dyn Engine>,
        group: GroupId,
        options: LogOptions,
        mark: SyncMark,
    ) -> Result<Self, LogError> {
        let mut shared = Self::load(engine, group, options, None)?;
        let found = synced(shared.engine.as_ref(), group)?;
        if found < mark.known() {
            return Err(LogError::Lost { found, marked: mark.known() });
        }
        if let Some(shared) = Arc::get_mut(&mut shared) {
            shared.keep(mark, found);
        }
        Self::start(shared)
    }

    fn start(shared: Arc<Shared>) -> Result<Self, LogError> {
        let flusher = Flusher::start(Arc::clone(&shared))?;
        Ok(Self { shared, _flusher: Some(Arc::new(flusher)) })
    }

    /// As [`LogStore::open`], but without a thread: `wake` is called whenever something is queued,
    /// and nothing is written before somebody calls [`LogStore::flush_queued`]. For simulation,
    /// which decides how long a sync takes. What is queued when the last clone goes is lost.
    ///
    /// # Errors
    /// [`LogError::Read`], [`LogError::PurgeMark`].
    pub fn open_without_thread(
        engine: Arc<dyn Engine>,
        group: GroupId,
        options: LogOptions,
        wake: Wake,
    ) -> Result<Self, LogError> {
        let shared = Self::load(engine, group, options, Some(wake))?;
        Ok(Self { shared, _flusher: None })
    }

    /// Writes everything that is queued, with one sync, and reports it. For a log without a thread.
    pub fn flush_queued(&self) {
        self.shared.flush_queued();
    }

    fn load(
        engine: Arc<dyn Engine>,
        group: GroupId,
        options: LogOptions,
        wake: Option<Wake>,
    ) -> Result<Arc<Shared>, LogError> {
        let vote = read(engine.as_ref(), &vote_key(group))?;
        let committed = read(engine.as_ref(), &committed_key(group))?;
        let purged = read(engine.as_ref(), &purged_key(group))?
            .map(|bytes| codec::decode::<Purged>(&bytes))
            .transpose()
            .map_err(|error| LogError::PurgeMark { text: error.to_string() })?;
        let window = bounds(engine.as_ref(), group, purged.as_ref())?;
        let inner = Inner::new(window, vote, committed, purged);
        Ok(Arc::new(Shared::new(engine, group, options, inner, wake)))
    }

    /// Appends entries with consecutive indices, the first following the last entry of the log (an
    /// empty log may go on further up). Waits only while the flusher's queue is full.
    ///
    /// # Errors
    /// Nothing is appended, and `on_durable` is dropped without a call:
    /// [`LogError::Gap`], [`LogError::Failed`], [`LogError::Closed`].
    pub fn append(
        &self,
        entries: Vec<(u64, Bytes)>,
        on_durable: OnDurable,
    ) -> Result<(), LogError> {
        let mut inner = self.room()?;
        check_order(&inner.window, &entries)?;
        inner.window.append(&entries);
        let generation = inner.window.generation();
        let change = Change::Append { entries, generation };
        self.push(inner, change, Some(on_durable));
        Ok(())
    }

    /// Removes the entries after `last_kept`; all of them if `None`.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`]; `on_durable` is then dropped without a call.
    pub fn truncate_after(
        &self,
        last_kept: Option<u64>,
        on_durable: OnDurable,
    ) -> Result<(), LogError> {
        let mut inner = self.room()?;
        let from = last_kept.map_or(0, |index| index.saturating_add(1)).max(inner.window.first());
        let to = inner.window.next();
        inner.window.truncate(from);
        self.push(inner, Change::Truncate { from, to }, Some(on_durable));
        Ok(())
    }

    /// Removes the entries up to `index`, inclusive, and keeps `mark` (the log id of that entry).
    /// The log may end before `index`, after the installation of a snapshot. Not synced: a crash may
    /// bring entries back together with the old mark.
    ///
    /// # Errors
    /// [`LogError::PurgeBeyondState`] beyond [`LogStore::note_state_flushed`];
    /// [`LogError::Failed`], [`LogError::Closed`].
    pub fn purge_to(&self, index: u64, mark: Bytes) -> Result<(), LogError> {
        let mut inner = self.room()?;
        if inner.state_flushed.is_none_or(|flushed| index > flushed) {
            let flushed = inner.state_flushed.unwrap_or(0);
            return Err(LogError::PurgeBeyondState { asked: index, flushed });
        }
        if inner.purged.as_ref().is_some_and(|purged| purged.index >= index) {
            return Ok(());
        }
        let purged = Purged { index, mark };
        let bytes = codec::encode(&purged)
            .map_err(|error| LogError::PurgeMark { text: error.to_string() })?;
        let to = index.saturating_add(1);
        let from = inner.window.first().min(to);
        inner.window.purge(to);
        inner.purged = Some(purged);
        self.push(inner, Change::Purge { from, to, mark: bytes.into() }, None);
        Ok(())
    }

    /// Says that the effects of all entries up to `index` are durable in the state: they were
    /// applied before a [`crate::StateStore::flush`] that has returned, or read when it was opened.
    pub fn note_state_flushed(&self, index: u64) {
        let mut inner = self.shared.lock();
        inner.state_flushed = inner.state_flushed.max(Some(index));
    }

    /// Saves the vote (bytes of the Raft glue), synced.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`]; `on_durable` is then dropped without a call.
    pub fn save_vote(&self, vote: Bytes, on_durable: OnDurable) -> Result<(), LogError> {
        let mut inner = self.room()?;
        inner.vote = Some(vote.clone());
        self.push(inner, Change::Vote(vote), Some(on_durable));
        Ok(())
    }

    /// Saves the committed mark (bytes of the Raft glue), with the next change that is written, or
    /// when the log is closed: it only shortens a restart, and is not worth a write of its own.
    ///
    /// # Errors
    /// [`LogError::Failed`], [`LogError::Closed`].
    pub fn save_committed(&self, committed: Bytes) -> Result<(), LogError> {
        let mut inner = self.shared.usable()?;
        inner.committed = Some(committed);
        inner.committed_unsaved = true;
        Ok(())
    }

    /// The vote that was saved last.
    #[must_use]
    pub fn vote(&self) -> Option<Bytes> {
        self.shared.lock().vote.clone()
    }

    /// The committed mark that was saved last.
    #[must_use]
    pub fn committed(&self) -> Option<Bytes> {
        self.shared.lock().committed.clone()
    }

    /// What was purged last.
    #[must_use]
    pub fn purged(&self) -> Option<Purged> {
        self.shared.lock().purged.clone()
    }

    /// The first entry; `None` if the log is empty.
    #[must_use]
    pub fn first_index(&self) -> Option<u64> {
        let inner = self.shared.lock();
        (!inner.window.is_empty()).then(|| inner.window.first())
    }

    /// The last entry; `None` if the log is empty.
    #[must_use]
    pub fn last_index(&self) -> Option<u64> {
        let inner = self.shared.lock();
        (!inner.window.is_empty()).then(|| inner.window.next() - 1)
    }

    /// The entries of `range` that exist, in order, until `max_bytes` are reached; at least one
    /// if there is one. Blocks on the disk for entries that are no longer in memory.
    ///
    /// # Errors
    /// [`LogError::Read`].
    pub fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, LogError> {
        let inner = self.shared.lock();
        let from = range.start.max(inner.window.first());
        let to = range.end.min(inner.window.next());
        if from >= to {
            return Ok(Vec::new());
        }
        let split = inner.window.tail_first().clamp(from, to);
        let mut budget = Budget::new(max_bytes);
        if split == from {
            let entries = (from..to).map_while(|index| Some((index, inner.window.entry(index)?)));
            let taken = entries.take_while(|(_, bytes)| budget.take(bytes.len()));
            return Ok(taken.map(|(index, bytes)| (index, bytes.clone())).collect());
        }
        // What is in memory is taken now: it may have left it when the disk has answered.
        let tail: Vec<_> = (split..to)
            .map_while(|index| Some((index, inner.window.entry(index)?.clone())))
            .collect();
        drop(inner);
        let mut entries = self.read_stored(from..split, &mut budget)?;
        if entries.len() as u64 == split - from {
            entries.extend(tail.into_iter().take_while(|(_, bytes)| budget.take(bytes.len())));
        }
        Ok(entries)
    }

    fn read_stored(
        &self,
        range: Range<u64>,
        budget: &mut Budget,
    ) -> Result<Vec<(u64, Bytes)>, LogError> {
        let (from, to) = (self.key(range.start), self.key(range.end));
        let mut entries = Vec::new();
        let mut expected = range.start;
        let range = KeyRange { from: &from, to: &to };
        let engine = self.shared.engine.as_ref();
        engine
            .scan(Table::Log, range, Direction::Forward, &mut |key, bytes| {
                // An entry may have been truncated or purged meanwhile: the answer ends before it.
                if *key != *self.key(expected) || !budget.take(bytes.len()) {
                    return ControlFlow::Break(());
                }
                entries.push((expected, Bytes::copy_from_slice(bytes)));
                expected += 1;
                ControlFlow::Continue(())
            })
            .map_err(|cause| LogError::Read { cause })?;
        Ok(entries)
    }

    fn key(&self, index: u64) -> crate::tables::Key {
        entry_key(self.shared.group, index)
    }

    fn room(&self) -> Result<MutexGuard<'_, Inner>, LogError> {
        self.shared.wait_for_room()
    }

    fn push(&self, inner: MutexGuard<'_, Inner>, change: Change, on_durable: Option<OnDurable>) {
        self.shared.push(inner, Job { change, on_durable });
    }
}

/// How many bytes may still be returned. The first entry always may.
struct Budget {
    left: usize,
    first: bool,
}

impl Budget {
    fn new(bytes: usize) -> Self {
        Self { left: bytes, first: true }
    }

    fn take(&mut self, bytes: usize) -> bool {
        let fits = std::mem::take(&mut self.first) || bytes <= self.left;
        self.left = if fits { self.left.saturating_sub(bytes) } else { 0 };
        fits
    }
}

impl fmt::Debug for LogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStore").field("group", &self.shared.group).finish_non_exhaustive()
    }
}

fn check_order(window: &Window, entries: &[(u64, Bytes)]) -> Result<(), LogError> {
    let Some((first, _)) = entries.first() else { return Ok(()) };
    if !window.follows(*first) {
        return Err(LogError::Gap { index: *first, next: window.next() });
    }
    for ((index, _), next) in entries.iter().zip(*first..) {
        if *index != next {
            return Err(LogError::Gap { index: *index, next });
        }
    }
    Ok(())
}

fn read(engine: &dyn Engine, key: &[u8]) -> Result<Option<Bytes>, LogError> {
    let bytes = engine.get(Table::Vote, key).map_err(|cause| LogError::Read { cause })?;
    Ok(bytes.map(Bytes::from))
}

/// The number of the last synced write.
fn synced(engine: &dyn Engine, group: GroupId) -> Result<u64, LogError> {
    let bytes = read(engine, &synced_key(group))?;
    Ok(bytes.and_then(|bytes| bytes.first_chunk().copied()).map_or(0, u64::from_be_bytes))
}

/// Finds the first and the last entry.
fn bounds(
    engine: &dyn Engine,
    group: GroupId,
    purged: Option<&Purged>,
) -> Result<Window, LogError> {
    let end = |direction| edge(engine, group, direction).map_err(|cause| LogError::Read { cause });
    let after_purge = purged.map_or(0, |purged| purged.index.saturating_add(1));
    Ok(match (end(Direction::Forward)?, end(Direction::Backward)?) {
        (Some(first), Some(last)) if last >= after_purge => {
            Window::new(first.max(after_purge), last.saturating_add(1))
        }
        _ => Window::new(after_purge, after_purge),
    })
}

fn edge(
    engine: &dyn Engine,
    group: GroupId,
    direction: Direction,
) -> Result<Option<u64>, EngineError> {
    let (from, to) = group_range(group);
    let mut index = None;
    engine.scan(Table::Log, KeyRange { from: &from, to: &to }, direction, &mut |key, _| {
        index = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        ControlFlow::Break(())
    })?;
    Ok(index)
}
