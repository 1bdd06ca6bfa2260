//! Nodes show certificates to one another; strangers and removed nodes are refused, and named.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use holdline_cluster_tests::cluster::{ClusterOptions, Joiner, RPC_PORT};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{CalleeScript, CallerPlan};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(30);

async fn traffic(stage: &mut Stage, node: u64, count: usize) -> Vec<String> {
    let numbers = stage.numbers(count, CalleeScript::answer_after_ms(50)).await.unwrap();
    let to = stage.cluster.sip(node);
    for number in &numbers {
        let plan = CallerPlan::hold(number.clone(), to).hang_up_after_ms(700);
        stage.place(vec![plan]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    numbers
}

/// Waits until a metric of a node, summed over labels, is at least `least`.
async fn counted(stage: &Stage, node: u64, name: &str, label: &str, least: f64) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = stage.cluster.admin(node).metrics().await.map(|it| it.sum(name, &[label]));
        match seen {
            Ok(value) if value >= least => return,
            seen => assert!(Instant::now() < deadline, "{name} {label}: {seen:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_fail_over_between_nodes_with_certificates_and_strangers_are_refused() {
    let options = ClusterOptions { node_tls: true, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let held = stage.bring_up(40, 2).await.unwrap();
    let mut all = traffic(&mut stage, 1, 40).await;
    // Somebody who speaks in clear gets nothing but a closed connection.
    let mut stranger = TcpStream::connect(stage.cluster.site().node(1, RPC_PORT)).unwrap();
    stranger.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stranger.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let mut said = Vec::new();
    // A TLS alert at most, never a frame of HTTP/2.
    let _closed = stranger.read_to_end(&mut said);
    assert!(said.len() < 16, "{said:?}");
    counted(&stage, 1, "holdline_peer_refused_total", "reason=\"certificate\"", 1.0).await;
    // Certificates are exchanged while all runs: a node that starts later meets the new ones.
    for id in 1..=3 {
        stage.cluster.issue(id).unwrap();
    }
    counted(&stage, 1, "holdline_tls_reloads_total", "outcome=\"done\"", 1.0).await;
    stage.cluster.kill(2).unwrap();
    all.extend(traffic(&mut stage, 2, 40).await);
    stage.cluster.restart(2).unwrap();
    stage.cluster.wait_home(LIMIT).await.unwrap();
    // A node joins with a certificate of the number that it was promised.
    let rpc = stage.cluster.site().node(4, RPC_PORT);
    let path = format!("members?rpc={rpc}");
    let promised = stage.cluster.admin(1).change_members("POST", &path).await.unwrap();
    assert_eq!(promised.node, 4);
    stage.cluster.issue(4).unwrap();
    let seed = stage.cluster.site().node(1, RPC_PORT);
    let joiner = Joiner { name: Some(options.name.clone()), ..Joiner::by(seed) };
    stage.cluster.join(4, &joiner).unwrap();
    let deadline = Instant::now() + LIMIT;
    while stage.cluster.admin(1).members().await.unwrap().standing(4) != "voter" {
        assert!(Instant::now() < deadline, "{}", stage.cluster.node(4).unwrap().log_tail(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Its removal is the end of its certificate.
    stage.cluster.admin(1).change_members("DELETE", "members/4").await.unwrap();
    let status = stage.cluster.node(4).unwrap().wait_exit(LIMIT).await.unwrap();
    assert!(!status.success());
    // Some seconds later it is cut off: its certificate opens no connection any more.
    tokio::time::sleep(Duration::from_secs(11)).await;
    stage.cluster.restart(4).unwrap();
    counted(&stage, 1, "holdline_peer_refused_total", "reason=\"removed\"", 1.0).await;
    let node = stage.cluster.node(4).unwrap();
    assert!(!node.wait_exit(LIMIT).await.unwrap().success());
    let said = node.log_tail(10);
    assert!(said.contains("node 4 was removed from the cluster, says node "), "{said}");
    stage.wait_over(&all).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    for numbers in [all, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_nodes_certificate_is_refused_at_start() {
    let options = ClusterOptions { node_tls: true, ..ClusterOptions::default() };
    let mut cluster = holdline_cluster_tests::cluster::Cluster::prepare(&options).unwrap();
    let path = cluster.node(1).unwrap().config.clone();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace("node-1.pem", "node-2.pem").replace("node-1.key", "node-2.key"),
    )
    .unwrap();
    cluster.restart(1).unwrap();
    let node = cluster.node(1).unwrap();
    assert!(!node.wait_exit(LIMIT).await.unwrap().success());
    let said = node.log_tail(10);
    assert!(said.contains("is not the certificate of node 1 of cluster \"test\""), "{said}");
    cluster.pass().unwrap();
}
