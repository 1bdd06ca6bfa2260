//! Many calls up: what they weigh, what a new call costs beside them, and how fast a survivor
//! serves all of them when their owner is killed.
//!
//! The calls are held by SIPp. For the takeover there are sampled calls of our own agents among
//! them, of which one after the other is hung up from the kill on, and a base load goes on, so that
//! the burst of the new owner can be held against the messages of an ordinary second.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdline_cluster_tests::cluster::{Admin, ClusterOptions, Metrics};
use holdline_cluster_tests::sipp::{Scenario, Sipp, SippPlan};
use holdline_cluster_tests::ua::{
    Agent, CalleeScript, CallerPlan, Entry, Kind as What, Ledger, Method, Order, Tell, Way,
};
use serde::Serialize;
use tokio::time::Instant;

use super::figures::{Times, ms, round, short};
use super::run::{Plan, Run, Stand};
use super::system::Kind;
use super::{note, say};

/// Calls per second while the calls are set up.
const SET_UP_RATE: u32 = 800;
/// Longer than any run.
const HOLD_MS: u32 = 3_600_000;
/// How long the last calls may take to be up.
const SET_UP_GRACE: Duration = Duration::from_secs(60);
/// Sampled calls, and the time between two of their BYEs.
const SAMPLES: u32 = 400;
const APART: Duration = Duration::from_millis(5);
/// How long messages are counted before the kill.
const ORDINARY: Duration = Duration::from_secs(4);
/// Time between two scrapes: the resolution of what they show.
const SCRAPE: Duration = Duration::from_millis(50);
/// How long all of it may take.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(30);
/// How long a restart may take.
const RESTART_LIMIT: Duration = Duration::from_secs(120);
/// The time over which a burst is averaged: shorter ones, a network's queues level out.
const BURST: Duration = Duration::from_millis(200);

const SENT: &str = "holdline_transport_sent_total";
const RECOVERED: &str = "holdline_calls_recovered_total";
const LOST: &str = "holdline_calls_lost_total";

/// What so many calls weigh and cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Up {
    /// Calls held.
    pub(crate) calls: u32,
    /// How long it took to set them up, in seconds.
    pub(crate) set_up_s: f64,
    /// Memory of the owner in MiB.
    pub(crate) owner_mib: f64,
    /// Memory of the larger replica in MiB.
    pub(crate) replica_mib: f64,
    /// Memory of all nodes before the first call, the largest, in MiB.
    pub(crate) empty_mib: f64,
    /// CPU seconds per second of all nodes while these calls only stay up.
    pub(crate) idle_cpu: f64,
    /// New calls on top of them.
    pub(crate) run: Run,
    /// What happened when their owner was killed.
    pub(crate) takeover: Takeover,
    /// From the start of the killed node's process to its being ready again, in ms.
    pub(crate) restart_ms: f64,
}

/// The kill of an owner with many calls.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Takeover {
    /// Calls that the survivor says it has rebuilt.
    pub(crate) recovered: f64,
    /// Calls whose record it could not rebuild.
    pub(crate) lost: f64,
    /// From the kill to the first correct answer to the BYE of a sampled call, in ms.
    pub(crate) first_answer_ms: Option<f64>,
    /// From the kill until the survivor counted the last of the calls as rebuilt, in ms.
    pub(crate) last_recovered_ms: Option<f64>,
    /// From the kill to the last answer to a BYE that had to be sent more than once, in ms: from
    /// then on every call was served at once.
    pub(crate) last_delayed_answer_ms: Option<f64>,
    /// From the first BYE of a sampled call, or from the kill if that was later, to its answer.
    pub(crate) wait: Option<Times>,
    /// Sampled calls hung up after the kill.
    pub(crate) sampled: usize,
    /// Sampled calls that did not end as they should.
    pub(crate) sampled_lost: usize,
    /// SIP messages per second that all nodes sent before the kill, while as many calls were hung up.
    pub(crate) ordinary_per_s: f64,
    /// The most that the survivors sent after it, as a rate over 200 ms.
    pub(crate) burst_per_s: f64,
}

/// Measures each number of calls on a fresh cluster.
pub(crate) async fn measure(
    counts: &[u32],
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Vec<Up> {
    let mut all = Vec::new();
    for calls in counts {
        match one(*calls, options, plan).await {
            Ok(up) => {
                say(&up.line());
                all.push(up);
            }
            Err(error) => note(broken, format!("{calls} calls up: {error:#}")),
        }
    }
    all
}

async fn one(calls: u32, options: &ClusterOptions, plan: &Plan) -> Result<Up> {
    let max_calls = Some(u64::from(calls) * 2 + 50_000);
    let options = ClusterOptions { max_calls, ..options.clone() };
    let mut stand = Stand::open(Kind::Holdline3, &options).await?;
    stand.warm_up(plan).await?;
    let empty_mib = largest(&stand.system.memory_mib());
    let start = Instant::now();
    let _held = hold(&stand, calls, SET_UP_RATE).await?;
    let set_up_s = round(start.elapsed().as_secs_f64());
    say(&format!("up: {calls} calls are up after {} s", short(set_up_s)));
    let owner = owner(&mut stand).await?;
    let mut memory = stand.system.memory_mib();
    let owner_mib = memory.remove(usize::try_from(owner - 1)?);
    let idle_cpu = round(stand.idle_cpu().await);
    let run = stand.load(plan).await?;
    let takeover = kill(&mut stand, owner, plan).await?;
    let restart_ms = restart(&mut stand, owner).await?;
    stand.end_now()?;
    Ok(Up {
        calls,
        set_up_s,
        owner_mib: round(owner_mib),
        replica_mib: round(largest(&memory)),
        empty_mib: round(empty_mib),
        idle_cpu,
        run,
        takeover,
        restart_ms,
    })
}

/// Sets the calls up.
pub(crate) async fn hold(stand: &Stand, calls: u32, rate: u32) -> Result<Sipp> {
    let system = &stand.system;
    let to = system.ingress().first().copied().context("nobody to call")?;
    let mut local = system.site().sipp_caller();
    local.set_port(local.port() + 100);
    let mut plan = SippPlan::caller(Scenario::Ours("uac.xml"), local, to, calls, rate);
    plan.hold_ms = HOLD_MS;
    let held = plan.start(system.folder(), "held")?;
    let limit = Duration::from_secs((calls / rate).into()) + SET_UP_GRACE;
    let deadline = Instant::now() + limit;
    let wanted = f64::from(calls);
    loop {
        let up: f64 = system.metrics().await?.iter().map(|m| m.sum("holdline_calls_up", &[])).sum();
        if up >= wanted {
            return Ok(held);
        }
        ensure!(Instant::now() < deadline, "only {up} of {calls} calls are up after {limit:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The node that is called, which owns all calls.
async fn owner(stand: &mut Stand) -> Result<u64> {
    let cluster = stand.system.cluster().context("not a cluster")?;
    let health = cluster.any_admin()?.health().await?;
    let most = health.members.iter().max_by_key(|member| member.calls);
    Ok(most.context("no member")?.id)
}

async fn kill(stand: &mut Stand, owner: u64, plan: &Plan) -> Result<Takeover> {
    let to = stand.system.ingress().first().copied().context("nobody to call")?;
    let caller = Agent::start(stand.system.site().caller(), 1021)?;
    let callee = Agent::start(stand.system.site().callee(), 1022)?;
    let script = CalleeScript::answer_after_ms(0);
    callee.order(vec![Order::Script(String::new(), script)]).await?;
    let usual =
        place(&caller, to, 16, u32::try_from(ORDINARY.as_millis() / APART.as_millis())?).await?;
    let numbers = place(&caller, to, 17, SAMPLES).await?;
    let every = |ledger: &Ledger| {
        let up = |number: &String| ledger.call(number).is_some_and(Entry::up);
        usual.iter().chain(&numbers).all(up)
    };
    caller.wait(Duration::from_secs(10), "every sampled call up", every).await?;

    // The base load goes on beside it; its calls are SIPp's to keep.
    let base = Plan { seconds: 20, ..*plan };
    let _base = stand.start_callers(&base)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let up = up(&stand.system.metrics().await?);
    let before = Counted::look(&stand.system.metrics().await?);
    // As many calls are hung up as after the kill: what is usual is what the callers say.
    hang_up(&caller, &usual, Instant::now()).await?;
    let ordinary = Counted::look(&stand.system.metrics().await?);

    let cluster = stand.system.cluster().context("not a cluster")?;
    let survivors: Vec<Admin> =
        cluster.running().filter(|id| *id != owner).map(|id| cluster.admin(id)).collect();
    let at = cluster.kill(owner)?;
    caller.sync().await?;
    let silent_from = Instant::now();
    let hang_up = async {
        hang_up(&caller, &numbers, at).await?;
        let over = |ledger: &Ledger| ledger.entries().iter().all(|entry| entry.over);
        // Calls that hang are counted below.
        let _late = caller.wait(TAKEOVER_LIMIT, "every sampled call over", over).await;
        anyhow::Ok(())
    };
    let (hung_up, counted) = tokio::join!(hang_up, watch(&survivors, up));
    hung_up?;
    let counted = counted?;
    let last = counted.last().copied().context("the survivors were never heard")?;
    let recovered_at = counted.iter().find(|c| c.recovered >= last.recovered).map(|c| c.at);
    let mut takeover = Takeover {
        recovered: last.recovered,
        lost: last.lost,
        first_answer_ms: None,
        last_recovered_ms: recovered_at.map(|then| ms(then - at)),
        last_delayed_answer_ms: None,
        wait: None,
        sampled: numbers.len(),
        sampled_lost: 0,
        ordinary_per_s: round(ordinary.rate_since(&before)),
        burst_per_s: round(burst(&counted)),
    };
    takeover.judge(&caller, &numbers, at, silent_from);
    Ok(takeover)
}

/// Sets sampled calls up; their numbers, which begin with `prefix`.
async fn place(caller: &Agent, to: SocketAddr, prefix: u32, count: u32) -> Result<Vec<String>> {
    let numbers: Vec<String> = (0..count).map(|place| format!("{prefix}{place:05}")).collect();
    for number in &numbers {
        caller.order(vec![Order::Place(CallerPlan::hold(number.clone(), to))]).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(numbers)
}

/// Hangs calls up one after the other, and returns when the last one's time has passed.
async fn hang_up(caller: &Agent, numbers: &[String], from: Instant) -> Result<()> {
    let mut at = from;
    for number in numbers {
        tokio::time::sleep_until(at).await;
        caller.order(vec![Order::Tell(number.clone(), Tell::HangUp)]).await?;
        at += APART;
    }
    tokio::time::sleep_until(at).await;
    Ok(())
}

/// Starts the killed node again, with all the calls in its data folder, and waits until it is ready.
async fn restart(stand: &mut Stand, node: u64) -> Result<f64> {
    let cluster = stand.system.cluster().context("not a cluster")?;
    let at = Instant::now();
    cluster.restart(node)?;
    while !cluster.admin(node).ready().await {
        ensure!(at.elapsed() < RESTART_LIMIT, "node {node} is not ready after {RESTART_LIMIT:?}");
        tokio::time::sleep(SCRAPE).await;
    }
    Ok(round(ms(at.elapsed())))
}

/// What the nodes have counted, at one moment.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    sent: f64,
    recovered: f64,
    lost: f64,
}

impl Counted {
    fn look(nodes: &[Metrics]) -> Self {
        let sum = |name| nodes.iter().map(|node| node.sum(name, &[])).sum();
        Self { at: Instant::now(), sent: sum(SENT), recovered: sum(RECOVERED), lost: sum(LOST) }
    }

    fn rate_since(&self, earlier: &Self) -> f64 {
        (self.sent - earlier.sent) / (self.at - earlier.at).as_secs_f64()
    }
}

fn up(nodes: &[Metrics]) -> f64 {
    nodes.iter().map(|node| node.sum("holdline_calls_up", &[])).sum()
}

/// Scrapes the survivors until they have rebuilt nearly as many calls as were up, and then until
/// nothing has been added for a while: what ended meanwhile needs no rebuilding.
async fn watch(survivors: &[Admin], up: f64) -> Result<Vec<Counted>> {
    let (mut all, start): (Vec<Counted>, Instant) = (Vec::new(), Instant::now());
    let mut grown = start;
    loop {
        let mut nodes = Vec::new();
        for survivor in survivors {
            nodes.push(survivor.metrics().await?);
        }
        let now = Counted::look(&nodes);
        if all.last().is_none_or(|last| now.recovered > last.recovered) {
            grown = now.at;
        }
        all.push(now);
        let settled = now.at - grown > Duration::from_secs(2);
        if (settled && now.recovered >= up * 0.9) || start.elapsed() > TAKEOVER_LIMIT {
            return Ok(all);
        }
        tokio::time::sleep(SCRAPE).await;
    }
}

/// The highest rate of messages over [`BURST`].
fn burst(counted: &[Counted]) -> f64 {
    let pairs = counted.iter().filter_map(|first| {
        let later = counted.iter().find(|later| later.at >= first.at + BURST)?;
        Some(later.rate_since(first))
    });
    pairs.fold(0.0, f64::max)
}

impl Takeover {
    /// What the sampled calls saw.
    fn judge(&mut self, caller: &Agent, numbers: &[String], kill: Instant, silent_from: Instant) {
        let ledger = caller.ledger();
        let (mut answers, mut waits) = (Vec::new(), Vec::new());
        for entry in numbers.iter().flat_map(|number| ledger.calls(number)) {
            let ok = What::Response(200, Method::Bye);
            let again = entry.count(Way::Sent, What::Request(Method::Bye)) > 1;
            match entry.received(ok) {
                Some(at) if entry.over && entry.anomalies.is_empty() => {
                    answers.push((at, again));
                    let sent = entry.sent(What::Request(Method::Bye)).unwrap_or(kill);
                    waits.push(at - sent.max(kill));
                }
                _ => self.sampled_lost += 1,
            }
        }
        let after = |kept: &mut dyn Iterator<Item = tokio::time::Instant>| {
            kept.filter(|at| *at >= silent_from).map(|at| ms(at - kill)).collect::<Vec<f64>>()
        };
        let all = after(&mut answers.iter().map(|(at, _)| *at));
        let delayed = after(&mut answers.iter().filter(|(_, again)| *again).map(|(at, _)| *at));
        self.wait = Times::of(waits);
        self.first_answer_ms = all.into_iter().reduce(f64::min);
        self.last_delayed_answer_ms = delayed.into_iter().reduce(f64::max);
    }
}

impl Up {
    fn line(&self) -> String {
        let time = |time: Option<f64>| time.map_or("–".into(), short);
        let Takeover { first_answer_ms, last_recovered_ms, recovered, sampled_lost, .. } =
            &self.takeover;
        format!(
            "up: {} calls: owner {} MiB, replica {} MiB; a new call costs {} CPU s/1,000; takeover: \
             first answer {} ms, last of {recovered} rebuilt {} ms, {sampled_lost} of {} lost; \
             {} messages/s at most, {} before; ready again {} ms after its start",
            self.calls,
            short(self.owner_mib),
            short(self.replica_mib),
            short(self.run.cpu_s),
            time(*first_answer_ms),
            time(*last_recovered_ms),
            self.takeover.sampled,
            short(self.takeover.burst_per_s),
            short(self.takeover.ordinary_per_s),
            short(self.restart_ms),
        )
    }
}

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(0.0, f64::max)
}
