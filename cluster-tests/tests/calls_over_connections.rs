//! Calls between peers on different transports, through every node.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use holdline_cluster_tests::cluster::{ClusterOptions, Transport};
use holdline_cluster_tests::stage::Stage;

async fn calls(caller_over: Transport, callee_over: Transport) {
    let options = ClusterOptions { caller_over, callee_over, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    for node in 1..=3 {
        let numbers = stage.bring_up(20, node).await.unwrap();
        stage.hang_up(&numbers).await.unwrap();
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{caller_over:?} to {callee_over:?}, node {node}: {verdict:#?}");
    }
    assert!(stage.strays().is_empty(), "{:#?}", stage.strays());
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_tcp_to_udp() {
    calls(Transport::Tcp, Transport::Udp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_udp_to_tcp() {
    calls(Transport::Udp, Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_tls_to_udp() {
    calls(Transport::Tls, Transport::Udp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_tls_to_tls() {
    calls(Transport::Tls, Transport::Tls).await;
}
