//! Calls per second through three nodes: three SIPp callers, one SIPp callee.

use std::time::Duration;

use anyhow::{Context, Result};
use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Usage};
use holdline_cluster_tests::reconcile::percentile;
use holdline_cluster_tests::sipp::{Scenario, Sipp, SippPlan, SippReport};
use serde::Serialize;
use tokio::time::Instant;

use super::say;
use super::takeover::ms;

/// Time between two looks at memory.
const SAMPLE: Duration = Duration::from_secs(1);
/// How long SIPp may take beyond the planned time: calls that hang are given up by then.
const GRACE: Duration = Duration::from_secs(60);
const MIB: f64 = 1_048_576.0;

/// How much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadPlan {
    /// Calls per second over all nodes.
    pub(crate) rate: u32,
    /// For how many seconds.
    pub(crate) seconds: u32,
    /// How long a call is up.
    pub(crate) hold_ms: u32,
}

/// What it cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    /// Calls per second, as asked for.
    pub(crate) rate: u32,
    /// Calls per second, as SIPp placed them.
    pub(crate) rate_reached: f64,
    /// Seconds, as asked for.
    pub(crate) seconds: u32,
    /// How long a call was up.
    pub(crate) hold_ms: u32,
    /// Calls placed.
    pub(crate) calls: u64,
    /// Calls that did not go as the scenario says, for the caller.
    pub(crate) failed: u64,
    /// Calls that did not go as the scenario says, or were not over, for the callee.
    pub(crate) callee_failed: u64,
    /// CDRs of answered calls.
    pub(crate) cdrs: usize,
    /// Messages that SIPp had to send again.
    pub(crate) retransmissions: u64,
    /// INVITE to 200 at the caller; SIPp counts whole milliseconds.
    pub(crate) setup_p50_ms: f64,
    /// The same, 99th percentile.
    pub(crate) setup_p99_ms: f64,
    /// The same, the worst.
    pub(crate) setup_max_ms: f64,
    /// CPU seconds of all nodes together per 1,000 calls.
    pub(crate) cpu_s_per_1000_calls: f64,
    /// Memory of all nodes together, once a second, in MiB.
    pub(crate) rss_mib: Vec<f64>,
    /// Growth of memory over the last third of the run, in MiB per minute: finished calls are
    /// kept for 32 s, so that it can be flat only from then on.
    pub(crate) rss_growth_mib_per_min: f64,
}

/// Runs the load through a fresh cluster.
pub(crate) async fn measure(plan: &LoadPlan) -> Result<Load> {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await?;
    let before = usage(&cluster);
    let folder = cluster.folder().to_owned();
    let callee = SippPlan::callee(Scenario::Ours("uas.xml"), cluster.site().sipp_callee());
    let callee = callee.start(&folder, "callee")?;
    let start = Instant::now();
    let callers = start_callers(&cluster, plan)?;
    say(&format!("load: {} calls/s for {} s", plan.rate, plan.seconds));
    let rss = watch(&cluster, Duration::from_secs(plan.seconds.into())).await;
    let mut reports = Vec::new();
    for caller in callers {
        reports.push(caller.wait(GRACE).await?);
    }
    let took = start.elapsed().as_secs_f64() - f64::from(plan.hold_ms) / 1000.0;
    let after = usage(&cluster);
    let callee = callee.end().await?;
    cluster.check_alive()?;
    let cdrs = cluster.any_admin()?.cdrs().await.context("CDRs")?;
    let answered = cdrs.iter().filter(|cdr| cdr.disposition == "ANSWERED").count();
    let load = sum_up(plan, &reports, &callee, answered, took, after.cpu - before.cpu, rss);
    if load.failed + load.callee_failed > 0 {
        let first = reports
            .iter()
            .chain([&callee])
            .map(|report| report.errors.as_str())
            .find(|e| !e.is_empty());
        say(&first.unwrap_or_default().chars().take(2000).collect::<String>());
        // Dropped without having passed: the logs are shown and kept.
        return Ok(load);
    }
    cluster.pass()?;
    Ok(load)
}

/// One caller for each node's address.
fn start_callers(cluster: &Cluster, plan: &LoadPlan) -> Result<Vec<Sipp>> {
    let mut callers = Vec::new();
    for id in cluster.running() {
        let mut local = cluster.site().sipp_caller();
        local.set_port(local.port() + u16::try_from(id)?);
        let rate = plan.rate / 3;
        let scenario = Scenario::Ours("uac.xml");
        let calls = rate * plan.seconds;
        let mut sipp = SippPlan::caller(scenario, local, cluster.sip(id), calls, rate);
        sipp.hold_ms = plan.hold_ms;
        callers.push(sipp.start(cluster.folder(), &format!("caller-{id}"))?);
    }
    Ok(callers)
}

async fn watch(cluster: &Cluster, span: Duration) -> Vec<f64> {
    let (mut samples, start) = (Vec::new(), Instant::now());
    let mut next = start + SAMPLE;
    while next <= start + span {
        tokio::time::sleep_until(next).await;
        next += SAMPLE;
        samples.push(mib(usage(cluster).rss_bytes));
    }
    samples
}

fn sum_up(
    plan: &LoadPlan,
    callers: &[SippReport],
    callee: &SippReport,
    cdrs: usize,
    took: f64,
    cpu: Duration,
    rss_mib: Vec<f64>,
) -> Load {
    let total = |count: fn(&SippReport) -> u64| callers.iter().map(count).sum::<u64>();
    let (failed, good) = (total(|r| r.failed), total(|r| r.successful));
    let calls = failed + good;
    let mut setup: Vec<Duration> =
        callers.iter().flat_map(|report| report.response_times.iter().copied()).collect();
    setup.sort_unstable();
    let at = |percent| percentile(&setup, percent).map_or(f64::NAN, ms);
    let count = u32::try_from(calls).map_or(f64::NAN, f64::from);
    Load {
        rate: plan.rate,
        rate_reached: round(count / took),
        seconds: plan.seconds,
        hold_ms: plan.hold_ms,
        calls,
        failed,
        callee_failed: callee.failed + callee.unfinished,
        cdrs,
        retransmissions: total(|r| r.retransmissions) + callee.retransmissions,
        setup_p50_ms: at(50),
        setup_p99_ms: at(99),
        setup_max_ms: at(100),
        cpu_s_per_1000_calls: (cpu.as_secs_f64() * 1e6 / count).round() / 1000.0,
        rss_growth_mib_per_min: growth(&rss_mib),
        rss_mib,
    }
}

/// The slope of the last third, by least squares, per minute.
fn growth(samples: &[f64]) -> f64 {
    let last = samples.get(samples.len() - samples.len() / 3..).unwrap_or_default();
    let count = last.iter().map(|_| 1.0).sum::<f64>();
    let xs = || std::iter::successors(Some(0.0_f64), |x| Some(x + SAMPLE.as_secs_f64()));
    let (mean_x, mean_y) =
        (xs().take(last.len()).sum::<f64>() / count, last.iter().sum::<f64>() / count);
    let (mut above, mut below) = (0.0, 0.0);
    for (x, y) in xs().zip(last) {
        above += (x - mean_x) * (y - mean_y);
        below += (x - mean_x) * (x - mean_x);
    }
    round(above / below * 60.0)
}

fn usage(cluster: &Cluster) -> Usage {
    cluster.nodes().map(|node| node.usage()).fold(Usage::default(), |sum, one| Usage {
        rss_bytes: sum.rss_bytes + one.rss_bytes,
        cpu: sum.cpu + one.cpu,
    })
}

fn mib(bytes: u64) -> f64 {
    u32::try_from(bytes / 1024).map_or(f64::NAN, |kib| round(f64::from(kib) * 1024.0 / MIB))
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
