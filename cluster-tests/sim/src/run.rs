//! One run: form, work under faults, heal, work again, judge.

use std::fmt;

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::config::{self, Cluster};
use crate::faults::{self, Planned};
use crate::invariants::{convergence, ledgers};
use crate::net::Counts;
use crate::os::{self, Reading};
use crate::random::Random;
use crate::trace::Trace;
use crate::workload::{self, Workload};
use crate::world::{SLOW, World};

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// How many nodes; `None`: the seed decides between 3 and 5.
    pub nodes: Option<usize>,
    /// Whether anything goes wrong.
    pub faults: bool,
    /// How long calls are placed, in milliseconds.
    pub work_ms: u64,
    /// Whether the trace is printed.
    pub trace: bool,
    /// Wall clocks jump by up to a minute, not by up to a second. The switch does not stand that: see
    /// [`faults::tame`].
    pub wild_clocks: bool,
    /// A known bug that is to be found.
    pub mutant: Option<Mutant>,
}

/// A known bug, put beneath the nodes: a run must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Every disk says that it has synced, and has not. Found by `committed`.
    LyingDisks,
    /// A node's clock runs at half speed, far beyond the margin of leases, and it is cut off again and
    /// again. Found by `owner`.
    SlowClock,
    /// What nodes have applied is not shown to the judge, as if they spoke before it was committed.
    /// Found by `rule_one`.
    SpeaksTooSoon,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LyingDisks => "lying-disks",
            Self::SlowClock => "slow-clock",
            Self::SpeaksTooSoon => "speaks-too-soon",
        })
    }
}

impl std::str::FromStr for Mutant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lying-disks" => Ok(Self::LyingDisks),
            "slow-clock" => Ok(Self::SlowClock),
            "speaks-too-soon" => Ok(Self::SpeaksTooSoon),
            _ => Err("there are lying-disks, slow-clock and speaks-too-soon".to_owned()),
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What must not be, in the order in which it was found.
    pub faults: Vec<String>,
    /// Everything that was planned to go wrong.
    pub planned: Vec<Planned>,
    /// How many nodes there were.
    pub nodes: usize,
    /// How many calls were placed.
    pub calls: u64,
    /// How many of them were answered.
    pub answered: usize,
    /// How many leaders there were.
    pub leaders: usize,
    /// How many entries were applied.
    pub entries: u64,
    /// How long it took in the simulation.
    pub simulated_ms: u64,
    /// What became of datagrams.
    pub counts: Counts,
    /// The hash of everything that happened, and how many lines it has.
    pub trace: (u64, u64),
}

/// Carries out a run. The calling thread simulates from then on: give it one of its own.
///
/// # Errors
/// The simulation itself cannot go on.
pub fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    os::seed(plan.seed);
    // Made while time still passes: it measures how fast the processor's counter runs.
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let _still = os::still(Reading::default());
    let mut random = Random::new(plan.seed);
    let nodes = plan.nodes.unwrap_or(if random.chance(300) { 5 } else { 3 });
    let cluster = Cluster {
        nodes,
        slots: random.pick(&[8, 16, 64]).unwrap_or(16),
        snapshot_every: random.pick(&[120, 400, 200_000]).unwrap_or(400),
        hand_back_ms: random.between(300, 2_000),
    };
    // A quarter of the runs has clocks that are a few per cent apart: within the margin of leases.
    let skew = if plan.faults && random.chance(250) { 30_000 } else { 200 };
    let mut world = World::new(cluster, skew, &mut random, Trace::new(plan.trace), &metrics)?;
    let doors = (0..nodes).map(config::door).collect();
    let workload = Workload::new(random.fork(), doors, random.between(40, 300));
    let end = FORMED_MS + plan.work_ms;
    let planned = match plan.mutant {
        Some(Mutant::SlowClock) => cut_off_again_and_again(end),
        _ if plan.faults => {
            let planned = faults::plan(&mut random, nodes, FORMED_MS, end);
            if plan.wild_clocks { planned } else { faults::tame(planned) }
        }
        _ => Vec::new(),
    };
    world.put_in(plan.mutant);
    let mut run = Run { world, workload, random, planned, fresh: Vec::new() };
    run.whole(plan)?;
    run.outcome(plan, nodes)
}

/// Isolates the node with the slow clock for a second, every two seconds.
fn cut_off_again_and_again(end: u64) -> Vec<Planned> {
    let times = (FORMED_MS..end).step_by(2_000);
    let fault = faults::Fault::Isolate(SLOW);
    times.map(|from_ms| Planned { fault, from_ms, to_ms: from_ms + 1_000 }).collect()
}

struct Run {
    world: World,
    workload: Workload,
    random: Random,
    planned: Vec<Planned>,
    fresh: Vec<String>,
}

impl Run {
    fn whole(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let [callee, _] = &mut self.world.callees;
        for order in workload::scripts(&mut self.random) {
            callee.order(0, order);
        }
        for node in 0..self.world.hosts.len() {
            self.world.boot(node)?;
        }
        self.converge("form")?;
        // The plan's times begin here, whenever that is.
        self.until(FORMED_MS)?;
        self.work(plan)?;
        self.world.heal()?;
        self.converge("heal")?;
        self.fresh_calls()?;
        self.settle()
    }

    fn failed(&self) -> bool {
        !self.world.judge.faults().is_empty()
    }

    fn until(&mut self, ms: u64) -> anyhow::Result<()> {
        while self.world.now_ms() < ms && !self.failed() {
            self.world.step()?;
        }
        Ok(())
    }

    /// Waits until the cluster is as it should be.
    fn converge(&mut self, what: &str) -> anyhow::Result<()> {
        let deadline = self.world.now_ms() + CONVERGE_MS;
        loop {
            let applied = self.world.judge.applied();
            let Some(missing) = convergence::missing(&self.world.hosts, applied) else {
                return Ok(());
            };
            if self.failed() {
                return Ok(());
            }
            if self.world.now_ms() >= deadline {
                let fault = format!("convergence: {what}: not within {CONVERGE_MS} ms: {missing}");
                self.world.judge.fault(fault);
                return Ok(());
            }
            for _ in 0..10 {
                self.world.step()?;
            }
        }
    }

    /// Calls, while things go wrong.
    fn work(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let until = self.world.now_ms() + plan.work_ms;
        let planned = self.planned.clone();
        while self.world.now_ms() < until && !self.failed() {
            let now = self.world.now_ms();
            for Planned { fault, .. } in planned.iter().filter(|it| it.from_ms == now) {
                self.world.begin(*fault);
            }
            for Planned { fault, .. } in planned.iter().filter(|it| it.to_ms == now) {
                self.world.end(*fault)?;
            }
            if let Some(order) = self.workload.due(now) {
                self.world.order(order);
            }
            self.world.step()?;
        }
        Ok(())
    }

    /// Calls after everything is healed.
    fn fresh_calls(&mut self) -> anyhow::Result<()> {
        for _ in 0..FRESH_CALLS {
            let Some((number, order)) = self.workload.plain() else { continue };
            self.fresh.push(number);
            self.world.order(order);
            self.until(self.world.now_ms() + 50)?;
        }
        Ok(())
    }

    /// Waits until every call has ended for everybody, or every far end has given up.
    fn settle(&mut self) -> anyhow::Result<()> {
        let deadline = self.world.now_ms() + SETTLE_MS;
        while self.world.now_ms() < deadline && !self.failed() && !self.settled() {
            for _ in 0..50 {
                self.world.step()?;
            }
        }
        self.until(self.world.now_ms() + 1_000)
    }

    fn settled(&self) -> bool {
        let World { caller, callees: [callee, backup], judge, .. } = &self.world;
        let far_ends = [caller, callee, backup];
        let over = far_ends.iter().flat_map(|it| it.ledger.entries()).all(|entry| entry.over);
        let up = judge.state().count_calls().map(|all| all.values().map(|it| it.up()).sum::<u64>());
        over && up.is_ok_and(|up| up == 0)
    }

    fn outcome(self, plan: &Plan, nodes: usize) -> anyhow::Result<Outcome> {
        let Self { world, workload, planned, fresh, .. } = self;
        let mut faults = world.judge.faults();
        let [callee, backup] = &world.callees;
        if faults.is_empty() {
            let callees = [&callee.ledger, &backup.ledger];
            let state = world.judge.state();
            faults.extend(ledgers::faults(&world.caller.ledger, &callees, &state, plan.faults)?);
            faults.extend(convergence::fresh(&fresh, &world.caller.ledger));
        }
        let answered = world.caller.ledger.entries().iter();
        Ok(Outcome {
            faults,
            planned,
            nodes,
            calls: workload.placed(),
            answered: answered.filter(|entry| entry.final_status() == Some(200)).count(),
            leaders: world.leaders.elections(),
            entries: world.judge.applied(),
            simulated_ms: world.now_ms(),
            counts: world.net.counts(),
            trace: world.net.traced(),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, calls, answered, leaders, entries, simulated_ms, counts, .. } = self;
        let (hash, lines) = self.trace;
        write!(
            f,
            "{nodes} nodes, {simulated_ms} ms, {} faults, {calls} calls ({answered} answered), \
             {entries} entries, {leaders} leaders, {} datagrams ({} lost, {} doubled), \
             trace {hash:016x} of {lines} lines",
            self.planned.len(),
            counts.sent,
            counts.lost,
            counts.doubled
        )
    }
}

/// The cluster has formed by then, or the run has failed.
const FORMED_MS: u64 = 3_000;

/// How long forming and healing may take.
const CONVERGE_MS: u64 = 30_000;

/// How many calls are placed after everything is healed.
const FRESH_CALLS: usize = 10;

/// How long the last calls may take to end: a far end gives up after 32 s.
const SETTLE_MS: u64 = 50_000;
