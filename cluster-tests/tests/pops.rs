//! Three sites, one of them with nothing but a witness: it votes and owns nothing, the leader is where
//! it should be, and the matrix of round trips is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::stage::Stage;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(30);

async fn wait_leader(cluster: &mut Cluster, wanted: u64) {
    let what = format!("node {wanted} leads");
    let led = cluster.wait(LIMIT, &what, |all| all.iter().all(|it| it.leader == Some(wanted)));
    led.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_keeps_the_majority_and_the_leader_is_at_the_best_site_that_lives() {
    let options = ClusterOptions {
        pops: ["fra", "ams", "lon"].map(str::to_owned).into(),
        witness: Some(3),
        leader_pops: vec!["ams".to_owned()],
        ..ClusterOptions::default()
    };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    wait_leader(&mut stage.cluster, 2).await;
    let slots = stage.cluster.admin(3).slots().await.unwrap();
    assert!(slots.iter().all(|slot| slot.owner != 3 && slot.home != 3), "{slots:?}");
    // The site of the leader is gone: the witness votes, and does not lead.
    let held = stage.bring_up(20, 2).await.unwrap();
    let more = stage.bring_up(20, 1).await.unwrap();
    stage.cluster.kill(2).unwrap();
    wait_leader(&mut stage.cluster, 1).await;
    stage.hang_up(&more).await.unwrap();
    let during = stage.bring_up(10, 2).await.unwrap();
    stage.cluster.restart(2).unwrap();
    stage.cluster.wait_home(LIMIT).await.unwrap();
    wait_leader(&mut stage.cluster, 2).await;
    // The same with the other site.
    stage.cluster.kill(1).unwrap();
    stage.hang_up(&held).await.unwrap();
    stage.hang_up(&during).await.unwrap();
    let last = stage.bring_up(10, 1).await.unwrap();
    stage.cluster.restart(1).unwrap();
    stage.cluster.wait_home(LIMIT).await.unwrap();
    stage.hang_up(&last).await.unwrap();
    for numbers in [held, more, during, last] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    wait_matrix(&stage.cluster).await;
    stage.cluster.pass().unwrap();
}

/// Waits until every node knows how far every other one finds every other one.
async fn wait_matrix(cluster: &Cluster) {
    let deadline = Instant::now() + LIMIT;
    for id in 1..=3 {
        loop {
            let view = cluster.admin(id).document("/v1/pops").await.unwrap();
            let trips = view["round_trips"].as_array().unwrap();
            let known: Vec<(u64, u64)> = trips
                .iter()
                .map(|it| (it["from"].as_u64().unwrap(), it["to"].as_u64().unwrap()))
                .collect();
            if known == [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)] {
                let lon = &view["pops"][2];
                assert_eq!(
                    (lon["pop"].as_str(), lon["witnesses"].as_u64()),
                    (Some("lon"), Some(1))
                );
                let far = lon["round_trips_us"]["ams"].as_u64().unwrap();
                assert!(far < 1_000_000, "{view}");
                break;
            }
            assert!(Instant::now() < deadline, "node {id}: {view}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
