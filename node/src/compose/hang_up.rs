//! Ends a call for an administrator: here if its slot is ours, else through its owner.

use async_trait::async_trait;
use bytes::Bytes;
use holdline_call::Input;
use holdline_cluster::forward::{HangUpOutcome, Refusal, Requests};
use holdline_model::{CallId, NodeId, Phase};
use holdline_raft::Lease;
use holdline_storage::StateReader;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::switch::shard::ToShard;
use crate::switch::shard_of;

/// Hangs up calls whose slot is ours. Asked by our own admin API and by other nodes.
#[derive(Clone, Debug)]
pub(super) struct HangUps {
    pub(super) me: NodeId,
    pub(super) state: StateReader,
    pub(super) shards: Vec<mpsc::Sender<ToShard>>,
    pub(super) lease: Lease,
    pub(super) clock: Clock,
    pub(super) tasks: TaskTracker,
}

#[async_trait]
impl Requests for HangUps {
    async fn hang_up(&self, call: CallId) -> HangUpOutcome {
        let state = self.state.clone();
        let record = holdline_raft::offload(&self.tasks, move || state.call(call)).await;
        let phase = match record {
            Ok(Ok(Some(record))) => record.phase,
            Ok(Ok(None)) => return HangUpOutcome::NotFound,
            Ok(Err(_)) | Err(_) => return HangUpOutcome::Unavailable,
        };
        match self.state.slot(call.slot) {
            None => return HangUpOutcome::NotFound,
            Some(slot) if slot.owner != self.me => return HangUpOutcome::Moved(slot.owner),
            Some(_) => {}
        }
        if phase == Phase::Finished {
            return HangUpOutcome::AlreadyOver;
        }
        if !self.lease.is_valid(self.clock.monotonic()) {
            return HangUpOutcome::Unavailable;
        }
        let Some(shard) = self.shards.get(shard_of(call.slot, self.shards.len())) else {
            return HangUpOutcome::Unavailable;
        };
        match shard.try_send(ToShard::Engine(Input::HangUp { call })) {
            Ok(()) => HangUpOutcome::HungUp,
            Err(_) => HangUpOutcome::Unavailable,
        }
    }

    async fn answer(&self, _question: Bytes) -> Result<Bytes, Refusal> {
        let reason = "this version asks nothing of other nodes this way: update both to the same";
        Err(Refusal { reason: reason.to_owned() })
    }
}
