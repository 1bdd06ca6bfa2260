//! Which entries there are, and the last of them in memory.
//!
//! Invariant: entries that are not yet in the engine are in the window, however many they are;
//! how many that can be is bounded by the flusher's queue.

use std::collections::VecDeque;

use bytes::Bytes;

/// The log's bounds and its last entries.
#[derive(Debug)]
pub(super) struct Window {
    /// The first entry that was not purged.
    first: u64,
    /// The entry to come.
    next: u64,
    /// The last entries, up to `next`, exclusive.
    tail: VecDeque<Bytes>,
    tail_bytes: usize,
    /// Entries before this one are in the engine.
    written: u64,
    /// Counts truncations, so that the report of an old write does not vouch for new entries
    /// with the same indices.
    generation: u64,
}

impl Window {
    pub(super) fn new(first: u64, next: u64) -> Self {
        let (tail, tail_bytes) = (VecDeque::new(), 0);
        Self { first, next, tail, tail_bytes, written: next, generation: 0 }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.next
    }

    /// The first entry in memory, or `next`.
    pub(super) fn tail_first(&self) -> u64 {
        self.next - self.tail.len() as u64
    }

    /// An entry in memory.
    pub(super) fn entry(&self, index: u64) -> Option<&Bytes> {
        let at = index.checked_sub(self.tail_first())?;
        self.tail.get(usize::try_from(at).ok()?)
    }

    /// Whether entries from `index` on may be appended: they follow the last one; an empty log
    /// may also go on further up.
    pub(super) fn follows(&self, index: u64) -> bool {
        index == self.next || (self.is_empty() && index > self.next)
    }

    pub(super) fn append(&mut self, entries: &[(u64, Bytes)]) {
        if let Some((index, _)) = entries.first()
            && *index != self.next
        {
            self.restart(*index);
        }
        for (_, bytes) in entries {
            self.tail_bytes += bytes.len();
            self.tail.push_back(bytes.clone());
            self.next += 1;
        }
    }

    /// Removes the entries from `from` on.
    pub(super) fn truncate(&mut self, from: u64) {
        let from = from.max(self.first);
        while self.next > from && !self.tail.is_empty() {
            self.tail_bytes -= self.tail.pop_back().map_or(0, |bytes| bytes.len());
            self.next -= 1;
        }
        self.next = self.next.min(from);
        self.written = self.written.min(self.next);
        self.generation += 1;
    }

    /// Removes the entries before `to`.
    pub(super) fn purge(&mut self, to: u64) {
        if to >= self.next {
            self.restart(to);
            return;
        }
        while self.tail_first() < to && !self.tail.is_empty() {
            self.pop_front();
        }
        self.first = self.first.max(to);
    }

    /// The entries before `to` of a generation are in the engine: what is above the bounds goes.
    pub(super) fn written(&mut self, to: u64, generation: u64, entries: usize, bytes: usize) {
        if generation != self.generation {
            return;
        }
        self.written = self.written.max(to.min(self.next));
        while (self.tail.len() > entries || self.tail_bytes > bytes)
            && self.tail_first() < self.written
        {
            self.pop_front();
        }
    }

    fn restart(&mut self, at: u64) {
        self.tail.clear();
        self.tail_bytes = 0;
        self.first = at;
        self.next = at;
        self.written = at;
        self.generation += 1;
    }

    fn pop_front(&mut self) {
        self.tail_bytes -= self.tail.pop_front().map_or(0, |bytes| bytes.len());
    }
}
