//! More calls than the cluster can serve: how many it serves all the same, and whether calls that are up
//! notice.
//!
//! The rate is doubled until the nodes are saturated; then twice what was served at best is offered.
//! Callers and callees have the last processor to themselves and the nodes have the others, because
//! the more is offered, the more the callers would take from the nodes.

use std::time::Duration;

use anyhow::{Context as _, Result};
use holdline_cluster_tests::cluster::ClusterOptions;
use holdline_cluster_tests::sipp::{Scenario, SippPlan, SippReport};
use holdline_cluster_tests::stage::{Stage, Victim};
use serde::Serialize;

use super::figures::{Times, float, round, short};
use super::run::Plan;
use super::{note, say};

/// What was served at each rate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Overload {
    /// Who had which processors.
    pub(crate) shares: Shares,
    /// The rates, rising.
    pub(crate) steps: Vec<Step>,
    /// The most calls per second that were served at any rate.
    pub(crate) peak_per_s: f64,
    /// What was served at the last rate, twice the peak, as a share of it; `None`: the nodes
    /// were never saturated.
    pub(crate) at_twice: Option<f64>,
}

/// The processors of each, as `taskset -c` takes them; `None`: all, together with the others.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shares {
    /// The nodes'.
    pub(crate) nodes: Option<String>,
    /// The callers' and callees'.
    pub(crate) callers: Option<String>,
}

/// One rate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Calls per second, as asked for.
    pub(crate) rate: u32,
    /// Calls per second, as SIPp placed them.
    pub(crate) offered_per_s: f64,
    /// Calls per second that were answered and hung up as they should.
    pub(crate) served_per_s: f64,
    /// Calls per second that were refused with 503.
    pub(crate) refused_per_s: f64,
    /// Calls that went otherwise.
    pub(crate) failed: u64,
    /// INVITE to 200 of those that were served; SIPp's clock ticks every 4 ms.
    pub(crate) invite: Option<Times>,
    /// Calls that were up before, and hung up meanwhile.
    pub(crate) held: usize,
    /// Those of them that were lost, billed wrongly or oddly served.
    pub(crate) held_lost: usize,
}

/// More than SIPp can place.
const LAST_RATE: u32 = 12_800;
/// Of what is offered, less than this is served: the nodes are saturated.
const SATURATED: f64 = 0.95;
/// How often the peak may turn out to be higher than it was thought to be.
const MAX_CORRECTIONS: usize = 3;
/// Calls that are up while a rate is offered.
const HELD: usize = 20;
/// How long the last calls may take.
const GRACE: Duration = Duration::from_secs(40);

/// Doubles the rate until the nodes are saturated, then offers twice the peak.
pub(crate) async fn measure(
    first_rate: u32,
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Option<Overload> {
    let shares = Shares::of(std::thread::available_parallelism().map_or(1, usize::from));
    let options = ClusterOptions { processors: shares.nodes.clone(), ..options.clone() };
    let mut all = Overload { shares, steps: Vec::new(), peak_per_s: 0.0, at_twice: None };
    if let Err(error) = all.steps(first_rate, &options, plan).await {
        note(broken, format!("overload: {error:#}"));
    }
    (!all.steps.is_empty()).then_some(all)
}

impl Shares {
    fn of(processors: usize) -> Self {
        match processors {
            0 | 1 => Self { nodes: None, callers: None },
            2 => Self { nodes: Some("0".into()), callers: Some("1".into()) },
            many => Self {
                nodes: Some(format!("0-{}", many - 2)),
                callers: Some((many - 1).to_string()),
            },
        }
    }
}

impl Overload {
    async fn steps(
        &mut self,
        first_rate: u32,
        options: &ClusterOptions,
        plan: &Plan,
    ) -> Result<()> {
        let mut rate = first_rate;
        while rate <= LAST_RATE && !self.step(rate, options, plan).await?.is_saturated() {
            rate *= 2;
        }
        for _ in 0..=MAX_CORRECTIONS {
            let (peak, rate) = (self.peak_per_s, twice(self.peak_per_s));
            let step = self.step(rate, options, plan).await?;
            let at_twice = step.is_saturated().then(|| round(step.served_per_s / peak));
            // What was served at twice the peak was more: then it was not the peak.
            self.at_twice = at_twice;
            if at_twice.is_none_or(|share| share <= 1.0) {
                break;
            }
        }
        Ok(())
    }

    async fn step(&mut self, rate: u32, options: &ClusterOptions, plan: &Plan) -> Result<&Step> {
        let step = step(rate, options, plan, self.shares.callers.clone()).await;
        let step = step.with_context(|| format!("at {rate}/s"))?;
        say(&format!(
            "overload {rate}/s: {} offered, {} served, {} refused per second, {} failed; \
             {} of {} calls up lost",
            short(step.offered_per_s),
            short(step.served_per_s),
            short(step.refused_per_s),
            step.failed,
            step.held_lost,
            step.held
        ));
        self.peak_per_s = self.peak_per_s.max(step.served_per_s);
        self.steps.push(step);
        self.steps.last().context("a step was just added")
    }
}

fn twice(per_s: f64) -> u32 {
    let twice = (2.0 * per_s).round().clamp(1.0, 1_000_000.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
    let twice = twice as u32;
    twice
}

/// One rate on a fresh cluster; in the middle of it, calls that were up before are hung up.
async fn step(
    rate: u32,
    options: &ClusterOptions,
    plan: &Plan,
    processors: Option<String>,
) -> Result<Step> {
    let mut stage = Stage::open(options, 1).await?;
    let node = stage.choose(Victim::Follower).await?;
    let mut callee =
        SippPlan::callee(Scenario::Ours("uas.xml"), stage.cluster.site().sipp_callee());
    callee.processors.clone_from(&processors);
    let callee = callee.start(stage.cluster.folder(), "callee")?;
    let held = stage.bring_up(HELD, node).await?;
    let scenario = Scenario::Ours("uac_limited.xml");
    let (local, to) = (stage.cluster.site().sipp_caller(), stage.cluster.sip(node));
    let mut caller = SippPlan::caller(scenario, local, to, rate * plan.seconds, rate);
    (caller.hold_ms, caller.processors) = (plan.hold_ms, processors);
    let caller = caller.start(stage.cluster.folder(), "caller")?;
    tokio::time::sleep(Duration::from_secs(u64::from(plan.seconds) / 2)).await;
    let hung_up = stage.hang_up(&held).await;
    let span = Duration::from_secs(plan.seconds.into());
    let report = caller.wait_or_end(2 * span + GRACE).await?;
    drop(callee);
    let verdict = stage.judge_answered(held).await?;
    let held_lost = if hung_up.is_ok() && verdict.clean() { 0 } else { verdict.lost.len().max(1) };
    stage.cluster.pass()?;
    Ok(Step::of(rate, &report, held_lost))
}

impl Step {
    /// Whether more was offered than could be served.
    fn is_saturated(&self) -> bool {
        self.served_per_s < SATURATED * self.offered_per_s
    }

    fn of(rate: u32, report: &SippReport, held_lost: usize) -> Self {
        let times = |name: &str| report.response_times.get(name).map_or(&[][..], Vec::as_slice);
        let placed = report.successful + report.failed + report.unfinished;
        let took_s = float(placed.max(1)) / report.placed_per_s.max(1.0);
        let per_s = |times: &[Duration]| round(times.len() as f64 / took_s);
        let (answered, refused) = (times("invite"), times("refused"));
        let served = answered.len().saturating_sub(usize::try_from(report.failed).unwrap_or(0));
        Self {
            rate,
            offered_per_s: round(report.placed_per_s),
            served_per_s: round(served as f64 / took_s),
            refused_per_s: per_s(refused),
            failed: report.failed + report.unfinished,
            invite: Times::of(answered.iter().copied()),
            held: HELD,
            held_lost,
        }
    }
}
