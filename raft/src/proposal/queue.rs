//! Where proposals wait: a bounded queue for each writer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use holdline_model::{CallId, Command, Reply};
use holdline_storage::codec;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::RaftInstance;
use crate::clock;
use crate::leadership::Leadership;
use crate::network::peers::Peers;
use crate::proposal::writer::Writer;
use crate::proposal::{Decided, ProposeError, ReplyTo, SubmitError, Undecided};

/// Takes proposals. Clones feed the same writers.
#[derive(Clone, Debug)]
pub(crate) struct Proposals {
    queues: Vec<mpsc::Sender<Pending>>,
    limit: usize,
    timeout: Duration,
}

/// A proposal that waits, or is being written.
#[derive(Debug)]
pub(super) struct Pending {
    /// Commands with the same key stay in order.
    pub(super) key: u64,
    /// The encoded command.
    pub(super) command: Bytes,
    pub(super) reply_to: ReplyTo,
    pub(super) submitted: Instant,
    pub(super) deadline: Instant,
    /// Another node proposed it, and will propose it again if this one does not decide it.
    pub(super) is_remote: bool,
}

impl Proposals {
    /// Starts the writers. They run until `cancel` is called, and tell what still waits then
    /// that they have stopped.
    pub(crate) fn start(
        raft: &RaftInstance,
        peers: &Peers,
        leadership: &watch::Receiver<Leadership>,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Self {
        let tuning = peers.tuning();
        let writers = tuning.propose_writes.get();
        let limit = tuning.propose_queue.get().div_ceil(writers);
        let mut queues = Vec::with_capacity(writers);
        for _ in 0..writers {
            let (queue, waiting) = mpsc::channel(limit);
            let writer = Writer::new(raft.clone(), peers.clone(), leadership.clone());
            tasks.spawn(writer.run(waiting, cancel.clone()));
            queues.push(queue);
        }
        Self { queues, limit, timeout: tuning.propose_timeout }
    }

    /// Proposes a command; its outcome goes to `reply_to`. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing goes to `reply_to`.
    pub(crate) fn submit(&self, command: &Command, reply_to: ReplyTo) -> Result<(), SubmitError> {
        let encoded = codec::encode(command)?.into();
        let submitted = clock::now();
        self.push(Pending {
            key: key(command),
            command: encoded,
            reply_to,
            submitted,
            deadline: submitted + self.timeout,
            is_remote: false,
        })
    }

    /// Proposes a command and waits for its reply. Cancel-safe in so far as a dropped future
    /// leaves the command proposed.
    pub(crate) async fn propose(&self, command: &Command) -> Result<Reply, ProposeError> {
        let (to, mut decided) = mpsc::channel(1);
        self.submit(command, ReplyTo { token: 0, to })?;
        match decided.recv().await {
            Some(Decided { outcome, .. }) => Ok(outcome?),
            None => Err(Undecided::Stopped.into()),
        }
    }

    pub(super) fn push(&self, pending: Pending) -> Result<(), SubmitError> {
        let writers = u64::try_from(self.queues.len()).unwrap_or(1);
        let chosen = usize::try_from(pending.key % writers).unwrap_or(0);
        let queue = self.queues.get(chosen).ok_or(SubmitError::Stopped)?;
        queue.try_send(pending).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                metrics::counter!("holdline_propose_queue_full_total").increment(1);
                SubmitError::QueueFull { limit: self.limit }
            }
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopped,
        })
    }
}

impl Pending {
    /// Tells the proposer.
    pub(super) async fn tell(self, outcome: Result<Reply, Undecided>) {
        if !self.is_remote {
            let waited = clock::now().saturating_duration_since(self.submitted);
            match &outcome {
                Ok(_) => metrics::histogram!("holdline_commit_seconds").record(waited),
                Err(_) => metrics::counter!("holdline_propose_undecided_total").increment(1),
            }
        }
        let ReplyTo { token, to } = self.reply_to;
        let Err(unsent) = to.try_send(Decided { token, outcome }) else { return };
        match unsent {
            mpsc::error::TrySendError::Full(decided) => {
                metrics::counter!("holdline_propose_reply_waits_total").increment(1);
                if to.send(decided).await.is_ok() {
                    return;
                }
            }
            mpsc::error::TrySendError::Closed(_) => {}
        }
        // The proposer has gone; the outcome is in the state all the same.
        metrics::counter!("holdline_propose_replies_dropped_total").increment(1);
    }
}

/// What must stay in order: a call's commands, and the commands about no call.
fn key(command: &Command) -> u64 {
    match command {
        Command::Call(change) => {
            let CallId { slot, nonce } = change.call;
            nonce ^ u64::from(slot.0)
        }
        Command::TransferSlots(_)
        | Command::NodeUp(_)
        | Command::SetDraining(_)
        | Command::FormCluster(_)
        | Command::Sweep(_) => 0,
    }
}
