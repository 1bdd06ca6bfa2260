//! The one thread that writes the log, and the queue before it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bytes::Bytes;
use holdline_model::GroupId;

use crate::engine::{Batch, Durability, Engine, EngineError, Table};
use crate::log::job::{Change, Job};
use crate::log::keys::{Purged, synced_key};
use crate::log::window::Window;
use crate::log::{LogError, LogOptions, SyncMark};

/// Called when something is queued in a log without a thread: whoever is woken calls
/// [`LogStore::flush_queued`](crate::LogStore::flush_queued). It must not call the log itself.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What the log's users and its flusher share.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) group: GroupId,
    options: LogOptions,
    inner: Mutex<Inner>,
    /// Something was queued, or the log was closed.
    work: Condvar,
    /// The queue was emptied, or the log failed.
    room: Condvar,
    /// Whom to wake in place of the thread.
    wake: Option<Wake>,
    /// Where synced writes are counted, and how many there were.
    marked: Option<(SyncMark, AtomicU64)>,
}

/// What the lock guards: the log as its users see it, and the queue.
pub(super) struct Inner {
    pub(super) window: Window,
    pub(super) vote: Option<Bytes>,
    pub(super) committed: Option<Bytes>,
    /// The committed mark is newer than the stored one. It is written with whatever is next.
    pub(super) committed_unsaved: bool,
    pub(super) purged: Option<Purged>,
    pub(super) state_flushed: Option<u64>,
    queue: VecDeque<Job>,
    queued_bytes: usize,
    /// How many wait for room in the queue.
    waiting: usize,
    failed: Option<EngineError>,
    closed: bool,
}

/// The running thread. Dropping it lets the thread write what is queued and end.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self, LogError> {
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(format!("log-flush-{}", shared.group))
            .spawn(move || worker.run())
            .map_err(|error| LogError::NoThread { text: error.to_string() })?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        let Some(thread) = self.thread.take() else { return };
        // A callback may hold the last clone of the log: the thread cannot wait for itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the log's flusher thread had panicked");
        }
    }
}

impl Inner {
    pub(super) fn new(
        window: Window,
        vote: Option<Bytes>,
        committed: Option<Bytes>,
        purged: Option<Purged>,
    ) -> Self {
        Self {
            window,
            vote,
            committed,
            committed_unsaved: false,
            purged,
            state_flushed: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            waiting: 0,
            failed: None,
            closed: false,
        }
    }

    fn check(&self) -> Result<(), LogError> {
        match &self.failed {
            Some(cause) => Err(LogError::Failed { cause: cause.clone() }),
            None if self.closed => Err(LogError::Closed),
            None => Ok(()),
        }
    }

    /// Everything that is queued, and the committed mark if it is to be written; empty if nothing is
    /// queued.
    fn take_queued(&mut self) -> VecDeque<Job> {
        self.queued_bytes = 0;
        let mut jobs = std::mem::take(&mut self.queue);
        if !jobs.is_empty() {
            jobs.extend(self.unsaved_mark());
        }
        jobs
    }

    /// The committed mark, if it is to be written.
    fn unsaved_mark(&mut self) -> Option<Job> {
        let unsaved = std::mem::take(&mut self.committed_unsaved);
        let mark = self.committed.clone().filter(|_| unsaved)?;
        Some(Job { change: Change::Committed(mark), on_durable: None })
    }
}

impl Shared {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        group: GroupId,
        options: LogOptions,
        inner: Inner,
        wake: Option<Wake>,
    ) -> Self {
        let (work, room) = (Condvar::new(), Condvar::new());
        let inner = Mutex::new(inner);
        Self { engine, group, options, inner, work, room, wake, marked: None }
    }

    /// Counts synced writes from now on.
    pub(super) fn keep(&mut self, mark: SyncMark, made: u64) {
        self.marked = Some((mark, AtomicU64::new(made)));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks, unless nothing can be written any more.
    pub(super) fn usable(&self) -> Result<MutexGuard<'_, Inner>, LogError> {
        let inner = self.lock();
        inner.check()?;
        Ok(inner)
    }

    /// Locks, with room for one more job in the queue.
    pub(super) fn wait_for_room(&self) -> Result<MutexGuard<'_, Inner>, LogError> {
        let mut inner = self.lock();
        let mut counted = false;
        loop {
            inner.check()?;
            let full = inner.queue.len() >= self.options.queue_jobs.get()
                || inner.queued_bytes >= self.options.queue_bytes.get();
            if !full {
                return Ok(inner);
            }
            if !counted {
                metrics::counter!("holdline_log_queue_full_total").increment(1);
                counted = true;
            }
            if self.wake.is_some() {
                // Nobody else makes room: the caller is on the only thread.
                drop(inner);
                self.flush_queued();
                inner = self.lock();
                continue;
            }
            inner.waiting += 1;
            inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.waiting -= 1;
        }
    }

    pub(super) fn push(&self, mut inner: MutexGuard<'_, Inner>, job: Job) {
        inner.queued_bytes += job.change.bytes();
        inner.queue.push_back(job);
        drop(inner);
        match &self.wake {
            Some(wake) => wake(),
            None => self.work.notify_one(),
        }
    }

    /// Writes what is queued, as the thread would.
    pub(super) fn flush_queued(&self) {
        let jobs = self.lock().take_queued();
        if !jobs.is_empty() {
            self.carry_out(jobs);
        }
    }

    fn run(&self) {
        while let Some(jobs) = self.take() {
            if !self.carry_out(jobs) {
                return;
            }
        }
    }

    /// Writes jobs and tells those who wait; false if the log has failed.
    fn carry_out(&self, jobs: VecDeque<Job>) -> bool {
        match self.write(&jobs) {
            Ok(()) => {
                self.report_written(jobs);
                true
            }
            Err(cause) => {
                self.report_failed(jobs, cause);
                false
            }
        }
    }

    /// Waits for jobs and takes all there are; `None` when the log is closed and all is written.
    fn take(&self) -> Option<VecDeque<Job>> {
        let mut inner = self.lock();
        while inner.queue.is_empty() {
            if inner.closed {
                return inner.unsaved_mark().map(|job| VecDeque::from([job]));
            }
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let jobs = inner.take_queued();
        // To wake nobody is a system call, too.
        let awaited = inner.waiting > 0;
        drop(inner);
        if awaited {
            self.room.notify_all();
        }
        Some(jobs)
    }

    fn write(&self, jobs: &VecDeque<Job>) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        for job in jobs {
            job.change.write_to(self.group, &mut batch);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let synced = jobs.iter().any(|job| job.change.needs_sync());
        let entries: usize = jobs.iter().map(|job| job.change.entries()).sum();
        metrics::counter!("holdline_log_written_bytes_total").increment(batch.bytes() as u64);
        if !synced {
            return self.engine.write(batch, Durability::Buffered);
        }
        let started = now();
        let marked = self.marked.as_ref().map(|(mark, made)| {
            let number = made.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let bytes = Bytes::copy_from_slice(&number.to_be_bytes());
            batch.put(Table::Vote, synced_key(self.group), bytes);
            (mark, number)
        });
        self.engine.write(batch, Durability::Synced)?;
        if let Some((mark, number)) = marked {
            mark.note(number);
        }
        metrics::histogram!("holdline_log_sync_seconds").record(started.elapsed());
        metrics::histogram!("holdline_log_batch_entries").record(count(entries));
        metrics::histogram!("holdline_log_batch_jobs").record(count(jobs.len()));
        Ok(())
    }

    fn report_written(&self, jobs: VecDeque<Job>) {
        let mut inner = self.lock();
        let (entries, bytes) = (self.options.tail_entries, self.options.tail_bytes);
        for job in &jobs {
            if let Change::Append { entries: appended, generation } = &job.change
                && let Some((last, _)) = appended.last()
            {
                inner.window.written(last.saturating_add(1), *generation, entries, bytes);
            }
        }
        drop(inner);
        for on_durable in jobs.into_iter().filter_map(|job| job.on_durable) {
            on_durable(Ok(()));
        }
    }

    fn report_failed(&self, jobs: VecDeque<Job>, cause: EngineError) {
        metrics::counter!("holdline_log_failures_total").increment(1);
        let mut inner = self.lock();
        inner.failed = Some(cause.clone());
        inner.queued_bytes = 0;
        let waiting = std::mem::take(&mut inner.queue);
        drop(inner);
        self.room.notify_all();
        for on_durable in jobs.into_iter().chain(waiting).filter_map(|job| job.on_durable) {
            on_durable(Err(LogError::Failed { cause: cause.clone() }));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures a metric; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
