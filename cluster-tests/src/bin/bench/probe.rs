//! A few calls per second of our own, beside the load, to time answers by the microsecond.
//!
//! SIPp reads its clock once per turn of its loop, every 4 ms where the kernel ticks at 250 Hz, so
//! its response times cannot tell 0.3 ms from 3 ms. These are the times that a caller sees, the
//! scheduling of this crowded machine included; every system is measured in the same way.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use holdline_cluster_tests::cluster::{Cluster, Site, Transport};
use holdline_cluster_tests::ua::{
    Agent, CalleeScript, CallerPlan, Entry, Kind, Method, Order, Role, When,
};
use tokio::time::Instant;

/// How long a probe's call is up.
const HOLD: Duration = Duration::from_millis(700);
/// How long the last calls may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long an address may be in use by the agent of the run before.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// Caller and callee.
#[derive(Debug)]
pub(crate) struct Probe {
    caller: Agent,
    callee: Agent,
}

/// What the calls showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probed {
    /// Calls placed.
    pub(crate) calls: u64,
    /// Calls that were not answered, not hung up, or odd in any way.
    pub(crate) failed: u64,
    /// INVITE to 180.
    pub(crate) ring: Vec<Duration>,
    /// INVITE to 200.
    pub(crate) invite: Vec<Duration>,
    /// BYE to 200.
    pub(crate) bye: Vec<Duration>,
}

impl Probe {
    /// Listens on the addresses of the site that are meant for it. Two runs on one system need
    /// different numbers: finished calls are remembered.
    pub(crate) async fn open(site: &Site, run: u64) -> Result<Self> {
        let caller = Agent::start(site.caller(), 2 * run)?;
        let callee = Agent::start(site.callee(), 2 * run + 1)?;
        Self::between(caller, callee).await
    }

    /// The same over one transport on both sides, for which the cluster has listeners.
    pub(crate) async fn over(cluster: &Cluster, over: Transport, run: u64) -> Result<Self> {
        let site = cluster.site();
        let caller = start(cluster, over, site.caller(), 2 * run).await?;
        let callee = start(cluster, over, site.callee(), 2 * run + 1).await?;
        Self::between(caller, callee).await
    }

    async fn between(caller: Agent, callee: Agent) -> Result<Self> {
        let script = CalleeScript::answer_after_ms(0);
        callee.order(vec![Order::Script(String::new(), script)]).await?;
        Ok(Self { caller, callee })
    }

    /// Places calls to the addresses in turn, evenly over `span`, and waits until all are over.
    pub(crate) async fn run(
        self,
        to: &[SocketAddr],
        per_second: u32,
        span: Duration,
    ) -> Result<Probed> {
        let pause = Duration::from_secs(1) / per_second.max(1);
        let start = Instant::now();
        let mut placed = 0_u64;
        for (to, number) in to.iter().cycle().zip(1_u32..) {
            let at = start + pause * number;
            if at + HOLD > start + span {
                break;
            }
            tokio::time::sleep_until(at).await;
            let plan = CallerPlan {
                hang_up: When::After(HOLD),
                ..CallerPlan::hold(format!("1{number:06}"), *to)
            };
            self.caller.order(vec![Order::Place(plan)]).await?;
            placed += 1;
        }
        let over = |ledger: &holdline_cluster_tests::ua::Ledger| {
            ledger.entries().iter().all(|entry| entry.over)
        };
        // Calls that hang are counted as failed below.
        let _late = self.caller.wait(END_LIMIT, "every probe over", over).await;
        Ok(self.judge(placed))
    }

    fn judge(&self, calls: u64) -> Probed {
        let (caller, callee) = (self.caller.ledger(), self.callee.ledger());
        let mut probed = Probed { calls, ..Probed::default() };
        for entry in caller.entries().iter().filter(|entry| entry.role == Role::Caller) {
            let clean = entry.over && entry.final_status() == Some(200);
            let reached = callee.calls(&entry.number).count() == 1;
            probed.ring.extend(time(entry, 180, Method::Invite));
            match (time(entry, 200, Method::Invite), time(entry, 200, Method::Bye)) {
                (Some(invite), Some(bye)) if clean && reached => {
                    probed.invite.push(invite);
                    probed.bye.push(bye);
                }
                _ => probed.failed += 1,
            }
        }
        probed
    }
}

/// Starts an agent; one of a run before leaves its address a moment after it.
async fn start(cluster: &Cluster, over: Transport, local: SocketAddr, seed: u64) -> Result<Agent> {
    let deadline = Instant::now() + LEAVE_LIMIT;
    loop {
        match Agent::start_over(cluster.over(over)?, local, seed) {
            Ok(agent) => return Ok(agent),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// From a request, as first sent, to that answer.
fn time(entry: &Entry, status: u16, method: Method) -> Option<Duration> {
    Some(entry.received(Kind::Response(status, method))? - entry.sent(Kind::Request(method))?)
}
