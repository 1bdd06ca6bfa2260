//! Applies entries to the state.
//!
//! All entries that openraft hands over at once make one batch, written together with the mark of
//! the last of them. Only then are proposers answered, and only then are the actions sent on: in
//! log order, over one bounded channel; apply waits while it is full.
//!
//! Invariant: an error of the state ends apply for good (openraft stops, see
//! [`crate::RaftHandle::fatal`]); whatever is wrong with a command is a reply.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use holdline_apply::{Action, Position, apply};
use holdline_model::{Command, Rejection, Reply, limits};
use holdline_storage::{StateBatch, StateStore, codec};
use openraft::entry::RaftEntry;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use tokio::sync::mpsc;

use crate::clock;
use crate::store::mark::{from_bytes, to_bytes};
use crate::store::snapshot::{SnapshotBuilder, SnapshotData, Snapshots};
use crate::types::{Batch, LogId, Replies, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};

/// What applying entries has brought about, for the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Entries up to `index` were applied, with these actions, in log order.
    Actions {
        /// Index of the last entry.
        index: u64,
        /// What they ask for; never empty.
        actions: Vec<Action>,
    },
    /// The whole state was replaced by a snapshot that reaches up to `index`: whatever the node
    /// remembers of it is to be read again.
    Replaced {
        /// Index of the last entry in the snapshot.
        index: u64,
    },
}

/// The state as openraft sees it.
#[derive(Debug)]
pub(crate) struct StateMachine {
    state: Arc<StateStore>,
    snapshots: Snapshots,
    applied: mpsc::Sender<Applied>,
    /// Whether to send what was applied: not what is applied again while the node starts, because
    /// the node reads the state after that, and nobody would empty the channel.
    live: Arc<AtomicBool>,
}

/// What is applied but not yet written.
struct Work {
    batch: StateBatch,
    /// The last entry.
    last: LogId,
    entries: usize,
    commands: usize,
    replies: Vec<(ApplyResponder<TypeConfig>, Replies)>,
    actions: Vec<Action>,
}

/// Entries that one batch holds at most: it bounds memory while a log is caught up with.
const BATCH_ENTRIES: usize = 1_024;

impl StateMachine {
    pub(crate) fn new(
        state: Arc<StateStore>,
        snapshots: Snapshots,
        applied: mpsc::Sender<Applied>,
        live: Arc<AtomicBool>,
    ) -> Self {
        Self { state, snapshots, applied, live }
    }

    fn begin(&self, last: LogId) -> Work {
        let batch = self.state.batch();
        Work { batch, last, entries: 0, commands: 0, replies: Vec::new(), actions: Vec::new() }
    }

    /// Writes the batch, answers, sends the actions.
    async fn finish(&self, work: Work) -> io::Result<()> {
        let mark = to_bytes(&work.last)?;
        work.batch.commit(&mark).map_err(io::Error::other)?;
        metrics::counter!("holdline_applied_entries_total").increment(work.entries as u64);
        metrics::counter!("holdline_applied_commands_total").increment(work.commands as u64);
        for (responder, replies) in work.replies {
            responder.send(replies);
        }
        if !work.actions.is_empty() {
            self.send(Applied::Actions { index: work.last.index, actions: work.actions }).await;
        }
        Ok(())
    }

    async fn send(&self, applied: Applied) {
        if self.live.load(Ordering::Acquire) && self.applied.send(applied).await.is_err() {
            // The node is stopping: what it does not hear of now, it reads when it starts.
            tracing::debug!("nobody waits for what was applied");
        }
    }
}

impl Work {
    fn add(
        &mut self,
        entry: crate::types::Entry,
        responder: Option<ApplyResponder<TypeConfig>>,
    ) -> io::Result<()> {
        self.last = entry.log_id();
        self.entries += 1;
        let replies = match entry.payload {
            EntryPayload::Blank => Replies::default(),
            EntryPayload::Normal(batch) => self.apply(&batch)?,
            EntryPayload::Membership(membership) => {
                let stored = StoredMembership::new(Some(self.last), membership);
                self.batch.put_membership(&to_bytes(&stored)?);
                Replies::default()
            }
        };
        self.replies.extend(responder.map(|responder| (responder, replies)));
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) -> io::Result<Replies> {
        let mut replies = Vec::with_capacity(batch.commands.len());
        for (position, command) in (0_u32..).zip(&batch.commands) {
            replies.push(self.apply_one(position, command)?);
        }
        self.commands += replies.len();
        Ok(Replies(replies))
    }

    fn apply_one(&mut self, position: u32, command: &Bytes) -> io::Result<Reply> {
        if usize::try_from(position).is_ok_and(|at| at >= limits::MAX_BATCH_COMMANDS) {
            return Ok(out_of_bounds("the number of commands in an entry"));
        }
        let Ok(command) = codec::decode::<Command>(command) else {
            metrics::counter!("holdline_applied_undecodable_total").increment(1);
            return Ok(out_of_bounds("the encoding of a command"));
        };
        let position = Position { index: self.last.index, position };
        apply(&mut self.batch, position, &command, &mut self.actions).map_err(io::Error::other)
    }
}

fn out_of_bounds(what: &str) -> Reply {
    Reply::Rejected(Rejection::OutOfBounds { what: what.to_owned() })
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.state.applied().map_err(io::Error::other)?;
        let applied = applied.map(|mark| from_bytes(&mark)).transpose()?;
        let membership = self.state.membership().map_err(io::Error::other)?;
        let membership = membership.map(|bytes| from_bytes(&bytes)).transpose()?;
        Ok((applied, membership.unwrap_or_default()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let started = clock::now();
        let mut work: Option<Work> = None;
        while let Some((entry, responder)) = entries.try_next().await? {
            let current = work.get_or_insert_with(|| self.begin(entry.log_id()));
            current.add(entry, responder)?;
            if current.entries >= BATCH_ENTRIES
                && let Some(full) = work.take()
            {
                self.finish(full).await?;
            }
        }
        if let Some(rest) = work {
            self.finish(rest).await?;
        }
        metrics::histogram!("holdline_apply_seconds").record(clock::now() - started);
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder::new(&self.state, &self.snapshots)
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> io::Result<()> {
        self.snapshots.install(&self.state, snapshot).await?;
        let index = meta.last_log_id.map_or(0, |id| id.index);
        self.send(Applied::Replaced { index }).await;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let current = self.snapshots.current().await?;
        if current.is_some() || !self.snapshots.has_damaged() {
            return Ok(current);
        }
        // Followers that need one would wait for the next that is due.
        tracing::warn!("the newest snapshot is damaged: another one is built");
        self.snapshots.build(&self.state).await.map(Some)
    }
}
