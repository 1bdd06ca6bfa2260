//! More calls than the cluster can serve: how many it serves all the same, and whether calls that are up
//! notice.
//!
//! The rate is doubled until it is twice what was served at best. Callers and callees are on the same
//! processors as the nodes, so they take from them what they need for themselves: the more they
//! offer, the less is left. What is served at twice the peak is worth that much more.

use std::time::Duration;

use anyhow::Result;
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
    /// The rates, rising.
    pub(crate) steps: Vec<Step>,
    /// The most calls per second that were served at any rate.
    pub(crate) peak_per_s: f64,
    /// What was served at the last rate, twice the peak, as a share of it; `None`: the nodes
    /// were never saturated.
    pub(crate) at_twice: Option<f64>,
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

const FIRST_RATE: u32 = 200;
/// More than SIPp can place beside three nodes.
const LAST_RATE: u32 = 12_800;
/// What counts as twice: SIPp places a little less than it was asked for.
const TWICE: f64 = 1.95;
/// Calls that are up while a rate is offered.
const HELD: usize = 20;
/// How long the last calls may take.
const GRACE: Duration = Duration::from_secs(40);

/// Doubles the rate until it is twice the peak.
pub(crate) async fn measure(
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Option<Overload> {
    let mut all = Overload { steps: Vec::new(), peak_per_s: 0.0, at_twice: None };
    let mut rate = FIRST_RATE;
    while rate <= LAST_RATE && all.at_twice.is_none() {
        match step(rate, options, plan).await {
            Ok(step) => {
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
                all.add(step);
            }
            Err(error) => {
                note(broken, format!("overload {rate}/s: {error:#}"));
                break;
            }
        }
        rate *= 2;
    }
    (!all.steps.is_empty()).then_some(all)
}

impl Overload {
    fn add(&mut self, step: Step) {
        self.peak_per_s = self.peak_per_s.max(step.served_per_s);
        if step.refused_per_s > 0.0 && step.offered_per_s >= TWICE * self.peak_per_s {
            self.at_twice = Some(round(step.served_per_s / self.peak_per_s));
        }
        self.steps.push(step);
    }
}

/// One rate on a fresh cluster; in the middle of it, calls that were up before are hung up.
async fn step(rate: u32, options: &ClusterOptions, plan: &Plan) -> Result<Step> {
    let mut stage = Stage::open(options, 1).await?;
    let node = stage.choose(Victim::Follower).await?;
    let callee = SippPlan::callee(Scenario::Ours("uas.xml"), stage.cluster.site().sipp_callee());
    let callee = callee.start(stage.cluster.folder(), "callee")?;
    let held = stage.bring_up(HELD, node).await?;
    let scenario = Scenario::Ours("uac_limited.xml");
    let (local, to) = (stage.cluster.site().sipp_caller(), stage.cluster.sip(node));
    let mut caller = SippPlan::caller(scenario, local, to, rate * plan.seconds, rate);
    caller.hold_ms = plan.hold_ms;
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
