//! The delays of this node: how long what has come waits, and how long commits take. Kept as the
//! least of each interval, because a queue that is empty now and then only evens out bursts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use holdline_guard::Load;

/// All delays that are measured.
#[derive(Debug)]
pub(crate) struct Pressure {
    /// Of the dispatcher and of each shard.
    queues: Vec<Least>,
    commits: Least,
    /// Calls whose admission was decided.
    admissions: AtomicU64,
    /// Proposals for which there was no room.
    unproposed: AtomicU64,
}

/// The least since it was asked last.
#[derive(Debug)]
struct Least(AtomicU64);

/// Measures one queue by how it is emptied: what waits when a batch is taken has come, at the
/// earliest, when the batch before was taken, or later if the queue was empty since.
#[derive(Debug)]
pub(crate) struct QueueWatch {
    queue: usize,
    /// Since when the queue has not been seen empty.
    since: Option<Instant>,
}

impl Pressure {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            queues: (0..=shards).map(|_| Least::default()).collect(),
            commits: Least::default(),
            admissions: AtomicU64::new(0),
            unproposed: AtomicU64::new(0),
        }
    }

    /// Watches the dispatcher's queue.
    pub(crate) const fn dispatcher() -> QueueWatch {
        QueueWatch { queue: 0, since: None }
    }

    /// Watches a shard's queue.
    pub(crate) const fn shard(index: usize) -> QueueWatch {
        QueueWatch { queue: index + 1, since: None }
    }

    /// A proposal was decided after so long.
    pub(crate) fn committed(&self, after_ns: u64) {
        self.commits.note(after_ns);
    }

    /// The admission of a call was decided.
    pub(crate) fn admitted(&self) {
        self.admissions.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no room for a proposal.
    pub(crate) fn unproposed(&self) {
        self.unproposed.fetch_add(1, Ordering::Relaxed);
    }

    /// What was since the last time, without the timer's lateness.
    pub(super) fn take(&self) -> Load {
        Load {
            queue_ns: self.queues.iter().map(Least::take).max().unwrap_or(0),
            dropped: self.unproposed.swap(0, Ordering::Relaxed),
            lag_ns: 0,
            commit_ns: self.commits.take(),
            decided: self.admissions.swap(0, Ordering::Relaxed),
        }
    }

    fn note(&self, queue: usize, delay_ns: u64) {
        if let Some(queue) = self.queues.get(queue) {
            queue.note(delay_ns);
        }
    }
}

impl QueueWatch {
    /// A batch was taken from the queue now; `left` says whether something stayed behind.
    pub(crate) fn taken(&mut self, pressure: &Pressure, now: Instant, left: bool) {
        let waited = self.since.map_or(0, |since| nanos(now, since));
        pressure.note(self.queue, waited);
        // What was there has been taken: whatever comes now, comes after this moment.
        if !left || self.since.is_none() {
            self.since = Some(now);
        }
    }

    /// The queue was found empty, and is waited for.
    pub(crate) const fn idle(&mut self) {
        self.since = None;
    }
}

impl Default for Least {
    fn default() -> Self {
        Self(AtomicU64::new(NONE))
    }
}

impl Least {
    fn note(&self, value: u64) {
        self.0.fetch_min(value, Ordering::Relaxed);
    }

    /// 0 if nothing was noted.
    fn take(&self) -> u64 {
        let least = self.0.swap(NONE, Ordering::Relaxed);
        if least == NONE { 0 } else { least }
    }
}

pub(crate) fn nanos(later: Instant, earlier: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_nanos()).unwrap_or(u64::MAX)
}

const NONE: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_queue_that_is_empty_now_and_then_has_no_delay() {
        let pressure = Pressure::new(1);
        let mut watch = Pressure::shard(0);
        let start = crate::clock::Clock::start().monotonic();
        let at = |ms| start + Duration::from_millis(ms);
        watch.taken(&pressure, at(0), false);
        watch.taken(&pressure, at(30), false);
        watch.idle();
        watch.taken(&pressure, at(90), false);
        assert_eq!(pressure.take().queue_ns, 0);
    }

    #[test]
    fn a_standing_queue_shows_the_least_wait_of_the_interval() {
        let pressure = Pressure::new(1);
        let mut watch = Pressure::shard(0);
        let start = crate::clock::Clock::start().monotonic();
        let at = |ms| start + Duration::from_millis(ms);
        watch.taken(&pressure, at(0), true);
        pressure.take();
        watch.taken(&pressure, at(10), true);
        watch.taken(&pressure, at(25), true);
        assert_eq!(pressure.take().queue_ns, 10_000_000);
        watch.taken(&pressure, at(40), true);
        assert_eq!(pressure.take().queue_ns, 40_000_000, "it has been standing since");
        watch.taken(&pressure, at(50), false);
        pressure.take();
        watch.taken(&pressure, at(75), false);
        assert_eq!(pressure.take().queue_ns, 25_000_000, "a batch takes so long");
    }

    #[test]
    fn the_worst_queue_counts_and_commits_are_apart() {
        let pressure = Pressure::new(2);
        let start = crate::clock::Clock::start().monotonic();
        let (mut slow, mut fast) = (Pressure::shard(1), Pressure::dispatcher());
        for watch in [&mut slow, &mut fast] {
            watch.taken(&pressure, start, false);
        }
        pressure.take();
        slow.taken(&pressure, start + Duration::from_millis(30), false);
        fast.taken(&pressure, start + Duration::from_millis(1), false);
        pressure.committed(7);
        pressure.committed(5);
        assert_eq!(pressure.take(), Load { queue_ns: 30_000_000, commit_ns: 5, ..Load::default() });
        assert_eq!(pressure.take(), Load::default());
    }
}
