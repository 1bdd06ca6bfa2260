//! Three sites, one of them with nothing but a witness: it votes and owns nothing, the leader is where
//! it should be, and the matrix of round trips is there. And sites that are farther from each other than
//! the default times fit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, RPC_PORT, Site};
use holdline_cluster_tests::relay::Relay;
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

/// What a node says of its times: the round trip that they fit, and whether it advises something of them.
async fn times(cluster: &Cluster, id: u64) -> (u64, bool) {
    let view = cluster.admin(id).document("/v1/pops").await.unwrap();
    let advice = view["advice"].as_array().unwrap();
    let advised = advice.iter().any(|it| it.as_str().unwrap().contains("fit round trips"));
    (view["times_fit_ms"].as_u64().unwrap(), advised)
}

fn kept(cluster: &mut Cluster, id: u64, name: &str) -> Option<u64> {
    let folder = cluster.node(id).unwrap().data_dir.clone();
    fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().parse().unwrap())
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_fit_how_far_the_sites_are_after_each_node_was_started_again_and_nothing_is_lost_meanwhile()
 {
    let one_way = Duration::from_millis(17);
    let site = Site::claim(3).unwrap();
    let way = |id| (site.front(id), site.node(id, RPC_PORT));
    let ways: Vec<(SocketAddr, SocketAddr)> = (1..=3).map(way).collect();
    let _relay = Relay::start(&ways, one_way).await.unwrap();
    let options = ClusterOptions { fronts: true, ..ClusterOptions::default() };
    let mut stage = Stage::open_at(site, &options, 1).unwrap();
    stage.cluster.start_all().await.unwrap();
    let mut calls = vec![stage.bring_up(20, 1).await.unwrap()];
    for id in 1..=3 {
        until("the round trip is kept", || kept(&mut stage.cluster, id, "ROUND_TRIP").is_some())
            .await;
        let needed = kept(&mut stage.cluster, id, "ROUND_TRIP").unwrap();
        assert!((35..=60).contains(&needed), "{needed}");
        assert_eq!(times(&stage.cluster, id).await, (25, true));
    }
    // One after the other, as they should be: meanwhile their leases differ.
    for id in 1..=3 {
        stage.cluster.node(id).unwrap().terminate(LIMIT).await.unwrap();
        stage.cluster.restart(id).unwrap();
        stage.cluster.wait_home(LIMIT).await.unwrap();
        let (fit, advised) = times(&stage.cluster, id).await;
        assert!(fit >= 35 && !advised, "{fit}");
        if id == 1 {
            // It leads with long leases, which the others do not grant, and dies.
            assert_eq!(kept(&mut stage.cluster, 2, "LEASE"), Some(300));
            let to = stage.cluster.operator(&["leader", "transfer", "1"]).output().unwrap();
            assert!(to.status.success(), "{to:?}");
            wait_leader(&mut stage.cluster, 1).await;
            for other in [2, 3] {
                let lease = || kept(&mut stage.cluster, other, "LEASE") >= Some(420);
                until("the leader's leases are noted", lease).await;
            }
            calls.push(stage.bring_up(20, 1).await.unwrap());
            calls.push(stage.bring_up(20, 2).await.unwrap());
            stage.cluster.kill(1).unwrap();
            stage.hang_up(calls.last().unwrap()).await.unwrap();
            calls.push(stage.bring_up(20, 1).await.unwrap());
            stage.cluster.restart(1).unwrap();
            stage.cluster.wait_home(LIMIT).await.unwrap();
        }
    }
    for (place, numbers) in calls.into_iter().enumerate() {
        if place != 2 {
            stage.hang_up(&numbers).await.unwrap();
        }
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}
