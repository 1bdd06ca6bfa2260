//! The owner of calls is killed in every phase of a call, as leader and as follower.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

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
