//! From the kill to the first answer of the survivor.
//!
//! Calls are up, their owner is killed, and one call after the other is hung up, evenly over the
//! next second. Each BYE is repeated as RFC 3261 says, so that from the kill on a request is on
//! its way every few milliseconds: that step is the resolution of the measurement.

use std::time::Duration;

use anyhow::{Context, Result};
use holdline_cluster_tests::cluster::ClusterOptions;
use holdline_cluster_tests::reconcile::percentile;
use holdline_cluster_tests::stage::{Phase, Scene, Stage, Victim};
use serde::Serialize;

use super::say;

/// Takeover times of one kind of victim.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Takeover {
    /// Whose.
    pub(crate) victim: String,
    /// Kill to first correct answer to a BYE, each kill, in the order of the kills.
    pub(crate) first_answer_ms: Vec<f64>,
    /// Median of these.
    pub(crate) p50_ms: f64,
    /// 99th percentile (nearest rank).
    pub(crate) p99_ms: f64,
    /// The worst.
    pub(crate) max_ms: f64,
    /// Calls that were up at the kills.
    pub(crate) calls: usize,
    /// Calls that were lost, billed wrongly or oddly served.
    pub(crate) lost: usize,
    /// Time between two requests, which is the resolution.
    pub(crate) resolution_ms: f64,
}

/// Kills `kills` nodes, one after the other.
pub(crate) async fn measure(
    victim: Victim,
    name: &str,
    kills: u32,
    calls: usize,
) -> Result<Takeover> {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await?;
    let (mut times, mut lost) = (Vec::new(), 0);
    for kill in 1..=kills {
        let scene = Scene { phase: Phase::Talking, victim, calls };
        let (node, batch) = scene.play(&mut stage, &mut |_: &str| {}).await?;
        Scene::bring_back(&mut stage, node).await.with_context(|| format!("kill {kill}"))?;
        let verdict = stage.judge(&batch).await?;
        lost += if verdict.clean() { 0 } else { verdict.lost.len().max(1) };
        let first = verdict.takeover.first().copied();
        let first = first.with_context(|| format!("kill {kill}: no call was ever answered"))?;
        say(&format!("{name}: kill {kill}/{kills}, node {node}: {} ms", first.as_millis()));
        times.push(first);
    }
    stage.cluster.pass()?;
    let mut sorted = times.clone();
    sorted.sort_unstable();
    let at = |percent| percentile(&sorted, percent).map_or(f64::NAN, ms);
    Ok(Takeover {
        victim: name.to_owned(),
        p50_ms: at(50),
        p99_ms: at(99),
        max_ms: at(100),
        first_answer_ms: times.into_iter().map(ms).collect(),
        calls: calls * usize::try_from(kills)?,
        lost,
        resolution_ms: 1000.0 / f64::from(u32::try_from(calls)?.max(1)),
    })
}

/// Milliseconds with one decimal.
pub(crate) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
