//! Nothing that was acknowledged is lost: neither by SIGKILL of all nodes, nor by a power cut of all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Volume};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{CalleeScript, CallerPlan};

const LIMIT: Duration = Duration::from_secs(40);
const VOLUME_BYTES: u64 = 256 << 20;

/// Callers that come and go: `count` calls, one every 15 ms, each held for half a second.
async fn traffic(stage: &mut Stage, count: usize) -> Vec<String> {
    let numbers = stage.numbers(count, CalleeScript::answer_after_ms(30)).await.unwrap();
    for (number, node) in numbers.iter().zip((1..=3).cycle()) {
        let to = stage.cluster.sip(node);
        let plan = CallerPlan::hold(number.clone(), to).hang_up_after_ms(500);
        stage.place(vec![plan]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    numbers
}

/// Calls are up, others end and begin: then all nodes are gone at the same moment, `strike` does what
/// is done to their disks, and they start again.
async fn all_gone_at_once(
    mut stage: Stage,
    mut strike: impl FnMut(&mut Cluster),
    rounds: usize,
) -> Stage {
    for _ in 0..rounds {
        let held = stage.bring_up(40, 2).await.unwrap();
        let over = traffic(&mut stage, 60).await;
        // Without a pause: the last calls are in every phase when it strikes.
        let before = stage.cdrs().await.unwrap();
        strike(&mut stage.cluster);
        for id in 1..=3 {
            stage.cluster.restart(id).unwrap();
        }
        stage.cluster.wait_home(LIMIT).await.unwrap();
        // What could be read before is there, as it was.
        let after = stage.cdrs().await.unwrap();
        for cdr in &before {
            let same = after.iter().find(|it| it.id == cdr.id).unwrap_or_else(|| {
                panic!("CDR {} of call {} is lost", cdr.id, cdr.call);
            });
            assert_eq!((&same.call, &same.ended_at), (&cdr.call, &cdr.ended_at));
        }
        // And no call was lost, billed twice or not at all.
        stage.wait_over(&over).await.unwrap();
        stage.hang_up(&held).await.unwrap();
        for numbers in [over, held] {
            let verdict = stage.judge_answered(numbers).await.unwrap();
            assert!(verdict.clean(), "{verdict:#?}");
        }
    }
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_killed_at_once_lose_nothing() {
    let stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let kill = |cluster: &mut Cluster| {
        for id in 1..=3 {
            cluster.kill(id).unwrap();
        }
    };
    let stage = all_gone_at_once(stage, kill, 2).await;
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_all_nodes_loses_nothing_that_was_acknowledged() {
    if let Some(why) = Volume::cannot() {
        eprintln!("LEFT OUT: the power cut of all nodes: {why}");
        return;
    }
    let site = holdline_cluster_tests::cluster::Site::claim(3).unwrap();
    let mut stage = Stage::open_at(site, &ClusterOptions::default(), 1).unwrap();
    let folder = stage.cluster.folder().to_owned();
    let mut volumes = Vec::new();
    for id in 1..=3 {
        let at = stage.cluster.node(id).unwrap().data_dir.clone();
        let image = folder.join(format!("disk-{id}.img"));
        volumes.push(Volume::make(&image, &at, VOLUME_BYTES).unwrap());
    }
    stage.cluster.start_all().await.unwrap();
    let cut = |cluster: &mut Cluster| {
        for volume in &volumes {
            volume.cut_power().unwrap();
        }
        for id in 1..=3 {
            // A node that has noticed may have ended by itself.
            let _killed = cluster.kill(id);
        }
        for volume in &mut volumes {
            volume.unmount().unwrap();
            volume.mount().unwrap();
        }
    };
    let mut stage = all_gone_at_once(stage, cut, 2).await;
    for id in 1..=3 {
        stage.cluster.kill(id).unwrap();
    }
    drop(volumes);
    stage.cluster.pass().unwrap();
}
