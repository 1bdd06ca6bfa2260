//! What a node answers when it has no majority: nothing that pretends to be current.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::stage::Stage;
use tokio::time::Instant;

const READS: [&str; 6] =
    ["/v1/calls", "/v1/cdrs", "/v1/users", "/v1/registrations", "/v1/limits", "/v1/trunks"];

/// The age of a stale answer.
fn age_ms(cluster: &Cluster, node: u64, path: &str) -> u64 {
    let url = format!("{}{path}?consistency=stale", cluster.admin(node).url());
    let answer = ureq::get(&url).call().unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers()["holdline-state-age-ms"].to_str().unwrap().parse().unwrap()
}

/// Every node shows a change that another one has confirmed, at once: nobody waits for it here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_has_confirmed_every_node_shows() {
    let cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    for (round, writer) in [1, 2, 3, 1, 2, 3].into_iter().enumerate() {
        let method = if round % 2 == 0 { "POST" } else { "DELETE" };
        let changed = cluster.admin(writer).request(method, "/v1/trunks/callee/disable").await;
        assert_eq!(changed.unwrap().status, 202);
        for reader in [1, 2, 3] {
            let trunk = cluster.admin(reader).document("/v1/trunks/callee").await.unwrap();
            assert_eq!(trunk["disabled_since"].is_null(), round % 2 == 1, "node {reader}: {trunk}");
        }
    }
    cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_says_so_or_says_how_old_its_answer_is() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let numbers = stage.bring_up(4, 1).await.unwrap();
    for node in 1..=3 {
        assert!(age_ms(&stage.cluster, node, "/v1/calls") < 2_000, "all is well");
    }
    stage.cluster.kill(2).unwrap();
    stage.cluster.kill(3).unwrap();
    for path in READS {
        let refused = stage.cluster.admin(1).request("GET", path).await.unwrap();
        assert_eq!(refused.status, 503, "{path}: {}", refused.body);
        assert!(refused.body.contains("consistency=stale"), "{}", refused.body);
    }
    let first = age_ms(&stage.cluster, 1, "/v1/calls");
    let waited = Instant::now();
    let mut ages = vec![first];
    while waited.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        ages.push(age_ms(&stage.cluster, 1, "/v1/cdrs"));
    }
    assert!(ages.is_sorted() && ages.last() >= Some(&(first + 1_900)), "it grows: {ages:?}");
    let url = stage.cluster.admin(1).url().to_owned();
    let list = |more: &[&str]| {
        let mut command = Command::new(stage.cluster.program());
        command.args(["call", "list", "--url", &url]).args(more).output().unwrap()
    };
    assert!(!list(&[]).status.success());
    let shown = String::from_utf8(list(&["--stale", "-o", "json"]).stdout).unwrap();
    assert_eq!(shown.matches("\"phase\"").count(), 4, "{shown}");
    stage.cluster.start_all().await.unwrap();
    stage.hang_up(&numbers).await.unwrap();
    assert_eq!(stage.cluster.admin(2).calls().await.unwrap().len(), 0);
    let verdict = stage.judge_answered(numbers).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}
