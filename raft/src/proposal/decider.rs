//! Getting one batch decided, whoever leads meanwhile.

use std::time::{Duration, Instant};

use holdline_model::Reply;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::RaftInstance;
use crate::clock;
use crate::leadership::Leadership;
use crate::network::peers::Peers;
use crate::proposal::queue::Pending;
use crate::proposal::{Undecided, here, there};

/// Gets batches decided, each by itself.
#[derive(Clone)]
pub(super) struct Decider {
    raft: RaftInstance,
    peers: Peers,
    leadership: watch::Receiver<Leadership>,
}

/// What came of trying to get a batch decided.
pub(super) enum Attempt {
    /// For each command its reply; nothing for those to try again.
    Decided(Vec<Option<Reply>>),
    /// Not known: to be tried again, after a pause or a change of leadership.
    Unknown,
    /// This node's Raft has stopped.
    Stopped,
}

/// The pause before a batch is tried again while nothing is known to have changed.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

impl Decider {
    pub(super) fn new(
        raft: RaftInstance,
        peers: Peers,
        leadership: watch::Receiver<Leadership>,
    ) -> Self {
        Self { raft, peers, leadership }
    }

    /// Tries until everything in the batch is decided or out of time.
    pub(super) async fn decide(mut self, mut batch: Vec<Pending>, cancel: CancellationToken) {
        // What has waited too long will be proposed again, or is wanted by nobody any more.
        batch = self.drop_overdue(batch).await;
        while !batch.is_empty() {
            let leader = self.leadership.borrow_and_update().clone();
            let attempt = tokio::select! {
                attempt = self.attempt(&leader, &batch) => attempt,
                () = cancel.cancelled() => Attempt::Stopped,
            };
            batch = match attempt {
                Attempt::Decided(replies) => tell(batch, replies).await,
                Attempt::Unknown => batch,
                Attempt::Stopped => give_up(batch, |_| true, |_| Undecided::Stopped).await,
            };
            batch = self.drop_overdue(batch).await;
            if batch.is_empty() {
                return;
            }
            metrics::counter!("holdline_propose_retries_total").increment(batch.len() as u64);
            // An error means that there are no more changes; then the pause is all there is.
            let _ = timeout(RETRY_PAUSE, self.leadership.changed()).await;
        }
    }

    async fn attempt(&self, leader: &Leadership, batch: &[Pending]) -> Attempt {
        let now = clock::now();
        let limit = batch.iter().map(|pending| pending.deadline).max();
        let limit = limit.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let mut watch = self.leadership.clone();
        // Asking a deposed or dead leader any longer is no use: there is another one to ask.
        let moved = watch.wait_for(|seen| seen.term != leader.term || seen.leader != leader.leader);
        let tried = async {
            match leader.leader {
                _ if leader.is_me => here::write(&self.raft, batch).await,
                Some((node, address)) => {
                    there::send(&self.peers, node, address, limit, batch).await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            attempt = tried => attempt,
            _ = moved => Attempt::Unknown,
            () = tokio::time::sleep(limit) => Attempt::Unknown,
        }
    }

    /// Tells those whose time is over, and those of other nodes when this one does not lead.
    async fn drop_overdue(&self, batch: Vec<Pending>) -> Vec<Pending> {
        let now = clock::now();
        let leads = self.leadership.borrow().is_me;
        let over = |pending: &Pending| pending.deadline <= now || (pending.is_remote && !leads);
        give_up(batch, over, |pending| match pending.deadline <= now {
            true => Undecided::TimedOut { after: since(pending.submitted, now) },
            false => Undecided::LeaderLost,
        })
        .await
    }
}

/// Tells the decided ones; returns the others, in order.
async fn tell(batch: Vec<Pending>, replies: Vec<Option<Reply>>) -> Vec<Pending> {
    let mut replies = replies.into_iter();
    let mut rest = Vec::new();
    for pending in batch {
        match replies.next().flatten() {
            Some(reply) => pending.tell(Ok(reply)).await,
            None => rest.push(pending),
        }
    }
    rest
}

/// Tells those that are `over`; returns the others, in order.
async fn give_up(
    batch: Vec<Pending>,
    over: impl Fn(&Pending) -> bool,
    why: impl Fn(&Pending) -> Undecided,
) -> Vec<Pending> {
    let mut rest = Vec::new();
    for pending in batch {
        if over(&pending) {
            let outcome = Err(why(&pending));
            pending.tell(outcome).await;
        } else {
            rest.push(pending);
        }
    }
    rest
}

fn since(earlier: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(earlier)
}
