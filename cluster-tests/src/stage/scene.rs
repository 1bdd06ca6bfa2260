//! One kill: calls are brought to a phase, their owner dies, the calls go on and are hung up.

use std::time::Duration;

use super::error::StageError;
use super::phase::Phase;
use super::setting::{Progress, Stage, Victim};
use crate::reconcile::{Batch, Kill};
use crate::ua::{AgentError, CalleeScript, CallerPlan, Entry, Kind, Method, Tell, Way, When};

/// How long calls may take to reach a phase.
const SETUP_LIMIT: Duration = Duration::from_secs(20);
/// How long calls may take to go on after the kill: every retransmission of RFC 3261 has had its
/// chance by then (64 × T1).
const RECOVERY_LIMIT: Duration = Duration::from_secs(35);
/// How long a node without a majority is listened to: it must say nothing.
const SILENCE: Duration = Duration::from_millis(250);
/// Time over which calls are hung up one after the other.
const HANG_UP_SPREAD: Duration = Duration::from_millis(1000);
/// Pause between the two halves of requests in flight: the first half is being served when the
/// owner dies, the second half is being received.
const FLIGHT: Duration = Duration::from_millis(4);

const TRYING: Kind = Kind::Response(100, Method::Invite);
const OK: Kind = Kind::Response(200, Method::Invite);

/// One kill.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// In which phase.
    pub phase: Phase,
    /// Of whom.
    pub victim: Victim,
    /// How many calls.
    pub calls: usize,
}

impl Scene {
    /// Plays it. The victim is dead afterwards; see [`Scene::bring_back`]. A call that did not get
    /// on is no error here: the batch is judged by [`crate::reconcile::reconcile`].
    ///
    /// # Errors
    /// If calls did not even reach the phase, or a process failed.
    pub async fn play(
        self,
        stage: &mut Stage,
        progress: &mut impl Progress,
    ) -> Result<(u64, Batch), StageError> {
        let victim = stage.choose(self.victim).await?;
        let numbers = stage.numbers(self.calls, self.script()).await?;
        progress.step(&format!("placing {} calls through node {victim}", self.calls));
        let mut batch = Batch::new(numbers, self.phase.expect());
        let kill = if self.phase == Phase::Received {
            self.cut_off_and_kill(stage, victim, &mut batch, progress).await?
        } else {
            self.place(stage, victim, &batch.numbers).await?;
            self.reach(stage, &batch.numbers).await?;
            progress.step(&format!("killing node {victim}"));
            self.kill(stage, victim, &batch.numbers).await?
        };
        batch.kill = Some(kill);
        progress.step("letting the calls go on");
        self.go_on(stage, &batch.numbers, kill).await?;
        Ok((victim, batch))
    }

    /// Starts the victim again and waits until it has its slots and its address back.
    ///
    /// # Errors
    /// If that takes longer than 30 s.
    pub async fn bring_back(stage: &mut Stage, victim: u64) -> Result<(), StageError> {
        stage.cluster.restart(victim)?;
        Ok(stage.cluster.wait_home(Duration::from_secs(30)).await?)
    }

    fn script(self) -> CalleeScript {
        match self.phase {
            Phase::Committed => CalleeScript::wait(),
            Phase::Ringing | Phase::Canceling => CalleeScript::ring_only(),
            Phase::Received | Phase::Answered | Phase::Talking | Phase::HangingUp => {
                CalleeScript::answer_after_ms(50)
            }
        }
    }

    async fn place(self, stage: &Stage, victim: u64, numbers: &[String]) -> Result<(), StageError> {
        let to = stage.cluster.sip(victim);
        let ack = if self.phase == Phase::Answered { When::Told } else { When::AT_ONCE };
        let plan = |number: &String| CallerPlan { ack, ..CallerPlan::hold(number.clone(), to) };
        stage.place(numbers.iter().map(plan).collect()).await
    }

    /// Waits until all calls are in the phase.
    async fn reach(self, stage: &Stage, numbers: &[String]) -> Result<(), StageError> {
        let (what, met): (_, fn(&Entry) -> bool) = match self.phase {
            Phase::Received | Phase::Committed => {
                ("100 for every call", |call| call.received(TRYING).is_some())
            }
            Phase::Ringing | Phase::Canceling => ("ringing for every call", Entry::rang),
            Phase::Answered => ("200 for every call", |call| call.received(OK).is_some()),
            Phase::Talking | Phase::HangingUp => ("every call up", Entry::up),
        };
        Stage::all(&stage.caller, numbers, SETUP_LIMIT, what, met).await?;
        if matches!(self.phase, Phase::Talking | Phase::HangingUp) {
            Stage::all(&stage.callee, numbers, SETUP_LIMIT, what, Entry::up).await?;
        }
        Ok(())
    }

    /// The victim gets the INVITEs while the others are stopped: nothing can be committed.
    async fn cut_off_and_kill(
        self,
        stage: &mut Stage,
        victim: u64,
        batch: &mut Batch,
        progress: &mut impl Progress,
    ) -> Result<Kill, StageError> {
        let others: Vec<u64> = stage.cluster.running().filter(|id| *id != victim).collect();
        for id in &others {
            stage.cluster.node(*id)?.pause().await.map_err(crate::cluster::ClusterError::from)?;
        }
        self.place(stage, victim, &batch.numbers).await?;
        tokio::time::sleep(SILENCE).await;
        stage.caller.sync().await?;
        stage.callee.sync().await?;
        batch.spoke_too_soon = spoken_to(stage, &batch.numbers);
        progress.step(&format!("killing node {victim}"));
        let kill = stage.kill(victim).await?;
        for id in &others {
            stage.cluster.node(*id)?.resume().map_err(crate::cluster::ClusterError::from)?;
        }
        Ok(kill)
    }

    async fn kill(
        self,
        stage: &mut Stage,
        victim: u64,
        numbers: &[String],
    ) -> Result<Kill, StageError> {
        let tell = match self.phase {
            Phase::HangingUp => Tell::HangUp,
            Phase::Canceling => Tell::Cancel,
            Phase::Received
            | Phase::Committed
            | Phase::Ringing
            | Phase::Answered
            | Phase::Talking => return stage.kill(victim).await,
        };
        let (first, second) = numbers.split_at(numbers.len() / 2);
        Stage::tell_all(&stage.caller, first, tell).await?;
        tokio::time::sleep(FLIGHT).await;
        Stage::tell_all(&stage.caller, second, tell).await?;
        stage.kill(victim).await
    }

    /// What the two sides do after the kill, up to the end of every call.
    async fn go_on(self, stage: &Stage, numbers: &[String], kill: Kill) -> Result<(), StageError> {
        let (caller, callee) = (&stage.caller, &stage.callee);
        match self.phase {
            Phase::Committed => {
                Stage::tell_all(callee, numbers, Tell::Ring).await?;
                Stage::tell_all(callee, numbers, Tell::Answer).await?;
            }
            Phase::Ringing => Stage::tell_all(callee, numbers, Tell::Answer).await?,
            Phase::Answered => {
                Stage::tell_all(caller, numbers, Tell::Ack).await?;
                // The ACK went to a dead node: its successor has to ask for it with the 200.
                let asked = |call: &Entry| call.answered_after(kill.silent_from).is_some();
                let what = "200 again for every call";
                patient(Stage::all(caller, numbers, RECOVERY_LIMIT, what, asked).await)?;
            }
            Phase::Received | Phase::Talking | Phase::HangingUp | Phase::Canceling => {}
        }
        if !matches!(self.phase, Phase::HangingUp | Phase::Canceling) {
            if self.phase != Phase::Talking {
                let what = "every call up";
                for agent in [caller, callee] {
                    patient(Stage::all(agent, numbers, RECOVERY_LIMIT, what, Entry::up).await)?;
                }
            }
            let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX).max(1);
            let apart = HANG_UP_SPREAD / count;
            Stage::tell_each(caller, numbers, Tell::HangUp, apart).await?;
        }
        for agent in [caller, callee] {
            let over = |call: &Entry| call.over;
            patient(Stage::all(agent, numbers, RECOVERY_LIMIT, "every call over", over).await)?;
        }
        Ok(())
    }
}

/// Calls of which either side has heard anything at all.
fn spoken_to(stage: &Stage, numbers: &[String]) -> Vec<String> {
    let (caller, callee) = (stage.caller.ledger(), stage.callee.ledger());
    let heard = |number: &&String| {
        let answered = |call: &Entry| call.events.iter().any(|event| event.way == Way::Received);
        caller.call(number).is_some_and(answered) || callee.call(number).is_some()
    };
    numbers.iter().filter(heard).cloned().collect()
}

/// Calls that hang are no error of the scene: they are what the reconciliation is there to count.
fn patient(result: Result<(), StageError>) -> Result<(), StageError> {
    match result {
        Err(StageError::Agent(AgentError::Late { .. })) => Ok(()),
        other => other,
    }
}
