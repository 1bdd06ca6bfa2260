//! Reads that show everything that was committed before they were asked for, at any node; and how old
//! the state is that a node shows without asking.
//!
//! A linearizable read asks the leader for the index up to which entries are committed; the leader
//! answers when a majority has confirmed that it leads. The node then waits until it has applied that
//! entry, and reads its own copy. Whatever was committed anywhere before the question was asked is in it.
//!
//! Each node asks so by itself, too, twice a second, on the leader's lease, without a round of its own:
//! the moment of the last question that was answered, and whose entry is applied, is what the state is
//! as old as. A node that is cut off gets no answers: its state grows older.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openraft::raft::ReadPolicy;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::RaftInstance;
use crate::clock;
use crate::handle::RaftHandle;
use crate::leadership::Leadership;
use crate::network::peers::{Lane, Peers};
use crate::network::wire::{ReadIndexAnswer, ReadIndexAsk};

/// A read cannot be linearizable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader that a majority follows answered in time.
    #[error("no leader that a majority follows answered within {} ms", within.as_millis())]
    NoMajority {
        /// How long was waited.
        within: Duration,
    },
    /// The leader answered, but this node has not applied what it named.
    #[error("this node has not caught up with entry {index} within {} ms", within.as_millis())]
    Behind {
        /// The entry that was to be applied.
        index: u64,
        /// How long was waited.
        within: Duration,
    },
}

/// When the state was last known to be complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Freshness(Arc<Mutex<Option<Instant>>>);

impl RaftHandle {
    /// Waits until this node's state holds everything that was committed before this was called.
    ///
    /// # Errors
    /// [`ReadError`] after `within`.
    pub async fn linearize(&self, within: Duration) -> Result<(), ReadError> {
        let asked = clock::now();
        let end = asked + within;
        let index = loop {
            let left = end.saturating_duration_since(clock::now());
            if let Some(index) = self.read_index(left, false).await {
                break index;
            }
            if clock::now() + PAUSE >= end {
                return Err(ReadError::NoMajority { within });
            }
            sleep(PAUSE).await;
        };
        if !self.applied_by(index, end).await {
            return Err(ReadError::Behind { index, within });
        }
        self.shared.fresh.at_least(asked);
        Ok(())
    }

    /// How old the state is that this node shows: everything that was committed that long ago is in
    /// it. `None` if that was never known since it started.
    #[must_use]
    pub fn state_age(&self) -> Option<Duration> {
        let fresh = self.shared.fresh.get()?;
        Some(clock::now().saturating_duration_since(fresh))
    }

    /// Asks the leader, whoever it is, for the index that is to be applied.
    async fn read_index(&self, within: Duration, on_lease: bool) -> Option<u64> {
        let leadership: Leadership = self.shared.leadership.borrow().clone();
        if leadership.is_me {
            return timeout(within, here(&self.shared.raft, on_lease)).await.ok()?;
        }
        let (leader, address) = leadership.leader?;
        let peers: &Peers = &self.shared.peers;
        if peers.is_cut(leader) {
            return None;
        }
        let ask = peers.envelope(leader, ReadIndexAsk { on_lease });
        let mut client = peers.client(address, Lane::Pulse);
        let answer = timeout(within, client.read_index(ask)).await.ok()?.ok()?.into_inner();
        match answer {
            ReadIndexAnswer::At(index) => Some(index),
            ReadIndexAnswer::NotNow => None,
        }
    }

    async fn applied_by(&self, index: u64, end: Instant) -> bool {
        while self.applied_index().is_none_or(|applied| applied < index) {
            if clock::now() >= end {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }
}

/// On the leader: the index up to which entries are committed, once it is sure to lead.
pub(crate) async fn here(raft: &RaftInstance, on_lease: bool) -> Option<u64> {
    let policy = if on_lease { ReadPolicy::LeaseRead } else { ReadPolicy::ReadIndex };
    let linearizer = raft.get_read_linearizer(policy).await.ok()?;
    Some(linearizer.read_log_id().index())
}

/// Asks twice a second how far the state must be, and notes when it was.
pub(crate) async fn watch_freshness(
    handle: RaftHandle,
    mut leadership: watch::Receiver<Leadership>,
    cancel: CancellationToken,
) {
    loop {
        let asked = clock::now();
        if let Some(index) = handle.read_index(EVERY, true).await
            && handle.applied_by(index, asked + EVERY).await
        {
            handle.shared.fresh.at_least(asked);
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = sleep(EVERY) => {}
            changed = leadership.changed() => if changed.is_err() { return },
        }
    }
}

impl Freshness {
    fn at_least(&self, at: Instant) {
        let mut fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *fresh = (*fresh).max(Some(at));
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between two questions, as long as there is time.
const PAUSE: Duration = Duration::from_millis(20);

/// How often it is looked whether an entry is applied.
const LOOK: Duration = Duration::from_millis(1);

/// How often a node asks by itself.
const EVERY: Duration = Duration::from_millis(500);
