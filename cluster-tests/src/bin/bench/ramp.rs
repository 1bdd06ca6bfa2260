//! The highest rate that each system serves without failures, on the way there its cost by rate.
//!
//! At each rate every system that is still up runs in turn. A rate that a system does not hold is
//! tried once more, so that no single hiccup of the machine decides; when it fails again, that
//! system's ramp is over.

use anyhow::Result;
use holdline_cluster_tests::cluster::ClusterOptions;
use serde::Serialize;

use super::figures::float;
use super::load;
use super::run::{self, Care, Plan, Run};
use super::system::Kind;
use super::{note, say};

/// A rate is held when no more calls fail than this, in percent, ...
const FAILED_PERCENT: f64 = 0.1;
/// ... and SIPp could place at least this share of it: with fewer calls per second placed than
/// asked for, another rate was measured.
const REACHED: f64 = 0.93;
/// How often a rate is tried.
const TRIES: u32 = 2;

/// How far a system came.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ramp {
    /// Which system.
    pub(crate) system: Kind,
    /// The highest rate that it held; `None`: not even the lowest.
    pub(crate) highest: Option<u32>,
    /// The rate at which it failed; `None`: it held all that were tried.
    pub(crate) failed_at: Option<u32>,
    /// All runs, in order.
    pub(crate) runs: Vec<Run>,
}

impl Run {
    /// Whether the rate counts as served.
    pub(crate) fn held(&self) -> bool {
        let failed = 100.0 * float(self.failed) / float(self.calls.max(1));
        failed <= FAILED_PERCENT && self.rate_reached >= f64::from(self.rate) * REACHED
    }
}

/// Raises the rate until every system has failed, or the rates are used up.
pub(crate) async fn measure(
    kinds: &[Kind],
    rates: &[u32],
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Vec<Ramp> {
    let mut ramps: Vec<Ramp> = kinds.iter().map(|kind| Ramp::new(*kind)).collect();
    for rate in rates {
        let plan = Plan { rate: *rate, care: Care::Load, ..*plan };
        for ramp in ramps.iter_mut().filter(|ramp| ramp.failed_at.is_none()) {
            if let Err(error) = ramp.step(options, &plan).await {
                note(broken, format!("ramp {rate}/s: {error:#}"));
                ramp.failed_at = Some(*rate);
            }
        }
    }
    ramps
}

impl Ramp {
    pub(crate) const fn new(system: Kind) -> Self {
        Self { system, highest: None, failed_at: None, runs: Vec::new() }
    }

    /// Takes the run of the next rate; whether it was held.
    pub(crate) fn take(&mut self, run: Run) -> bool {
        let held = run.held();
        if held {
            (self.highest, self.failed_at) = (Some(run.rate), None);
        } else {
            self.failed_at = Some(run.rate);
        }
        self.runs.push(run);
        held
    }

    async fn step(&mut self, options: &ClusterOptions, plan: &Plan) -> Result<()> {
        for _ in 0..TRIES {
            let run = run::measure(self.system, plan, options).await?;
            let verdict = if run.held() { "held" } else { "NOT held" };
            let reached = run.rate_reached.round();
            say(&format!(
                "ramp {}/s {verdict} ({reached}/s reached): {}",
                plan.rate,
                load::line(&run)
            ));
            if self.take(run) {
                break;
            }
        }
        Ok(())
    }
}
