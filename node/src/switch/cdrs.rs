//! Keeps call detail records findable and their number bounded: makes the index, and, where this node
//! leads, has records purged that are older than the retention.
//!
//! Whoever leads looks which records are old enough; that they go is an entry of the log, so they go
//! at the same place everywhere. A purge that was decided by a retention, or a floor, that is no more
//! does nothing, so one that is late or repeated does no harm.

use std::time::Duration;

use holdline_model::{CdrCommand, CdrId, Command, Millis, PurgeCdrs, limits};
use holdline_raft::{RaftHandle, aside, offload};
use holdline_storage::{Oldest, StateError, StateReader};
use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::clock::Clock;

/// What the task needs.
#[derive(Debug)]
pub(crate) struct CdrKeeper {
    pub(crate) raft: RaftHandle,
    pub(crate) state: StateReader,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
}

/// Runs until `stop` is cancelled.
pub(crate) async fn run(keeper: CdrKeeper, stop: CancellationToken) {
    let (mut purged_at, mut compacted_at) = (keeper.clock.monotonic(), keeper.clock.monotonic());
    let mut compacted = keeper.state.cdr_keeping().floor;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INDEX_EVERY) => {}
        }
        keeper.index().await;
        let now = keeper.clock.monotonic();
        if now.saturating_duration_since(purged_at) >= PURGE_EVERY {
            purged_at = now;
            if keeper.raft.leadership().borrow().is_me {
                keeper.purge_old().await;
            }
        }
        let floor = keeper.state.cdr_keeping().floor;
        if floor > compacted && now.saturating_duration_since(compacted_at) >= COMPACT_EVERY {
            (compacted, compacted_at) = (floor, now);
            keeper.compact().await;
        }
    }
}

impl CdrKeeper {
    async fn index(&self) {
        loop {
            let Some(lot) = self.read(|state| state.index_cdrs(LOT)).await else { return };
            counter!("holdline_cdrs_indexed_total").increment(lot.indexed as u64);
            if !lot.more {
                return;
            }
            // After a restart with many records others want to work, too.
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Has those purged that are too old, a bounded lot an entry, as long as there are whole lots.
    async fn purge_old(&self) {
        let keeping = self.state.cdr_keeping();
        gauge!("holdline_cdr_sinks").set(count(keeping.sinks.len()));
        if keeping.keep_ms == 0 {
            return;
        }
        let now = self.clock.now();
        let cutoff = Millis(now.0.saturating_sub(keeping.keep_ms));
        loop {
            match purge(&self.raft, &self.state, &self.tasks, cutoff, false, now).await {
                Ok(Lot { records, .. }) if records < LOT => return,
                Ok(_) => {}
                Err(error) => {
                    warn!(%error, "old CDRs could not be purged; trying again");
                    return;
                }
            }
        }
    }

    async fn compact(&self) {
        info!("giving back the room of purged CDRs");
        self.read(StateReader::compact_cdrs).await;
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StateReader) -> Result<T, StateError> + Send + 'static,
    ) -> Option<T> {
        let state = self.state.clone();
        match aside(&self.tasks, move || read(&state)).await {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                error!(%error, "the index of CDRs cannot be written");
                None
            }
            Err(_) => None,
        }
    }
}

/// What a purge took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lot {
    /// How many records.
    pub(crate) records: usize,
    /// The entry that took them, if any.
    pub(crate) index: Option<u64>,
}

/// Why a lot was not purged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PurgeError {
    /// The records cannot be looked at.
    #[error(transparent)]
    State(#[from] StateError),
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// It was not decided.
    #[error(transparent)]
    Propose(#[from] holdline_raft::ProposeError),
    /// It was decided that nothing happens.
    #[error("{0}")]
    Rejected(holdline_model::Rejection),
    /// The reply is not one to this command.
    #[error("the outcome is unknown")]
    Unknown,
}

/// Has a lot of the oldest records purged, of calls that ended before `cutoff`.
pub(crate) async fn purge(
    raft: &RaftHandle,
    state: &StateReader,
    tasks: &TaskTracker,
    cutoff: Millis,
    forced: bool,
    at: Millis,
) -> Result<Lot, PurgeError> {
    let keeping = state.cdr_keeping();
    let last = keeping.slowest().map(|sink| sink.cursor).filter(|_| !forced);
    let reader = state.clone();
    let look = move || reader.oldest_cdrs(cutoff, last, LOT);
    let found = offload(tasks, look).await.map_err(|_| PurgeError::Stopping)?;
    let Oldest { before, records } = found?;
    if records == 0 {
        return Ok(Lot { records: 0, index: None });
    }
    let (floor, version) = (keeping.floor, keeping.version);
    let purge = PurgeCdrs { before, records, floor, version, forced, at };
    let reply = raft.propose(&Command::Cdr(CdrCommand::Purge(purge))).await?;
    let index = reply.entry().ok_or(PurgeError::Unknown)?.map_err(PurgeError::Rejected)?;
    counter!("holdline_cdrs_purged_total").increment(u64::from(records));
    info!(records, %before, forced, "old CDRs are purged");
    wait_for_floor(state, before).await;
    Ok(Lot { records: records as usize, index: Some(index) })
}

/// Until this node has applied a purge, the next lot would be decided by an old floor.
async fn wait_for_floor(state: &StateReader, floor: CdrId) {
    for _ in 0..FLOOR_LOOKS {
        if state.cdr_keeping().floor >= floor {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn count(number: usize) -> f64 {
    number as f64
}

/// How often it is looked for records that are not indexed.
const INDEX_EVERY: Duration = Duration::from_secs(1);

/// How often the leader looks for records that are too old.
const PURGE_EVERY: Duration = Duration::from_secs(10);

/// How often the room of purged records is given back, at most.
const COMPACT_EVERY: Duration = Duration::from_secs(3_600);

/// Between two lots.
const PAUSE: Duration = Duration::from_millis(10);

/// How often it is looked whether a purge is applied here.
const FLOOR_LOOKS: u32 = 100;

/// Records in a lot.
const LOT: usize = {
    assert!(4_096 <= limits::PURGE_LIMIT, "a lot is what an entry may purge");
    4_096
};
