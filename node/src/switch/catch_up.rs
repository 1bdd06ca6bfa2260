//! Has this node apply everything that is committed before a request is refused by what it knows.
//!
//! One question to the leader serves all requests that came before it was asked; those that come meanwhile
//! are asked for next, because what was committed for them may be later than its answer.
//!
//! Invariant: what waits is bounded, in number by the engine and in time here.

use std::future::pending;
use std::mem;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use holdline_call::Input;
use holdline_raft::RaftHandle;
use metrics::counter;

/// What waits in one shard.
pub(crate) struct CatchUp {
    raft: RaftHandle,
    /// Asked for when the running question had been put already.
    next: Vec<u64>,
    asking: Option<BoxFuture<'static, (Vec<u64>, bool)>>,
}

impl CatchUp {
    pub(crate) const fn new(raft: RaftHandle) -> Self {
        Self { raft, next: Vec::new(), asking: None }
    }

    /// Tells by [`CatchUp::ready`] when everything is applied that is committed by now.
    pub(crate) fn ask(&mut self, ticket: u64) {
        self.next.push(ticket);
        if self.asking.is_none() {
            self.put();
        }
    }

    fn put(&mut self) {
        let tickets = mem::take(&mut self.next);
        let raft = self.raft.clone();
        let asking = async move { (tickets, caught_up(&raft, LONGEST).await) };
        self.asking = Some(asking.boxed());
    }

    /// What the engine is to be told; pends while there is nothing. Cancel-safe.
    pub(crate) async fn ready(&mut self) -> Vec<Input> {
        let Some(asking) = &mut self.asking else { return pending().await };
        let (tickets, is_current) = asking.await;
        self.asking = None;
        if !self.next.is_empty() {
            self.put();
        }
        tickets.into_iter().map(|ticket| Input::CaughtUp { ticket, is_current }).collect()
    }
}

/// Waits until this node has applied everything that is committed by now; false if it does not get to it.
pub(crate) async fn caught_up(raft: &RaftHandle, within: Duration) -> bool {
    let is_current = raft.linearize(within).await.is_ok();
    let outcome = if is_current { "current" } else { "in_vain" };
    counter!("holdline_catch_ups_total", "outcome" => outcome).increment(1);
    is_current
}

/// How long is waited: longer than an election inside a `PoP`, and much shorter than a caller waits.
const LONGEST: Duration = Duration::from_secs(4);
