//! The owner of calls is killed in every phase of a call, as leader and as follower.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::ClusterOptions;
use holdline_cluster_tests::stage::{Phase, Scene, Stage, Victim};

const CALLS: usize = 20;

/// Kills a follower, brings it back, kills the leader, and judges both.
async fn kill_in(phase: Phase) {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let mut batches = Vec::new();
    for victim in [Victim::Follower, Victim::Leader] {
        let scene = Scene { phase, victim, calls: CALLS };
        let (node, batch) = scene.play(&mut stage, &mut |_: &str| {}).await.unwrap();
        Scene::bring_back(&mut stage, node).await.unwrap();
        batches.push((victim, batch));
    }
    for (victim, batch) in batches {
        let verdict = stage.judge(&batch).await.unwrap();
        assert!(verdict.clean(), "{phase:?}, {victim:?} killed: {verdict:#?}");
        assert_eq!(verdict.cdrs_found, CALLS);
    }
    assert!(stage.strays().is_empty(), "{:#?}", stage.strays());
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invite_received_but_not_committed() {
    kill_in(Phase::Received).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invite_committed() {
    kill_in(Phase::Committed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ringing() {
    kill_in(Phase::Ringing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_200_and_ack() {
    kill_in(Phase::Answered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_the_call() {
    kill_in(Phase::Talking).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bye_in_flight() {
    kill_in(Phase::HangingUp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_in_flight() {
    kill_in(Phase::Canceling).await;
}

/// CPU seconds of a node's process so far.
async fn cpu_s(stage: &Stage, node: u64) -> f64 {
    let metrics = stage.cluster.admin(node).metrics().await.unwrap();
    metrics.sum("process_cpu_seconds_total", &[])
}

/// What a survivor spends on a dead member is missing for the calls that it has just taken over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_member_keeps_nobody_busy() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    for leads in [false, true] {
        let leader = stage.cluster.leader().await.unwrap();
        let victim = if leads { leader } else { leader % 3 + 1 };
        stage.cluster.kill(victim).unwrap();
        let survivors: Vec<u64> = stage.cluster.running().collect();
        let mut spent = Vec::new();
        for node in &survivors {
            spent.push(-cpu_s(&stage, *node).await);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        for (node, spent) in survivors.iter().zip(&mut spent) {
            *spent += cpu_s(&stage, *node).await;
        }
        // One that asks the dead one without a pause takes all of 2 s.
        assert!(spent.iter().all(|spent| *spent < 0.6), "{survivors:?} of 2 s: {spent:?}");
        Scene::bring_back(&mut stage, victim).await.unwrap();
    }
    stage.cluster.pass().unwrap();
}
