//! The log store as openraft sees it.
//!
//! Appending hands bytes to the flusher thread and returns; openraft is told when they are durable.
//! Nothing here blocks on the disk, except reading a few entries that may have left the memory.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use holdline_storage::{LogError, LogStore, OnDurable, StateStore};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::offload;
use crate::store::mark::{from_bytes, to_bytes};
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// Writes the log.
#[derive(Debug)]
pub(crate) struct LogStorage {
    reader: LogReader,
    /// Flushed before the log is purged.
    state: Arc<StateStore>,
}

/// Reads the log. Each replication has its own.
#[derive(Clone, Debug)]
pub(crate) struct LogReader {
    log: LogStore,
    /// Entries of one read, in bytes at most.
    max_bytes: usize,
    tasks: TaskTracker,
}

/// So many of the newest entries are sure to be in memory, unless they are very large: reading
/// them does not block.
const IN_MEMORY: u64 = 4_096;

impl LogStorage {
    pub(crate) fn new(
        log: LogStore,
        state: Arc<StateStore>,
        max_bytes: usize,
        tasks: TaskTracker,
    ) -> Self {
        Self { reader: LogReader { log, max_bytes, tasks }, state }
    }

    /// Hands a change to the flusher and waits until it is durable.
    async fn durable(
        &self,
        change: impl FnOnce(&LogStore, OnDurable) -> Result<(), LogError>,
    ) -> io::Result<()> {
        let (done, durable) = oneshot::channel();
        let on_durable: OnDurable = Box::new(move |outcome| {
            // Whoever asked may have gone: the node is stopping then.
            let _ = done.send(outcome);
        });
        change(&self.reader.log, on_durable).map_err(io::Error::other)?;
        match durable.await {
            Ok(outcome) => outcome.map_err(io::Error::other),
            Err(_) => Err(io::Error::other(LogError::Closed)),
        }
    }

    /// Makes what is applied durable, and lets the log know how far that is.
    async fn flush_state(&self) -> io::Result<()> {
        let state = Arc::clone(&self.state);
        let flush = move || -> io::Result<Option<LogId>> {
            // Read before the flush: what is applied meanwhile may not be in it.
            let applied = state.applied().map_err(io::Error::other)?;
            state.flush().map_err(io::Error::other)?;
            applied.map(|mark| from_bytes(&mark)).transpose()
        };
        let applied = offload(&self.reader.tasks, flush).await.map_err(io::Error::other)??;
        if let Some(applied) = applied {
            self.reader.log.note_state_flushed(applied.index);
        }
        Ok(())
    }
}

impl RaftLogStorage<TypeConfig> for LogStorage {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let log = &self.reader.log;
        let purged = log.purged().map(|purged| from_bytes(&purged.mark)).transpose()?;
        let last = match log.last_index() {
            Some(index) => self.reader.read(index..index.saturating_add(1), usize::MAX).await?,
            None => Vec::new(),
        };
        let last_log_id = last.last().map(|entry| entry.log_id());
        Ok(LogState { last_purged_log_id: purged, last_log_id: last_log_id.or(purged) })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let bytes = to_bytes(vote)?;
        self.durable(|log, on_durable| log.save_vote(bytes, on_durable)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        // There is no way back to nothing committed.
        let Some(committed) = committed else { return Ok(()) };
        self.reader.log.save_committed(to_bytes(&committed)?).map_err(io::Error::other)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        self.reader.log.committed().map(|bytes| from_bytes(&bytes)).transpose()
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encode = |entry: Entry| Ok((entry.index(), to_bytes(&entry)?));
        let entries = entries.into_iter().map(encode).collect::<io::Result<Vec<(u64, Bytes)>>>()?;
        let on_durable: OnDurable =
            Box::new(move |outcome| callback.io_completed(outcome.map_err(io::Error::other)));
        self.reader.log.append(entries, on_durable).map_err(io::Error::other)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let last = last_log_id.map(|id| id.index);
        self.durable(|log, on_durable| log.truncate_after(last, on_durable)).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        self.flush_state().await?;
        self.reader.log.purge_to(log_id.index, to_bytes(&log_id)?).map_err(io::Error::other)
    }
}

impl LogReader {
    /// The entries of `range` that exist, until `max_bytes` are reached; at least one if there is
    /// one.
    async fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Entry>> {
        let newest = self.log.last_index().map_or(0, |index| index.saturating_add(1));
        let read = if newest.saturating_sub(range.start) <= IN_MEMORY {
            self.log.read(range, max_bytes)
        } else {
            let log = self.log.clone();
            let read = offload(&self.tasks, move || log.read(range, max_bytes));
            read.await.map_err(io::Error::other)?
        };
        let entries = read.map_err(io::Error::other)?;
        entries.iter().map(|(_, bytes)| from_bytes(bytes)).collect()
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        self.read(half_open(&range), usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, self.max_bytes).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.log.vote().map(|bytes| from_bytes(&bytes)).transpose()
    }
}

/// Any range as one with an inclusive start and an exclusive end.
fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
