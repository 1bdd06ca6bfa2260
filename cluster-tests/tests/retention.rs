//! Call detail records grow old: they go at the same place on every node, and what is younger stays.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::ClusterOptions;
use holdline_cluster_tests::stage::Stage;
use tokio::time::Instant;

/// The shortest retention is a minute; the leader looks every ten seconds.
const KEEP: Duration = Duration::from_secs(60);
const LOOKS_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_when_they_are_old_and_on_every_node_alike() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let set = stage.cluster.admin(2).request("PUT", "/v1/cdrs/retention?keep_s=60").await.unwrap();
    assert_eq!(set.status, 200, "{}", set.body);
    let old = stage.bring_up(12, 1).await.unwrap();
    // Before the first of them ends: none may go earlier than a minute after that.
    let ended = Instant::now();
    stage.hang_up(&old).await.unwrap();
    let verdict = stage.judge_answered(old.clone()).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    tokio::time::sleep_until(ended + KEEP / 2).await;
    let young = stage.bring_up(5, 2).await.unwrap();
    stage.hang_up(&young).await.unwrap();
    assert_eq!(stage.cdrs_of(&young).await.unwrap().len(), 17, "none is old enough yet");
    let purged = |id| {
        let admin = stage.cluster.admin(id);
        async move { admin.document("/v1/cdrs/retention").await.unwrap() }
    };
    let deadline = ended + KEEP + LOOKS_WITHIN;
    for id in 1..=3 {
        while purged(id).await["purged"] != 12 {
            assert!(Instant::now() < deadline, "node {id}: {}", purged(id).await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let left = stage.cluster.admin(id).cdrs().await.unwrap();
        assert_eq!(left.len(), 5, "{left:?}");
        assert!(young.iter().all(|number| left.iter().any(|cdr| cdr.number() == number)));
    }
    let floors = [purged(1).await, purged(2).await, purged(3).await];
    assert!(
        floors.iter().all(|it| it["purged_before"] == floors[0]["purged_before"]),
        "{floors:?}"
    );
    assert!(Instant::now() > ended + KEEP, "they were kept for as long as was said");
    stage.cluster.pass().unwrap();
}
