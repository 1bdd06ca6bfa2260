//! Makes the state of a backup that of a new cluster: its members, its slots, no calls.
//!
//! All nodes of the new cluster are restored from the same backup, and all of this follows from the
//! backup and the members alone, so all of them begin with the same state, as if each had installed
//! the same snapshot: the same entry applied last, the same membership, an empty log after it, and a
//! vote in the backup's term, so that the next election is of a later one.
//!
//! Calls that were up are ended as of the backup, by the switch: their peers have gone on without us,
//! and what happened to them since is not known. Each gets its CDR, none a BYE. Tombstones go.
//!
//! Invariant: no call is billed beyond the moment of the backup.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use holdline_apply::{Position, apply};
use holdline_model::{
    CallChange, CallCommand, CallRecord, Cause, ClusterId, ClusterRecord, Command, Disposition,
    End, Fail, GroupId, HangupBy, Millis, NodeId, NodeRole, OwnerSpan, Phase, Reply, SlotRecord,
    State as _, Sweep, TransferReason, limits,
};
use holdline_storage::{Engine, LogOptions, LogStore, SnapshotStore, StateBatch, StateStore};
use openraft::Membership;

use crate::store::mark::{from_bytes, to_bytes};
use crate::types::{LogId, Member, StoredMembership, Vote};

/// What the state of a backup is made into.
#[derive(Debug)]
pub struct Restore<'a> {
    /// Holds the records of the backup, and nothing else.
    pub engine: Arc<dyn Engine>,
    /// An empty folder of snapshots.
    pub snapshots: &'a SnapshotStore,
    /// The group.
    pub group: GroupId,
    /// The new cluster.
    pub cluster: ClusterId,
    /// Its members.
    pub members: BTreeMap<NodeId, Member>,
    /// When the backup was taken.
    pub at: Millis,
}

/// What was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Index of the last entry that counts as applied.
    pub index: u64,
    /// Calls that were ended.
    pub calls_ended: u64,
    /// Slots whose home or owner is no member, and that were dealt out anew.
    pub slots_dealt: u64,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Storage failed, or the records do not fit together.
    #[error("the state of the backup cannot be put in place: {0}")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The state was never that of a formed cluster.
    #[error("the backup is of a cluster that was not formed")]
    NotFormed,
    /// A call could not be ended.
    #[error("call {call} of the backup cannot be ended: {reply:?}")]
    Call {
        /// Which.
        call: holdline_model::CallId,
        /// What apply said.
        reply: Reply,
    },
}

impl Restore<'_> {
    /// Does it, durably. Blocks on the disk.
    ///
    /// # Errors
    /// See [`RestoreError`]; what the engine holds then is of no use.
    pub fn run(self) -> Result<Restored, RestoreError> {
        let store = StateStore::open(Arc::clone(&self.engine), self.group, self.snapshots)
            .map_err(storage)?;
        let applied = store.applied().map_err(storage)?.ok_or(RestoreError::NotFormed)?;
        let applied: LogId = from_bytes(&applied).map_err(storage)?;
        let mut batch = store.batch();
        let cluster = batch.cluster().map_err(storage)?.ok_or(RestoreError::NotFormed)?;
        batch.put_cluster(&ClusterRecord { cluster: self.cluster, ..cluster }).map_err(storage)?;
        let slots_dealt = self.deal_slots(&mut batch)?;
        commit(batch, &applied)?;
        let (mut index, calls_ended) = self.end_calls(&store, &applied)?;
        index += 1;
        let last = LogId::new(applied.leader_id, index);
        let voters = self.members.keys().copied().collect();
        let membership = Membership::new(vec![voters], self.members.clone()).map_err(storage)?;
        let stored = StoredMembership::new(Some(last), membership);
        let mut batch = store.batch();
        batch.put_membership(&to_bytes(&stored).map_err(storage)?);
        commit(batch, &last)?;
        store.flush().map_err(storage)?;
        self.begin_log(&last)?;
        Ok(Restored { index, calls_ended, slots_dealt })
    }

    /// Gives slots of nodes that are no members to members, in turn.
    fn deal_slots(&self, batch: &mut StateBatch) -> Result<u64, RestoreError> {
        let owners = self.members.iter().filter(|(_, member)| member.role != NodeRole::Witness);
        let mut heirs = owners.map(|(node, _)| *node).collect::<Vec<_>>().into_iter().cycle();
        let mut dealt = 0;
        for slot in batch.slots().map_err(storage)? {
            let is_ours = |node| self.members.contains_key(&node);
            if is_ours(slot.home) && is_ours(slot.owner) {
                continue;
            }
            let Some(heir) = heirs.next() else { break };
            let home = if is_ours(slot.home) { slot.home } else { heir };
            batch.put_slot(&self.handed_to(slot, home)).map_err(storage)?;
            dealt += 1;
        }
        Ok(dealt)
    }

    fn handed_to(&self, mut slot: SlotRecord, node: NodeId) -> SlotRecord {
        (slot.home, slot.owner) = (node, node);
        slot.epoch.0 += 1;
        let (epoch, since, reason) = (slot.epoch, self.at, TransferReason::Failure);
        slot.history.push(OwnerSpan { node, epoch, since, reason });
        let excess = slot.history.len().saturating_sub(limits::SLOT_HISTORY);
        slot.history.drain(..excess);
        slot
    }

    /// Ends all calls and removes what is left of them; the last index used, and how many there were.
    fn end_calls(&self, store: &StateStore, applied: &LogId) -> Result<(u64, u64), RestoreError> {
        let (reader, mut index, mut ended) = (store.reader(), applied.index, 0);
        for slot in reader.slots() {
            let mut up = Vec::new();
            reader
                .for_each_call(slot.slot, |call| {
                    up.extend((call.phase != Phase::Finished).then_some(call));
                    ControlFlow::Continue(())
                })
                .map_err(storage)?;
            for lot in up.chunks(limits::MAX_BATCH_COMMANDS) {
                index += 1;
                let mut batch = store.batch();
                for (position, call) in (0_u32..).zip(lot) {
                    self.end(&mut batch, Position { index, position }, call, &slot)?;
                }
                commit(batch, &LogId::new(applied.leader_id, index))?;
                ended += lot.len() as u64;
            }
        }
        loop {
            index += 1;
            let mut batch = store.batch();
            let sweep = Command::Sweep(Sweep { up_to: Millis(u64::MAX) });
            let position = Position { index, position: 0 };
            let swept = apply(&mut batch, position, &sweep, &mut Vec::new()).map_err(storage)?;
            commit(batch, &LogId::new(applied.leader_id, index))?;
            if swept == Reply::Count(0) {
                return Ok((index, ended));
            }
        }
    }

    fn end(
        &self,
        batch: &mut StateBatch,
        position: Position,
        record: &CallRecord,
        slot: &SlotRecord,
    ) -> Result<(), RestoreError> {
        let (by, call) = (HangupBy::Switch, record.call);
        let cause = Cause { status: 503, text: "restored from a backup".into() };
        let change = match record.phase {
            Phase::Inviting => CallChange::Fail(Box::new(Fail {
                attempt: record.attempt,
                by,
                cause,
                disposition: Disposition::Failed,
                response: Bytes::new(),
                late_answer: None,
            })),
            Phase::Answered | Phase::Confirmed | Phase::Finished => CallChange::End(End {
                by,
                cause,
                bye_caller: false,
                bye_callee: false,
                bye_cseq: None,
                caller_cseq: 0,
                callee_cseq: 0,
            }),
        };
        let (epoch, step, at) = (slot.epoch, record.step.next(), self.at);
        let command = Command::Call(CallCommand { call, epoch, step, at, change });
        match apply(batch, position, &command, &mut Vec::new()).map_err(storage)? {
            Reply::Ended(_) => Ok(()),
            reply @ (Reply::Done
            | Reply::Count(_)
            | Reply::Rejected(_)
            | Reply::At(_)
            | Reply::Admitted(_)
            | Reply::Refused(_)
            | Reply::Leased(_)
            | Reply::Node(_)) => Err(RestoreError::Call { call, reply }),
        }
    }

    /// An empty log after the last entry, and a vote in its term.
    fn begin_log(&self, last: &LogId) -> Result<(), RestoreError> {
        let log = LogStore::open(Arc::clone(&self.engine), self.group, LogOptions::default())
            .map_err(storage)?;
        log.note_state_flushed(last.index);
        let vote = Vote::new(last.leader_id.term, last.leader_id.node_id);
        let (told, outcome) = std::sync::mpsc::sync_channel(1);
        let on_durable = Box::new(move |written| {
            // Whoever waits is this very function.
            let _ = told.send(written);
        });
        log.save_vote(to_bytes(&vote).map_err(storage)?, on_durable).map_err(storage)?;
        log.purge_to(last.index, to_bytes(last).map_err(storage)?).map_err(storage)?;
        outcome.recv().map_err(storage)?.map_err(storage)?;
        // Dropping it waits for what is queued; then all of it is made durable.
        drop(log);
        self.engine.flush_state().map_err(storage)
    }
}

fn commit(batch: StateBatch, mark: &LogId) -> Result<(), RestoreError> {
    batch.commit(&to_bytes(mark).map_err(storage)?).map_err(storage)
}

fn storage(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RestoreError {
    RestoreError::Storage(error.into())
}
