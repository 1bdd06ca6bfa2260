//! A cluster with a caller and a callee, and who is to die.

use std::time::Duration;

use tokio::time::Instant;

use super::error::StageError;
use crate::cluster::{Cluster, ClusterOptions, Site};
use crate::reconcile::Kill;
use crate::ua::{Agent, CalleeScript, CallerPlan, Ledger, Order, Tell};

/// Calls placed or told something in one go; a switch is not to be judged by a burst that no
/// network delivers.
const BURST: usize = 25;
/// Pause between two bursts.
const BURST_PAUSE: Duration = Duration::from_millis(10);

/// A cluster, a caller, a callee.
#[derive(Debug)]
pub struct Stage {
    /// The cluster.
    pub cluster: Cluster,
    /// The caller's agent.
    pub caller: Agent,
    /// The callee's agent.
    pub callee: Agent,
    numbers: u32,
}

/// Which node is to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The Raft leader, which owns the calls as well.
    Leader,
    /// A node that is not the leader.
    Follower,
}

/// Where a scene says how far it is.
pub trait Progress {
    /// One short line.
    fn step(&mut self, line: &str);
}

impl<F: FnMut(&str)> Progress for F {
    fn step(&mut self, line: &str) {
        self(line);
    }
}

impl Stage {
    /// Starts a cluster on addresses of its own and the two agents.
    ///
    /// # Errors
    /// If that fails, or takes longer than 30 s.
    pub async fn open(options: &ClusterOptions, seed: u64) -> Result<Self, StageError> {
        let mut stage = Self::set(Cluster::prepare(options)?, options, seed)?;
        stage.cluster.start_all().await?;
        Ok(stage)
    }

    /// The same on a given site, with the cluster not started yet.
    ///
    /// # Errors
    /// If the addresses cannot be had.
    pub fn open_at(site: Site, options: &ClusterOptions, seed: u64) -> Result<Self, StageError> {
        Self::set(Cluster::prepare_at(site, options)?, options, seed)
    }

    fn set(cluster: Cluster, options: &ClusterOptions, seed: u64) -> Result<Self, StageError> {
        let (caller, callee) = (cluster.site().caller(), cluster.site().callee());
        let caller_over = cluster.over(options.caller_over)?;
        let callee_over = cluster.over(options.callee_over)?;
        let caller = Agent::start_over(caller_over, caller, seed.wrapping_mul(2))?;
        let callee = Agent::start_over(callee_over, callee, seed.wrapping_mul(2).wrapping_add(1))?;
        Ok(Self { cluster, caller, callee, numbers: 0 })
    }

    /// Numbers that were never dialled before. The callee's agent follows `script` for them.
    ///
    /// # Errors
    /// If the callee's agent has stopped.
    pub async fn numbers(
        &mut self,
        count: usize,
        script: CalleeScript,
    ) -> Result<Vec<String>, StageError> {
        self.numbers += 1;
        let prefix = format!("1{:03}", self.numbers);
        self.callee.order(vec![Order::Script(prefix.clone(), script)]).await?;
        Ok((0..count).map(|place| format!("{prefix}{place:05}")).collect())
    }

    /// The victim's number.
    ///
    /// # Errors
    /// If there is no leader within 10 s.
    pub async fn choose(&mut self, victim: Victim) -> Result<u64, StageError> {
        let leader = self.cluster.leader().await?;
        let follower = self.cluster.running().find(|id| *id != leader);
        Ok(match victim {
            Victim::Leader => leader,
            Victim::Follower => follower.unwrap_or(leader),
        })
    }

    /// Places calls, in bursts.
    ///
    /// # Errors
    /// If the caller's agent has stopped.
    pub async fn place(&self, plans: Vec<CallerPlan>) -> Result<(), StageError> {
        for burst in plans.chunks(BURST) {
            self.caller.order(burst.iter().cloned().map(Order::Place).collect()).await?;
            tokio::time::sleep(BURST_PAUSE).await;
        }
        Ok(())
    }

    /// Tells calls something, one after the other, so many milliseconds apart.
    ///
    /// # Errors
    /// If the agent has stopped.
    pub async fn tell_each(
        agent: &Agent,
        numbers: &[String],
        tell: Tell,
        apart: Duration,
    ) -> Result<(), StageError> {
        let start = Instant::now();
        for (number, place) in numbers.iter().zip(0_u32..) {
            tokio::time::sleep_until(start + apart * place).await;
            agent.order(vec![Order::Tell(number.clone(), tell)]).await?;
        }
        Ok(())
    }

    /// Tells calls something, all at once.
    ///
    /// # Errors
    /// If the agent has stopped.
    pub async fn tell_all(agent: &Agent, numbers: &[String], tell: Tell) -> Result<(), StageError> {
        let orders = numbers.iter().map(|number| Order::Tell(number.clone(), tell)).collect();
        Ok(agent.order(orders).await?)
    }

    /// Kills a node. What comes after [`Kill::silent_from`] was not sent by it.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn kill(&mut self, id: u64) -> Result<Kill, StageError> {
        let at = self.cluster.kill(id)?;
        self.caller.sync().await?;
        self.callee.sync().await?;
        Ok(Kill { at, silent_from: Instant::now() })
    }

    /// Waits until every one of the calls meets a condition in an agent's ledger.
    ///
    /// # Errors
    /// If not within `limit`.
    pub async fn all(
        agent: &Agent,
        numbers: &[String],
        limit: Duration,
        what: &str,
        met: impl Fn(&crate::ua::Entry) -> bool,
    ) -> Result<(), StageError> {
        let every =
            |ledger: &Ledger| numbers.iter().all(|number| ledger.call(number).is_some_and(&met));
        Ok(agent.wait(limit, what, every).await?)
    }
}
