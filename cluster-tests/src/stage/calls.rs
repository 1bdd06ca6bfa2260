//! What tests do with calls again and again: bring them up, hang them up, judge them.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::error::StageError;
use super::setting::Stage;
use crate::cluster::CdrView;
use crate::reconcile::{Batch, Expect, Verdict, reconcile};
use crate::ua::{CalleeScript, CallerPlan, Entry, Ledger, Stray, Tell};

/// How long a call may take to come up or to end when nothing fails.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How long a call may take to end when something fails: 64 × T1 and a little.
const END_LIMIT: Duration = Duration::from_secs(35);
/// How long a CDR may take to reach the node that is asked.
const CDR_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two looks at the CDRs.
const CDR_POLL: Duration = Duration::from_millis(20);
/// Pause between two calls that are hung up.
const APART: Duration = Duration::from_millis(5);

impl Stage {
    /// Calls through a node's address that are answered at once and stay up.
    ///
    /// # Errors
    /// If they are not up within 20 s.
    pub async fn bring_up(&mut self, count: usize, node: u64) -> Result<Vec<String>, StageError> {
        let numbers = self.numbers(count, CalleeScript::answer_after_ms(20)).await?;
        let to = self.cluster.sip(node);
        let plans = numbers.iter().map(|number| CallerPlan::hold(number.clone(), to));
        self.place(plans.collect()).await?;
        for agent in [&self.caller, &self.callee] {
            Self::all(agent, &numbers, CALL_LIMIT, "every call up", Entry::up).await?;
        }
        Ok(numbers)
    }

    /// The callers hang up; returns when both sides of every call know that it is over.
    ///
    /// # Errors
    /// If they do not within 35 s.
    pub async fn hang_up(&self, numbers: &[String]) -> Result<(), StageError> {
        Self::tell_each(&self.caller, numbers, Tell::HangUp, APART).await?;
        self.wait_over(numbers).await
    }

    /// The callers hang up, whoever the callees are.
    ///
    /// # Errors
    /// If the caller's agent has stopped.
    pub async fn hang_up_callers(&self, numbers: &[String]) -> Result<(), StageError> {
        Self::tell_each(&self.caller, numbers, Tell::HangUp, APART).await
    }

    /// Waits until both sides of every call know that it is over.
    ///
    /// # Errors
    /// If they do not within 35 s.
    pub async fn wait_over(&self, numbers: &[String]) -> Result<(), StageError> {
        for agent in [&self.caller, &self.callee] {
            let over = |entry: &Entry| entry.over;
            Self::all(agent, numbers, END_LIMIT, "every call over", over).await?;
        }
        Ok(())
    }

    /// Compares what the three witnesses say of calls that were to be answered.
    ///
    /// # Errors
    /// If the CDRs cannot be read.
    pub async fn judge_answered(&self, numbers: Vec<String>) -> Result<Verdict, StageError> {
        self.judge(&Batch::new(numbers, Expect::Answered)).await
    }

    /// Compares what the three witnesses say of a batch. A node that is not the leader may learn of
    /// the end of a call a little after its parties: the records are waited for.
    ///
    /// # Errors
    /// If the CDRs cannot be read.
    pub async fn judge(&self, batch: &Batch) -> Result<Verdict, StageError> {
        let cdrs = self.cdrs_of(&batch.numbers).await?;
        Ok(reconcile(batch, &self.caller.ledger(), &self.callee.ledger(), &cdrs))
    }

    /// All CDRs, once there is one for each of these numbers or 5 s are over.
    ///
    /// # Errors
    /// If no node runs, or they cannot be read.
    pub async fn cdrs_of(&self, numbers: &[String]) -> Result<Vec<CdrView>, StageError> {
        let deadline = Instant::now() + CDR_LIMIT;
        loop {
            let cdrs = self.cdrs().await?;
            let found: HashSet<&str> = cdrs.iter().map(CdrView::number).collect();
            let complete = numbers.iter().all(|number| found.contains(number.as_str()));
            if complete || Instant::now() >= deadline {
                return Ok(cdrs);
            }
            tokio::time::sleep(CDR_POLL).await;
        }
    }

    /// All CDRs, as the first node that runs has them.
    ///
    /// # Errors
    /// If none runs, or they cannot be read.
    pub async fn cdrs(&self) -> Result<Vec<CdrView>, StageError> {
        let admin = self.cluster.any_admin()?;
        Ok(admin.cdrs().await.map_err(crate::cluster::ClusterError::from)?)
    }

    /// Messages that either agent got and that belonged to no call.
    #[must_use]
    pub fn strays(&self) -> Vec<Stray> {
        let strays = |ledger: &Ledger| ledger.strays().to_vec();
        let mut all = strays(&self.caller.ledger());
        all.extend(strays(&self.callee.ledger()));
        all
    }
}
