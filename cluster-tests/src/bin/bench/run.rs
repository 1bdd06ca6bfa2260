//! One run: one system, one rate, and what it cost.

use std::time::Duration;

use anyhow::{Context, Result};
use holdline_cluster_tests::cluster::{ClusterOptions, Metrics};
use holdline_cluster_tests::sipp::{Scenario, Sipp, SippPlan, SippReport};
use serde::Serialize;
use tokio::time::Instant;

use super::figures::{Quantiles, Times, float, round};
use super::probe::{Probe, Probed};
use super::process::{self, Used};
use super::system::{Kind, System};
use super::wire;

/// How long the idle system is looked at.
const IDLE: Duration = Duration::from_secs(2);
/// Calls of this many seconds come before the measurement, so that caches and pools are warm.
const WARM_UP_SECONDS: u32 = 2;
/// How long SIPp may take beyond the planned time: calls that hang are given up by then.
const GRACE: Duration = Duration::from_secs(12);
/// How long finished calls are kept by Holdline, and a little: what comes then is their removal.
const AFTERMATH: Duration = Duration::from_secs(36);

/// Lines of SIPp's errors that are kept.
const ERROR_LINES: usize = 6;

/// How much, and what is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Calls per second over all addresses.
    pub(crate) rate: u32,
    /// For how many seconds.
    pub(crate) seconds: u32,
    /// How long a call is up.
    pub(crate) hold_ms: u32,
    /// Calls of the latency probe per second.
    pub(crate) probes: u32,
    /// What is looked at beside the load.
    pub(crate) care: Care,
}

/// How much time a run takes for what is not load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// The load alone.
    Load,
    /// Also the idle system before it, and the callee's own view of all calls.
    Idle,
    /// Also what finished calls cost later.
    Aftermath,
}

/// What one run showed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// Which system.
    pub(crate) system: Kind,
    /// Calls per second, as asked for.
    pub(crate) rate: u32,
    /// Calls per second, as SIPp placed them.
    pub(crate) rate_reached: f64,
    /// For how many seconds.
    pub(crate) seconds: u32,
    /// How long a call was up.
    pub(crate) hold_ms: u32,
    /// Calls placed by SIPp and by the probe.
    pub(crate) calls: u64,
    /// Calls that did not go as the scenario says, for their caller.
    pub(crate) failed: u64,
    /// Calls that did not go as the scenario says, or were not over, for SIPp as the callee; `None`: it
    /// was not asked.
    pub(crate) callee_failed: Option<u64>,
    /// Messages that SIPp had to send again, as caller and, if it was asked, as callee.
    pub(crate) retransmissions: u64,
    /// CDRs of the run; `None`: the system writes none.
    pub(crate) cdrs: Option<u64>,
    /// CPU seconds of all server processes per 1,000 calls, the idle cost included.
    pub(crate) cpu_s: f64,
    /// The part of it spent in programs.
    pub(crate) cpu_user_s: f64,
    /// The part of it spent in the kernel.
    pub(crate) cpu_system_s: f64,
    /// CPU seconds per second of all server processes without any call; `None`: not looked at.
    pub(crate) idle_cpu: Option<f64>,
    /// CPU seconds per 1,000 calls that finished calls cost later, beyond the idle cost.
    pub(crate) aftermath_cpu_s: Option<f64>,
    /// CPU seconds of SIPp, both sides, per 1,000 calls.
    pub(crate) sipp_cpu_s: f64,
    /// CPU seconds per second of everybody else, this program included.
    pub(crate) others_cpu: f64,
    /// INVITE to 180, by our own probe.
    pub(crate) ring: Option<Times>,
    /// INVITE to 200, by our own probe.
    pub(crate) invite: Option<Times>,
    /// BYE to 200, by our own probe.
    pub(crate) bye: Option<Times>,
    /// From a command's submission to its reply, by the nodes' own metrics.
    pub(crate) commit: Option<Quantiles>,
    /// One sync of the log, by the nodes' own metrics.
    pub(crate) sync: Option<Quantiles>,
    /// Commands that one sync serves, on the average.
    pub(crate) commands_per_sync: Option<f64>,
    /// Memory of each node at the end of the load, in MiB.
    pub(crate) memory_mib: Vec<f64>,
    /// Bytes that the server processes made the disk write, per call.
    pub(crate) disk_bytes: f64,
    /// Bytes over the loopback interface per call: SIP of all four legs, and what nodes say to one
    /// another.
    pub(crate) wire_bytes: f64,
    /// The part of it over TCP between the nodes, without the headers of TCP and IP.
    pub(crate) node_bytes: Option<f64>,
    /// Whether the node that was called led the Raft group.
    pub(crate) ingress_leads: Option<bool>,
    /// What SIPp found odd, its first lines.
    pub(crate) errors: Vec<String>,
    /// Single times of the probe.
    #[serde(skip)]
    pub(crate) probed: Probed,
}

/// What the kernel and the nodes count, at one moment.
struct Counts {
    at: Instant,
    servers: Used,
    sipp: Used,
    machine_busy_s: f64,
    loopback_bytes: f64,
    node_bytes: Option<f64>,
    metrics: Vec<Metrics>,
}

/// A system with a callee, ready for load.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) kind: Kind,
    pub(crate) system: System,
    callee: Sipp,
    runs: u32,
}

/// Starts a system, puts the load through it, and ends it.
pub(crate) async fn measure(kind: Kind, plan: &Plan, options: &ClusterOptions) -> Result<Run> {
    let mut stand = Stand::open(kind, options).await.with_context(|| kind.name())?;
    stand.warm_up(plan).await?;
    if plan.care == Care::Load {
        let run = stand.load(plan).await.with_context(|| kind.name())?;
        stand.end_now()?;
        return Ok(run);
    }
    let idle_cpu = stand.idle_cpu().await;
    let mut run = stand.load(plan).await.with_context(|| kind.name())?;
    run.idle_cpu = Some(round(idle_cpu));
    if plan.care == Care::Aftermath {
        let used = stand.system.used().cpu_s();
        tokio::time::sleep(AFTERMATH).await;
        let more = stand.system.used().cpu_s() - used - idle_cpu * AFTERMATH.as_secs_f64();
        run.aftermath_cpu_s = Some(round(more * 1000.0 / float(run.calls.max(1))));
    }
    stand.close(&mut run).await?;
    Ok(run)
}

impl Stand {
    /// Starts the system and the callee.
    pub(crate) async fn open(kind: Kind, options: &ClusterOptions) -> Result<Self> {
        Self::beside(kind, System::start(kind, options).await?)
    }

    /// A callee for a system that runs.
    pub(crate) fn beside(kind: Kind, system: System) -> Result<Self> {
        let callee = SippPlan::callee(Scenario::Ours("uas.xml"), system.site().sipp_callee());
        let callee = callee.start(system.folder(), "callee")?;
        Ok(Self { kind, system, callee, runs: 0 })
    }

    /// Short calls, so that caches and pools are warm; then a look at the idle system.
    pub(crate) async fn warm_up(&mut self, plan: &Plan) -> Result<()> {
        let warm = Plan { seconds: WARM_UP_SECONDS, hold_ms: 100, ..*plan };
        for caller in self.start_callers(&warm)? {
            caller.wait_or_end(GRACE).await?;
        }
        Ok(())
    }

    /// CPU seconds per second that the servers use without anything to do.
    pub(crate) async fn idle_cpu(&self) -> f64 {
        let (start, before) = (Instant::now(), self.system.used());
        tokio::time::sleep(IDLE).await;
        (self.system.used() - before).cpu_s() / start.elapsed().as_secs_f64()
    }

    /// The load, and what it costs.
    pub(crate) async fn load(&mut self, plan: &Plan) -> Result<Run> {
        let before = count(&self.system, &[self.callee.pid()]).await?;
        let span = Duration::from_secs(plan.seconds.into());
        // Raises the number of runs, of which the probe must not repeat one.
        let callers = self.start_callers(plan)?;
        let sipps = callers.iter().map(Sipp::pid).chain(std::iter::once(self.callee.pid()));
        let sipps: Vec<u32> = sipps.collect();
        let probe = Probe::open(self.system.site(), u64::from(self.runs)).await?;
        let look = async {
            tokio::time::sleep(span).await;
            // Looked at while the callers live; what they do later is little.
            (self.system.memory_mib(), Used::by(&sipps))
        };
        let (probed, (memory_mib, sipp)) =
            tokio::join!(probe.run(self.system.ingress(), plan.probes, span), look);
        let grace = Duration::from_millis(plan.hold_ms.into()) + GRACE;
        let mut reports = Vec::new();
        for caller in callers {
            reports.push(caller.wait_or_end(grace).await?);
        }
        let mut after = count(&self.system, &[]).await?;
        after.sipp = sipp;
        self.system.check_alive()?;
        let mut run = sum_up(self.kind, plan, &before, &after, &reports, probed?);
        run.memory_mib = memory_mib.into_iter().map(round).collect();
        run.ingress_leads = self.system.ingress_leads();
        Ok(run)
    }

    /// Ends callee and system. The callee's own view is added to the run: it is that of all runs.
    pub(crate) async fn close(self, run: &mut Run) -> Result<()> {
        let callee = self.callee.end().await?;
        run.callee_failed = Some(callee.failed + callee.unfinished);
        run.retransmissions += callee.retransmissions;
        run.errors.extend(odd(&callee));
        self.system.end()
    }

    /// Ends the system, whatever calls are up, and then SIPp.
    pub(crate) fn end_now(self) -> Result<()> {
        self.system.end()
    }

    /// One SIPp for each address that is called.
    pub(crate) fn start_callers(&mut self, plan: &Plan) -> Result<Vec<Sipp>> {
        self.runs += 1;
        let addresses = self.system.ingress();
        let count = u32::try_from(addresses.len())?;
        let mut callers = Vec::new();
        for (to, number) in addresses.iter().zip(0..) {
            let mut local = self.system.site().sipp_caller();
            local.set_port(local.port() + number);
            let rate = plan.rate / count;
            let scenario = Scenario::Ours("uac.xml");
            let mut sipp = SippPlan::caller(scenario, local, *to, rate * plan.seconds, rate);
            sipp.hold_ms = plan.hold_ms;
            let name = format!("caller-{}-{number}", self.runs);
            callers.push(sipp.start(self.system.folder(), &name)?);
        }
        Ok(callers)
    }
}

async fn count(system: &System, sipp: &[u32]) -> Result<Counts> {
    let metrics = system.metrics().await?;
    let node_bytes = if metrics.is_empty() { None } else { wire::between_nodes(system.site()) };
    Ok(Counts {
        at: Instant::now(),
        servers: system.used(),
        sipp: Used::by(sipp),
        machine_busy_s: process::machine_busy_s(),
        loopback_bytes: process::loopback_bytes(),
        node_bytes,
        metrics,
    })
}

fn sum_up(
    system: Kind,
    plan: &Plan,
    before: &Counts,
    after: &Counts,
    callers: &[SippReport],
    probed: Probed,
) -> Run {
    let total = |count: fn(&SippReport) -> u64| callers.iter().map(count).sum::<u64>();
    let failed = total(|r| r.failed + r.unfinished) + probed.failed;
    let placed = total(|r| r.failed + r.unfinished + r.successful);
    let calls = placed + probed.calls;
    let per_call = |amount: f64| round(amount / float(calls.max(1)));
    let took = (after.at - before.at).as_secs_f64();
    let servers = after.servers - before.servers;
    let sipp = after.sipp - before.sipp;
    let busy = after.machine_busy_s - before.machine_busy_s;
    let grown = |name: &str| {
        let sum = |scrapes: &[Metrics]| scrapes.iter().map(|s| s.sum(name, &[])).sum::<f64>();
        sum(&after.metrics) - sum(&before.metrics)
    };
    let quantiles = |name: &str| Quantiles::between(name, &before.metrics, &after.metrics);
    let holdline = !after.metrics.is_empty();
    // Every node writes every CDR to its own state; one may be a moment behind another.
    let written = |(a, b): (&Metrics, &Metrics)| {
        a.sum("holdline_cdrs_written_total", &[]) - b.sum("holdline_cdrs_written_total", &[])
    };
    let cdrs = after.metrics.iter().zip(&before.metrics).map(written).fold(0.0, f64::max);
    let syncs = quantiles("holdline_log_sync_seconds").map_or(0.0, |sync| sync.count);
    let commands = grown("holdline_applied_commands_total");
    Run {
        system,
        rate: plan.rate,
        rate_reached: round(callers.iter().map(|report| report.placed_per_s).sum()),
        seconds: plan.seconds,
        hold_ms: plan.hold_ms,
        calls,
        failed,
        callee_failed: None,
        retransmissions: total(|r| r.retransmissions),
        cdrs: holdline.then_some(cdrs.round() as u64),
        cpu_s: per_call(servers.cpu_s() * 1e3),
        cpu_user_s: per_call(servers.user_s * 1e3),
        cpu_system_s: per_call(servers.system_s * 1e3),
        idle_cpu: None,
        aftermath_cpu_s: None,
        sipp_cpu_s: per_call(sipp.cpu_s() * 1e3),
        others_cpu: round((busy - servers.cpu_s() - sipp.cpu_s()) / took),
        ring: Times::of(probed.ring.iter().copied()),
        invite: Times::of(probed.invite.iter().copied()),
        bye: Times::of(probed.bye.iter().copied()),
        commit: quantiles("holdline_commit_seconds"),
        sync: quantiles("holdline_log_sync_seconds"),
        commands_per_sync: (holdline && syncs > 0.0).then(|| round(commands / syncs)),
        memory_mib: Vec::new(),
        disk_bytes: per_call(servers.disk_bytes),
        wire_bytes: per_call(after.loopback_bytes - before.loopback_bytes),
        node_bytes: after.node_bytes.zip(before.node_bytes).map(|(a, b)| per_call(a - b)),
        ingress_leads: None,
        errors: callers.iter().flat_map(odd).take(ERROR_LINES).collect(),
        probed,
    }
}

/// What a SIPp found odd, without what it always says.
fn odd(report: &SippReport) -> impl Iterator<Item = String> {
    let lines = report.errors.lines().filter(|line| {
        !line.contains("Maximum number of open sockets") && !line.contains("events occurred")
    });
    lines.take(ERROR_LINES).map(str::to_owned)
}
