//! The same load for every system, in turn: A B C D, A B C D, so that whatever else the machine
//! does, and however its clock speed moves, meets all of them alike.

use std::time::Duration;

use holdline_cluster_tests::cluster::ClusterOptions;
use serde::Serialize;

use super::figures::{Spread, Times, round, short};
use super::run::{self, Care, Plan, Run};
use super::system::Kind;
use super::{note, say};

/// What several runs of one system at one rate showed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    /// Which system.
    pub(crate) system: Kind,
    /// Calls per second, as asked for.
    pub(crate) rate: u32,
    /// CPU seconds of all server processes per 1,000 calls, median and spread of the runs.
    pub(crate) cpu_s: Spread,
    /// The part of it spent in programs.
    pub(crate) cpu_user_s: Spread,
    /// The part of it spent in the kernel.
    pub(crate) cpu_system_s: Spread,
    /// CPU seconds per second without any call.
    pub(crate) idle_cpu: Option<Spread>,
    /// INVITE to 200, all runs together.
    pub(crate) invite: Option<Times>,
    /// BYE to 200, all runs together.
    pub(crate) bye: Option<Times>,
    /// The median INVITE to 200 of each run.
    pub(crate) invite_p50_ms: Option<Spread>,
    /// The 99th percentile of INVITE to 200 of each run.
    pub(crate) invite_p99_ms: Option<Spread>,
    /// Calls that failed in all runs.
    pub(crate) failed: u64,
    /// Calls of all runs.
    pub(crate) calls: u64,
    /// The runs, in order.
    pub(crate) runs: Vec<Run>,
}

/// What three nodes add to one, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct AddedByReplication {
    /// To the median of INVITE to 200.
    pub(crate) invite_p50_ms: f64,
    /// To its 99th percentile.
    pub(crate) invite_p99_ms: f64,
    /// To the median of BYE to 200.
    pub(crate) bye_p50_ms: f64,
    /// To its 99th percentile.
    pub(crate) bye_p99_ms: f64,
}

/// Runs every system `runs` times, interleaved. One that breaks off is left out from then on.
pub(crate) async fn measure(
    kinds: &[Kind],
    runs: u32,
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Vec<Load> {
    let mut done: Vec<(Kind, Vec<Run>)> = kinds.iter().map(|kind| (*kind, Vec::new())).collect();
    let mut gone: Vec<Kind> = Vec::new();
    for round in 1..=runs {
        for (kind, done) in &mut done {
            if gone.contains(kind) {
                continue;
            }
            // What finished calls cost later takes half a minute to see: once is enough.
            let care = if round == 1 { plan.care } else { Care::Idle };
            let plan = Plan { care, ..*plan };
            match run::measure(*kind, &plan, options).await {
                Ok(run) => {
                    say(&format!("load {}/s, round {round}/{runs}: {}", plan.rate, line(&run)));
                    done.push(run);
                }
                Err(error) => {
                    note(broken, format!("load {}/s, round {round}: {error:#}", plan.rate));
                    gone.push(*kind);
                }
            }
        }
    }
    done.into_iter().filter_map(|(kind, runs)| Load::of(kind, plan.rate, runs)).collect()
}

/// One run on one line.
pub(crate) fn line(run: &Run) -> String {
    let time = |times: Option<Times>| {
        let both = |t: Times| format!("{}/{} ms", short(t.p50_ms), short(t.p99_ms));
        times.map_or("–".to_owned(), both)
    };
    let noise = if run.others_cpu > NOISY {
        format!("; others took {} of a core", short(run.others_cpu))
    } else {
        String::new()
    };
    format!(
        "{}: {} calls, {} failed, CPU {} s/1,000 ({} user, {} system), INVITE→200 p50/p99 {}, \
         BYE→200 {}{noise}",
        run.system.short(),
        run.calls,
        run.failed,
        short(run.cpu_s),
        short(run.cpu_user_s),
        short(run.cpu_system_s),
        time(run.invite),
        time(run.bye),
    )
}

impl Load {
    fn of(system: Kind, rate: u32, runs: Vec<Run>) -> Option<Self> {
        let spread = |number: fn(&Run) -> f64| Spread::of(runs.iter().map(number));
        let of_invite = |number: fn(Times) -> f64| {
            Spread::of(runs.iter().filter_map(|run| run.invite.map(number)))
        };
        let pooled = |times: fn(&Run) -> &Vec<Duration>| {
            Times::of(runs.iter().flat_map(|run| times(run).iter().copied()))
        };
        Some(Self {
            system,
            rate,
            cpu_s: spread(|run| run.cpu_s)?,
            cpu_user_s: spread(|run| run.cpu_user_s)?,
            cpu_system_s: spread(|run| run.cpu_system_s)?,
            idle_cpu: Spread::of(runs.iter().filter_map(|run| run.idle_cpu)),
            invite: pooled(|run| &run.probed.invite),
            bye: pooled(|run| &run.probed.bye),
            invite_p50_ms: of_invite(|times| times.p50_ms),
            invite_p99_ms: of_invite(|times| times.p99_ms),
            failed: runs.iter().map(|run| run.failed).sum(),
            calls: runs.iter().map(|run| run.calls).sum(),
            runs,
        })
    }

    /// A number of the runs that have it.
    pub(crate) fn spread(&self, number: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(number))
    }
}

impl AddedByReplication {
    /// From the runs of one rate, if three nodes and one were measured.
    pub(crate) fn of(loads: &[Load]) -> Option<Self> {
        let find = |kind| loads.iter().find(|load| load.system == kind);
        let (three, one) = (find(Kind::Holdline3)?, find(Kind::Holdline1)?);
        let (invite3, invite1) = (three.invite?, one.invite?);
        let (bye3, bye1) = (three.bye?, one.bye?);
        Some(Self {
            invite_p50_ms: round(invite3.p50_ms - invite1.p50_ms),
            invite_p99_ms: round(invite3.p99_ms - invite1.p99_ms),
            bye_p50_ms: round(bye3.p50_ms - bye1.p50_ms),
            bye_p99_ms: round(bye3.p99_ms - bye1.p99_ms),
        })
    }
}

/// More than this of a core taken by others is worth a word.
const NOISY: f64 = 0.25;
