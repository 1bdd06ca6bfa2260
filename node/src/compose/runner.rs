//! Runs a node until it is told to stop or cannot go on.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use holdline_model::{Command, NodeId, SetDraining};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::NodeError;
use super::enroll::{Enrolled, enroll};
use super::fit::Fit;
use super::machine::{Host, Machine};
use super::parts::{Parts, Place};
use crate::node_runner::{NodeContext, NodeRunner};

/// A real node, on a real machine unless it is given another.
#[derive(Clone, Debug, Default)]
pub struct Node<M = Host> {
    machine: M,
}

impl<M> Node<M> {
    /// A node on `machine`.
    pub const fn on(machine: M) -> Self {
        Self { machine }
    }
}

#[async_trait]
impl<M: Machine> NodeRunner for Node<M> {
    async fn run(&self, context: NodeContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        let enrolled = tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            enrolled = enroll(&self.machine, context.config.clone(), &context.clock) => enrolled?,
        };
        let Enrolled { mut config, seeds, is_new } = enrolled;
        let fit = Fit::new(&self.machine, &mut config, &seeds).await?;
        let context = NodeContext { config, ..context };
        let place = Place { seeds, is_new, fit };
        let halt = CancellationToken::new();
        // Whatever ends this function ends what it started.
        let _halt = halt.clone().drop_guard();
        let mut parts = Parts::start(&self.machine, &context, place, &halt).await?;
        let outcome = tokio::select! {
            () = context.stop.cancelled() => Ok(()),
            stopped = parts.raft.fatal() => Err(NodeError::Stopped(stopped)),
            why = parts.raft.turned_away() => Err(NodeError::TurnedAway(why)),
            by = parts.book.told() => Err(NodeError::Revoked { node: parts.me, by }),
            Some(failed) = parts.failed.recv() => Err(NodeError::Failed(failed)),
        };
        if outcome.is_ok() {
            parts.leave().await;
        }
        parts.raft.shutdown().await;
        halt.cancel();
        outcome.map_err(Into::into)
    }
}

impl Parts {
    /// Hands the slots to the other nodes, so that nobody has to find out that this one has gone.
    /// A node that is alone, or without a majority, just goes.
    async fn leave(&mut self) {
        self.stopping.send_replace(true);
        let others = self.raft.leadership().borrow().members.len() > 1;
        if !others || self.progress.borrow().slots == 0 {
            return;
        }
        info!("handing the slots away before stopping");
        if tokio::time::timeout(LEAVE_WITHIN, self.hand_away(self.me)).await.is_err() {
            warn!("the slots could not be handed away in time; the others will take them over");
        }
    }

    async fn hand_away(&self, me: NodeId) {
        let at = self.clock.now();
        let drain = Command::SetDraining(SetDraining { node: me, draining: true, at });
        if let Err(error) = self.raft.propose(&drain).await {
            warn!(%error, "the drain could not be announced");
            return;
        }
        let mut progress = self.progress.clone();
        // Fails only if the task that publishes it has ended.
        let _ended = progress.wait_for(|progress| progress.slots == 0).await;
    }
}

/// How long a node that is told to stop waits until others have its slots.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
