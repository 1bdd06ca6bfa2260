//! The base rate over UDP, TCP and TLS, on both sides of the switch.
//!
//! SIPp of Debian has no TLS, so agents of our own are the callers and callees, for all three alike:
//! one connection each, which is how trunks are. Their own cost is not counted.

use std::time::Duration;

use anyhow::{Context, Result};
use holdline_cluster_tests::cluster::{ClusterOptions, Transport};
use serde::Serialize;

use super::figures::{Spread, Times, float, short};
use super::probe::{Probe, Probed};
use super::process::Used;
use super::run::Plan;
use super::system::{Kind, System};
use super::{note, say};

/// What calls over one transport cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OverTransport {
    /// `udp`, `tcp` or `tls`.
    pub(crate) transport: &'static str,
    /// Calls per second, as asked for.
    pub(crate) rate: u32,
    /// Calls of all runs.
    pub(crate) calls: u64,
    /// Those that were not answered, not hung up, or odd in any way.
    pub(crate) failed: u64,
    /// CPU seconds of all nodes per 1,000 calls, the idle cost included.
    pub(crate) cpu_s: Spread,
    /// The part of it spent in programs.
    pub(crate) cpu_user_s: Spread,
    /// The part of it spent in the kernel.
    pub(crate) cpu_system_s: Spread,
    /// INVITE to 200, all runs together.
    pub(crate) invite: Option<Times>,
    /// BYE to 200, all runs together.
    pub(crate) bye: Option<Times>,
}

/// One run.
struct Once {
    used: Used,
    probed: Probed,
}

const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// Calls of so many seconds come before the measurement: connections are up, caches and pools warm.
const WARM_UP: Duration = Duration::from_secs(2);

/// Runs each transport `runs` times, interleaved, on fresh clusters of three.
pub(crate) async fn measure(
    runs: u32,
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Vec<OverTransport> {
    let mut done = TRANSPORTS.map(|over| (over, Vec::new()));
    for round in 1..=runs {
        for (over, done) in &mut done {
            let name = over.param();
            match one(*over, options, plan).await {
                Ok(once) => {
                    let (calls, failed) = (once.probed.calls, once.probed.failed);
                    let cpu_s = short(once.cpu_s(|used| used.cpu_s()));
                    say(&format!(
                        "over {name}, round {round}/{runs}: {calls} calls, {failed} failed, \
                         CPU {cpu_s} s/1,000"
                    ));
                    done.push(once);
                }
                Err(error) => note(broken, format!("over {name}, round {round}: {error:#}")),
            }
        }
    }
    done.iter().filter_map(|(over, runs)| OverTransport::of(*over, plan.rate, runs)).collect()
}

async fn one(over: Transport, options: &ClusterOptions, plan: &Plan) -> Result<Once> {
    let options = ClusterOptions { caller_over: over, callee_over: over, ..options.clone() };
    let mut system = System::start(Kind::Holdline3, &options).await?;
    place(&mut system, over, 0, plan, WARM_UP).await?;
    let before = system.used();
    let span = Duration::from_secs(plan.seconds.into());
    let probed = place(&mut system, over, 1, plan, span).await?;
    let used = system.used() - before;
    system.end()?;
    Ok(Once { used, probed })
}

/// Calls at the plan's rate, until all are over.
async fn place(
    system: &mut System,
    over: Transport,
    run: u64,
    plan: &Plan,
    span: Duration,
) -> Result<Probed> {
    let cluster = system.cluster().context("not a cluster")?;
    let probe = Probe::over(cluster, over, run).await?;
    probe.run(system.ingress(), plan.rate, span).await
}

impl Once {
    fn cpu_s(&self, of: impl Fn(&Used) -> f64) -> f64 {
        of(&self.used) * 1e3 / float(self.probed.calls.max(1))
    }
}

impl OverTransport {
    fn of(over: Transport, rate: u32, runs: &[Once]) -> Option<Self> {
        let spread = |of: fn(&Used) -> f64| Spread::of(runs.iter().map(|run| run.cpu_s(of)));
        let times = |of: fn(&Probed) -> &Vec<Duration>| {
            Times::of(runs.iter().flat_map(|run| of(&run.probed).iter().copied()))
        };
        Some(Self {
            transport: over.param(),
            rate,
            calls: runs.iter().map(|run| run.probed.calls).sum(),
            failed: runs.iter().map(|run| run.probed.failed).sum(),
            cpu_s: spread(|used| used.cpu_s())?,
            cpu_user_s: spread(|used| used.user_s)?,
            cpu_system_s: spread(|used| used.system_s)?,
            invite: times(|probed| &probed.invite),
            bye: times(|probed| &probed.bye),
        })
    }
}
