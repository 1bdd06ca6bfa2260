//! The owner of calls is killed in every phase of a call, over TCP and TLS: its connections die, the
//! peers come back over new ones to whichever node has the address, and find their calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use holdline_cluster_tests::cluster::{ClusterOptions, Transport};
use holdline_cluster_tests::stage::{Phase, Scene, Stage, Victim};

const PHASES: [Phase; 7] = [
    Phase::Received,
    Phase::Committed,
    Phase::Ringing,
    Phase::Answered,
    Phase::Talking,
    Phase::HangingUp,
    Phase::Canceling,
];

/// Kills the owner in each of `phases` and judges what became of the calls.
async fn kill_in(caller: Transport, callee: Transport, phases: &[Phase], victims: &[Victim]) {
    let options =
        ClusterOptions { caller_over: caller, callee_over: callee, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    for (phase, victim) in phases.iter().flat_map(|p| victims.iter().map(move |v| (*p, *v))) {
        let scene = Scene { phase, victim, calls: CALLS };
        let (node, batch) = scene.play(&mut stage, &mut |_: &str| {}).await.unwrap();
        Scene::bring_back(&mut stage, node).await.unwrap();
        let verdict = stage.judge(&batch).await.unwrap();
        assert!(verdict.clean(), "{caller:?} to {callee:?}, {phase:?}, {victim:?}: {verdict:#?}");
        assert_eq!(verdict.cdrs_found, CALLS);
    }
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_the_call_over_tcp() {
    let phases = [Phase::Talking, Phase::HangingUp];
    kill_in(Transport::Tcp, Transport::Tcp, &phases, &[Victim::Follower]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_200_and_ack_from_udp_to_tls() {
    let phases = [Phase::Answered];
    kill_in(Transport::Udp, Transport::Tls, &phases, &[Victim::Leader]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_rings_from_tls_to_udp() {
    kill_in(Transport::Tls, Transport::Udp, &[Phase::Ringing], &[Victim::Follower]).await;
}

/// The whole matrix takes minutes: `make chaos` runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; make chaos runs it"]
async fn in_every_phase_over_every_transport() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        kill_in(transport, transport, &PHASES, &[Victim::Follower, Victim::Leader]).await;
    }
}

const CALLS: usize = 20;
