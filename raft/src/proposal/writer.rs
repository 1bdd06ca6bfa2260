//! The writer: makes batches of what waits, and has several decided at a time.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use holdline_model::limits;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::proposal::Undecided;
use crate::proposal::decider::Decider;
use crate::proposal::interval::Interval;
use crate::proposal::queue::Pending;

/// See the module's page.
pub(super) struct Writer {
    decider: Decider,
    /// Writes in flight at most.
    writes: NonZeroUsize,
    /// From the beginning of one write to that of the next, at least.
    interval: Interval,
    /// When the last write began.
    began: Instant,
    /// Taken from the queue, but not in a batch yet.
    next: Option<Pending>,
    /// It came while other writes were in flight.
    came_in_flight: bool,
}

impl Writer {
    pub(super) fn new(decider: Decider, writes: NonZeroUsize, interval: Duration) -> Self {
        let interval = Interval::new(interval);
        let began = Instant::now();
        Self { decider, writes, interval, began, next: None, came_in_flight: false }
    }

    pub(super) async fn run(
        mut self,
        mut waiting: mpsc::Receiver<Pending>,
        cancel: CancellationToken,
    ) {
        let mut writes = FuturesUnordered::new();
        loop {
            let (in_flight, may_begin) = (!writes.is_empty(), writes.len() < self.writes.get());
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(()) = writes.next() => {}
                batch = self.batch(&mut waiting, in_flight), if may_begin => match batch {
                    Some(batch) => {
                        writes.push(self.decider.clone().decide(batch, cancel.clone()));
                    }
                    None => break,
                },
            }
        }
        waiting.close();
        for pending in self.next.into_iter().chain(std::iter::from_fn(|| waiting.try_recv().ok())) {
            pending.tell(Err(Undecided::Stopped)).await;
        }
        while writes.next().await.is_some() {}
    }

    /// The next batch, when it may be written; `None` when nothing can come any more. Cancel-safe.
    async fn batch(
        &mut self,
        waiting: &mut mpsc::Receiver<Pending>,
        in_flight: bool,
    ) -> Option<Vec<Pending>> {
        if self.next.is_none() {
            self.next = Some(waiting.recv().await?);
            self.came_in_flight = in_flight;
        }
        let free_at = self.began + self.interval.length();
        if Instant::now() < free_at {
            tokio::time::sleep_until(free_at).await;
        }
        let first = self.next.take()?;
        let batch = self.collect(first, waiting);
        let now = Instant::now();
        self.interval.wrote(batch.len(), now - self.began, self.came_in_flight);
        self.began = now;
        metrics::histogram!("holdline_propose_batch_commands").record(batch.len() as f64);
        Some(batch)
    }

    /// Everything that waits, as far as it fits into an entry.
    fn collect(&mut self, first: Pending, waiting: &mut mpsc::Receiver<Pending>) -> Vec<Pending> {
        let mut bytes = first.command.len();
        let mut batch = vec![first];
        while batch.len() < limits::MAX_BATCH_COMMANDS {
            let Ok(pending) = waiting.try_recv() else { break };
            bytes += pending.command.len();
            if bytes > limits::MAX_BATCH_BYTES {
                (self.next, self.came_in_flight) = (Some(pending), true);
                break;
            }
            batch.push(pending);
        }
        batch
    }
}
