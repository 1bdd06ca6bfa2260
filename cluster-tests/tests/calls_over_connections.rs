//! Calls between peers on different transports, through every node.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use holdline_cluster_tests::cluster::{ClusterOptions, Transport};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::DOMAIN;

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

fn by_certificate(domain: &str) -> ClusterOptions {
    ClusterOptions {
        caller_over: Transport::Tls,
        caller_certificate: Some(domain.to_owned()),
        ..ClusterOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trunk_is_known_by_its_certificate() {
    let mut stage = Stage::open(&by_certificate(DOMAIN), 1).await.unwrap();
    let numbers = stage.bring_up(5, 2).await.unwrap();
    stage.hang_up(&numbers).await.unwrap();
    assert!(stage.cdrs_of(&numbers).await.unwrap().iter().all(|cdr| cdr.trunk_in == "caller"));
    let verdict = stage.judge_answered(numbers).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trunk_with_another_certificate_than_its_own_is_refused() {
    let mut stage = Stage::open(&by_certificate("somebody.test"), 1).await.unwrap();
    stage.bring_up(1, 2).await.unwrap_err();
    let metrics = stage.cluster.admin(2).metrics().await.unwrap();
    let refused = metrics.sum("holdline_sip_refused_total", &["reason=\"unknown_source\""]);
    assert!(refused > 0.0, "{refused}");
    stage.cluster.set_quiet(true);
}
