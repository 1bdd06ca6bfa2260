//! Where proposals wait: a bounded queue before the writer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use holdline_model::{Command, Reply};
use holdline_storage::codec;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::RaftInstance;
use crate::clock;
use crate::leadership::Leadership;
use crate::network::peers::Peers;
use crate::placement::Proposed;
use crate::proposal::decider::Decider;
use crate::proposal::writer::Writer;
use crate::proposal::{Decided, ProposeError, ReplyTo, SubmitError, Undecided};

/// Takes proposals. Clones feed the same writer.
#[derive(Clone, Debug)]
pub(crate) struct Proposals {
    queue: mpsc::Sender<Pending>,
    limit: usize,
    timeout: Duration,
    proposed: Proposed,
}

/// A proposal that waits, or is being written.
#[derive(Debug)]
pub(super) struct Pending {
    /// The encoded command.
    pub(super) command: Bytes,
    pub(super) reply_to: ReplyTo,
    pub(super) submitted: Instant,
    pub(super) deadline: Instant,
    /// Another node proposed it, and will propose it again if this one does not decide it.
    pub(super) is_remote: bool,
}

impl Proposals {
    /// Starts the writer. It runs until `cancel` is called, and tells what still waits then
    /// that it has stopped.
    pub(crate) fn start(
        raft: &RaftInstance,
        peers: &Peers,
        leadership: &watch::Receiver<Leadership>,
        proposed: Proposed,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Self {
        let tuning = peers.tuning();
        let limit = tuning.propose_queue.get();
        let (queue, waiting) = mpsc::channel(limit);
        let decider = Decider::new(raft.clone(), peers.clone(), leadership.clone());
        let writer = Writer::new(decider, tuning.propose_writes, tuning.propose_interval);
        tasks.spawn(writer.run(waiting, cancel.clone()));
        Self { queue, limit, timeout: tuning.propose_timeout, proposed }
    }

    /// Proposes a command; its outcome goes to `reply_to`. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing goes to `reply_to`.
    pub(crate) fn submit(&self, command: &Command, reply_to: ReplyTo) -> Result<(), SubmitError> {
        let encoded = codec::encode(command)?.into();
        let submitted = clock::now();
        self.push(Pending {
            command: encoded,
            reply_to,
            submitted,
            deadline: submitted + self.timeout,
            is_remote: false,
        })?;
        self.proposed.one();
        Ok(())
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
        self.queue.try_send(pending).map_err(|refused| match refused {
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
