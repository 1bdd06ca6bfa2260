//! Measures how long a commit takes: three nodes in this process, RocksDB, synced.

use std::time::{Duration, Instant};

use super::calls;
use super::cluster::{Cluster, Kind, patient};
use crate::{RaftHandle, clock};

/// Prints percentiles; asserts nothing about time. Run with
/// `cargo test -p holdline-raft -- --ignored --nocapture commit_latency`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn commit_latency() {
    let cluster = Cluster::formed(Kind::Rocks, 3, patient()).await;
    for (place, node) in
        [("leader", cluster.leader().await), ("follower", cluster.follower().await)]
    {
        let handle = cluster.handle(node);
        let base = node.0 * 1_000_000;
        measure(handle, place, base, 1, 500).await;
        measure(handle, place, base + 100_000, 64, 100).await;
    }
}

async fn measure(handle: &RaftHandle, place: &str, base: u64, writers: u64, each: u64) {
    let started = clock::now();
    let run = |writer: u64| {
        let handle = handle.clone();
        async move {
            let mut times = Vec::new();
            for number in 0..each {
                let sent: Instant = clock::now();
                let admit = calls::admit(base + writer * each + number);
                handle.propose(&admit).await.unwrap();
                times.push(clock::now() - sent);
            }
            times
        }
    };
    let all = futures::future::join_all((0..writers).map(run)).await;
    let elapsed = clock::now() - started;
    let mut times: Vec<Duration> = all.into_iter().flatten().collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{place}, {writers} writers: p50 {:?}, p90 {:?}, p99 {:?}, max {:?}; {:.0} commands/s",
        at(50),
        at(90),
        at(99),
        at(100),
        times.len() as f64 / elapsed.as_secs_f64(),
    );
}
