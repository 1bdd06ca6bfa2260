//! Three sites: the same cluster with a round trip of 20, 60 or 110 ms between any two nodes.
//!
//! The way is made longer by [`holdline_cluster_tests::relay`]. Callers and callees are beside the node that is
//! called. Election and lease times are scaled to the round trip, as an operator has to.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, RPC_PORT, Site};
use holdline_cluster_tests::relay::Relay;
use serde::Serialize;

use super::figures::{ms, round, short};
use super::load;
use super::ramp::Ramp;
use super::run::{Plan, Run, Stand};
use super::system::{Ingress, Kind, System};
use super::{note, say};

/// What `[cluster.raft]` has by default for one site, in milliseconds. All of them grow with the
/// round trip, in proportion, so that the heartbeat is two round trips.
const TIMES_MS: [(&str, u64); 8] = [
    ("heartbeat_ms", 30),
    ("election_min_ms", 100),
    ("election_max_ms", 200),
    ("quorum_loss_probe_ms", 500),
    ("lease_ms", 300),
    ("lease_renew_ms", 60),
    ("lease_margin_ms", 50),
    ("deaf_after_ms", 2000),
];
const HEARTBEAT_MS: u64 = 30;

/// What a round trip costs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pops {
    /// The round trip asked for, in milliseconds.
    pub(crate) round_trip_ms: u64,
    /// The round trip through the relay as measured, in milliseconds.
    pub(crate) measured_ms: f64,
    /// The highest rate that was held, of those tried; callers call a node that does not lead.
    pub(crate) highest: Option<u32>,
    /// The rate that was not held.
    pub(crate) failed_at: Option<u32>,
    /// Median INVITE to 180 in round trips at the lowest rate, one commit: callers call a follower.
    pub(crate) ring_round_trips: Option<f64>,
    /// Median INVITE to 200 in round trips at the lowest rate, two commits: callers call a follower.
    pub(crate) answer_round_trips: Option<f64>,
    /// The same where callers call the leader.
    pub(crate) leader_ring_round_trips: Option<f64>,
    /// The same where callers call the leader.
    pub(crate) leader_answer_round_trips: Option<f64>,
    /// All runs; the first one is that through the leader.
    pub(crate) runs: Vec<Run>,
}

/// Measures each round trip with each rate, up to the first that is not held.
pub(crate) async fn measure(
    round_trips: &[u64],
    rates: &[u32],
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Vec<Pops> {
    let mut all = Vec::new();
    for round_trip_ms in round_trips {
        match one(*round_trip_ms, rates, plan).await {
            Ok(pops) => all.push(pops),
            Err(error) => note(broken, format!("PoPs, {round_trip_ms} ms: {error:#}")),
        }
    }
    all
}

async fn one(round_trip_ms: u64, rates: &[u32], plan: &Plan) -> Result<Pops> {
    let one_way = Duration::from_micros(round_trip_ms * 500);
    let site = Site::claim(3)?;
    let way = |id| (site.front(id), site.node(id, RPC_PORT));
    let ways: Vec<(SocketAddr, SocketAddr)> = (1..=3).map(way).collect();
    let echo = site.address(49, RPC_PORT);
    let measured = Relay::round_trip(echo, one_way).await?;
    let options =
        ClusterOptions { fronts: true, raft: scaled(round_trip_ms), ..ClusterOptions::default() };
    let relay = Relay::start(&ways, one_way).await?;
    let cluster = Cluster::prepare_at(site, &options)?;
    let system = System::holdline(cluster, Ingress::Leader).await?;
    let mut stand = Stand::beside(Kind::Holdline3, system)?;

    // Before the ramp: what a high rate leaves behind would be measured with it.
    let lowest = Plan { rate: rates.first().copied().unwrap_or(plan.rate), ..*plan };
    stand.warm_up(&lowest).await?;
    let leader = stand.load(&lowest).await?;
    say_run(round_trip_ms, &leader);
    stand.system.call(Ingress::Follower).await?;
    let mut ramp = Ramp::new(Kind::Holdline3);
    for rate in rates {
        let run = stand.load(&Plan { rate: *rate, ..*plan }).await?;
        say_run(round_trip_ms, &run);
        if !ramp.take(run) {
            break;
        }
    }
    stand.end_now()?;
    drop(relay);

    let trips = |time: Option<f64>| time.map(|time| round(time / ms(measured)));
    let follower = ramp.runs.first();
    Ok(Pops {
        round_trip_ms,
        measured_ms: ms(measured),
        highest: ramp.highest,
        failed_at: ramp.failed_at,
        ring_round_trips: trips(follower.and_then(|run| run.ring).map(|t| t.p50_ms)),
        answer_round_trips: trips(follower.and_then(|run| run.invite).map(|t| t.p50_ms)),
        leader_ring_round_trips: trips(leader.ring.map(|t| t.p50_ms)),
        leader_answer_round_trips: trips(leader.invite.map(|t| t.p50_ms)),
        runs: std::iter::once(leader).chain(ramp.runs).collect(),
    })
}

fn say_run(round_trip_ms: u64, run: &Run) {
    let ring = run.ring.map_or("–".into(), |times| short(times.p50_ms));
    say(&format!(
        "PoPs {round_trip_ms} ms, {}/s ({}/s reached), {}: INVITE→180 p50 {ring} ms; {}",
        run.rate,
        run.rate_reached.round(),
        if run.ingress_leads == Some(true) { "callers at the leader" } else { "at a follower" },
        load::line(run)
    ));
}

/// `[cluster.raft]` for a round trip: in proportion, so that the heartbeat is two of them.
fn scaled(round_trip_ms: u64) -> Vec<(String, u64)> {
    let heartbeat = HEARTBEAT_MS.max(round_trip_ms * 2);
    let scale = |(key, time): &(&str, u64)| ((*key).to_owned(), time * heartbeat / HEARTBEAT_MS);
    let connect = ("connect_timeout_ms".to_owned(), 200.max(round_trip_ms * 4));
    TIMES_MS.iter().map(scale).chain([connect]).collect()
}
