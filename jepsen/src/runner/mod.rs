//! A run: a plan, made from a seed; a world; workloads in it; one fault after the other; then
//! everything is healed, and must come back.

mod peer;
mod plan;
mod salvo;
mod strike;

pub use peer::{PeerMissing, run_peer};
pub use plan::{Plan, PlanError, RATE, Request, Workload};

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdline_cluster_tests::ua::AgentError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fact::Converged;
use crate::history::{History, Recorder};
use crate::workload::{
    Calls, Dice, Kind, Probe, Registers, consume, final_states, limit, resources, storm,
};
use crate::world::{DRAINED, Needs, Place, World};

/// How long the cluster may take to be as good as new.
const CONVERGE_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to undo all drains.
const CLEAR_LIMIT: Duration = Duration::from_secs(30);
/// How long calls may take to end once everything is healed: every timer of SIP has run out.
const END_LIMIT: Duration = Duration::from_secs(45);
/// Traffic before anything is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// Calls placed when everything is healed.
const FRESH: usize = 12;
/// How long all nodes may take to say the same.
const SAME_LIMIT: Duration = Duration::from_secs(20);

/// Where a run says how far it is.
pub type Say<'a> = &'a mut (dyn FnMut(&str) + Send);

/// What a run consists of.
struct Run<'a> {
    plan: &'a Plan,
    world: World,
    calls: Arc<Calls>,
    registers: Arc<Registers>,
    dice: Dice,
    say: Say<'a>,
}

/// Runs a plan. The calling thread must be on the client's host.
///
/// # Errors
/// If the run could not be carried through; that is no verdict on the switch.
pub async fn run(place: Place, plan: &Plan, say: Say<'_>) -> anyhow::Result<History> {
    let recorder = Recorder::default();
    recorder.fact("run", "run", &plan.fact(place.word()));
    let mut needs: Vec<Needs> = plan.faults.iter().flat_map(|f| f.needs).copied().collect();
    needs.dedup();
    say(&format!("starting {} nodes ({})", crate::world::NODES, place.word()));
    let world = World::open(place, &needs, plan.seed, recorder.clone()).await?;
    let calls = Arc::new(Calls::new(Arc::clone(&world.agents), recorder.clone()).await?);
    let registers = Registers::new(world.admins(), recorder.clone());
    let dice = Dice::new(plan.seed);
    let mut run = Run { plan, world, calls, registers, dice, say };
    let outcome = run.carry_out().await;
    // A history of a run that broke off is evidence, too.
    run.world.cluster.set_quiet(outcome.is_ok());
    match outcome {
        Ok(()) => Ok(recorder.history()),
        Err(error) => {
            let fact = Converged { after: None, ok: false, ms: 0, missing: format!("{error:#}") };
            recorder.fact("run", "converged", &fact);
            run.calls.give_up();
            run.calls.testify();
            (run.say)(&format!("the run broke off: {error:#}"));
            Ok(recorder.history())
        }
    }
}

impl Run<'_> {
    async fn carry_out(&mut self) -> anyhow::Result<()> {
        let recorder = self.world.recorder.clone();
        let mut observers = JoinSet::new();
        for (node, admin) in self.world.admins() {
            observers.spawn(Probe::new(node, admin, recorder.clone()).watch());
        }
        let calls = Arc::clone(&self.calls);
        observers.spawn(async move { calls.watch().await });
        let (no_more, last) = watch::channel(false);
        let mut consumer = JoinSet::new();
        consumer.spawn(consume(self.world.admins(), recorder.clone(), last));
        let mut traffic = JoinSet::new();
        traffic.spawn(background(
            Arc::clone(&self.calls),
            self.addresses(),
            self.plan.request.rate,
            self.dice.fork(),
        ));
        if self.plan.workload == Workload::Limits {
            limit(&self.world.cluster, &recorder)?;
            let (agents, to) = (Arc::clone(&self.world.agents), self.addresses());
            let storm = storm(agents, to, self.dice.fork());
            traffic.spawn(async move {
                if let Err(error) = storm.await {
                    eprintln!("jepsen: the limited calls have ended: {error}");
                }
            });
        }
        tokio::time::sleep(WARM_UP).await;
        resources(&mut self.world, "before").await;

        for (id, choice) in (1..).zip(self.plan.faults.clone()) {
            let began = Instant::now();
            self.strike(id, choice)
                .await
                .with_context(|| format!("fault {id}, {}", choice.name))?;
            // A quarter of the time is quiet; the end is looked at while all is remembered.
            if id < self.plan.faults.len() as u64 {
                tokio::time::sleep(began.elapsed() / 3).await;
            }
        }

        (self.say)("healed: waiting for everything to end");
        traffic.abort_all();
        self.converged(None).await;
        self.fresh().await?;
        self.wait_over().await;
        self.calls.give_up();
        // Nobody will hear anything more: let it be written down before the ledgers are closed.
        observers.abort_all();
        no_more.send_replace(true);
        if tokio::time::timeout(END_LIMIT, consumer.join_next()).await.is_err() {
            (self.say)("the consumer of records has not come to an end");
        }
        resources(&mut self.world, "after").await;
        final_states(&self.world, SAME_LIMIT).await?;
        self.calls.testify();
        Ok(())
    }

    /// The address of each node's calls.
    fn addresses(&self) -> Vec<(u64, std::net::SocketAddr)> {
        self.world.ids().map(|id| (id, self.world.cluster.sip(id))).collect()
    }

    async fn converged(&mut self, after: Option<u64>) {
        let start = Instant::now();
        let mut back = self.world.converge(CONVERGE_LIMIT).await;
        // A drain that timed out may have taken effect late.
        while back.missing.ends_with(DRAINED) && start.elapsed() < CONVERGE_LIMIT {
            if let Err(error) = self.registers.clear(CLEAR_LIMIT).await {
                (self.say)(&error);
            }
            back = self.world.converge(CONVERGE_LIMIT).await;
        }
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !back.ok {
            (self.say)(&format!("not as good as new after {ms} ms: {}", back.missing));
        }
        let fact = Converged { after, ok: back.ok, ms, missing: back.missing };
        self.world.recorder.fact("nemesis", "converged", &fact);
    }

    async fn fresh(&mut self) -> Result<(), AgentError> {
        for via in self.addresses() {
            self.calls.place(Kind::FRESH, via, FRESH / 3, None).await?;
        }
        Ok(())
    }

    async fn wait_over(&mut self) {
        let deadline = Instant::now() + END_LIMIT;
        while self.calls.still_open() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Calls that come and go, so many a second, until dropped.
async fn background(
    calls: Arc<Calls>,
    to: Vec<(u64, std::net::SocketAddr)>,
    rate: u64,
    mut dice: Dice,
) {
    let apart_us = 1_000_000 / rate.max(1);
    loop {
        let (Some(kind), Some(via)) = (dice.pick(&Kind::BACKGROUND), dice.pick(&to)) else {
            return;
        };
        let (kind, via) = (*kind, *via);
        if calls.place(kind, via, 1, None).await.is_err() {
            return;
        }
        let pause = dice.between(apart_us * 2 / 5, apart_us * 8 / 5);
        tokio::time::sleep(Duration::from_micros(pause)).await;
    }
}
