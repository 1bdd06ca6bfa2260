//! Trunk groups, probes and breakers on real processes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::sipp::{Scenario, SippPlan};
use serde_json::Value;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(20);

/// What node `id` says of a trunk.
async fn trunk(cluster: &Cluster, id: u64, name: &str) -> Value {
    cluster.admin(id).document(&format!("/v1/trunks/{name}")).await.unwrap()
}

/// Waits until what these nodes say of a trunk meets a condition.
async fn wait(
    cluster: &Cluster,
    ids: &[u64],
    name: &str,
    what: &str,
    met: impl Fn(&Value) -> bool,
) {
    let until = Instant::now() + LIMIT;
    loop {
        let mut all = Vec::new();
        for id in ids {
            all.push(trunk(cluster, *id, name).await);
        }
        if all.iter().all(&met) {
            return;
        }
        assert!(Instant::now() < until, "{name} is not {what}: {all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One trunk is another node's address, which answers every OPTIONS; the other one is nobody's.
#[tokio::test]
async fn one_node_asks_and_all_know_and_what_is_disabled_stays_so() {
    let mut options = ClusterOptions::default();
    let site = holdline_cluster_tests::cluster::Site::claim(3).unwrap();
    let (mirror, nobody) = (site.node(2, 5060), site.address(60, 5060));
    options.more = format!(
        "[[trunk]]\nname = \"mirror\"\naddress = \"{mirror}\"\nsources = []\nprobe = true\n\
         [[trunk]]\nname = \"nobody\"\naddress = \"{nobody}\"\nsources = []\nprobe = true\n\
         [probe]\ninterval_ms = 1000\ndoubt_interval_ms = 200\ntimeout_ms = 500\ndown_after = 2\n"
    );
    let mut cluster = Cluster::prepare_at(site, &options).unwrap();
    cluster.start_all().await.unwrap();
    let all = [1, 2, 3];
    wait(&cluster, &all, "nobody", "shut", |is| is["state"] == "shut").await;
    wait(&cluster, &all, "mirror", "measured", |is| is["latency_ms"].is_u64()).await;
    wait(&cluster, &all, "mirror", "open", |is| is["state"] == "open").await;
    let asker = trunk(&cluster, 1, "nobody").await["prober"].as_u64().unwrap();
    wait(&cluster, &all, "nobody", "asked by one", |is| is["prober"] == asker).await;
    for id in all {
        let metrics = cluster.admin(id).metrics().await.unwrap();
        let asked = metrics.sum("holdline_trunk_probes_total", &["trunk=\"nobody\""]);
        assert_eq!(asked > 0.0, id == asker, "node {id} asked {asked} times, the asker is {asker}");
    }
    // Another node goes on asking, and nobody forgets meanwhile.
    cluster.kill(asker).unwrap();
    let others: Vec<u64> = all.into_iter().filter(|id| *id != asker).collect();
    wait(&cluster, &others, "nobody", "asked by another", |is| {
        is["prober"].is_u64() && is["prober"] != asker && is["state"] == "shut"
    })
    .await;
    cluster.restart(asker).unwrap();
    cluster.wait_home(LIMIT).await.unwrap();
    // An administrator's word reaches all nodes and outlives a restart.
    let disabled = cluster.admin(1).request("POST", "/v1/trunks/mirror/disable").await.unwrap();
    assert_eq!(disabled.status, 202);
    wait(&cluster, &all, "mirror", "disabled", |is| is["state"] == "disabled").await;
    cluster.kill(3).unwrap();
    cluster.restart(3).unwrap();
    cluster.wait_home(LIMIT).await.unwrap();
    wait(&cluster, &[3], "mirror", "disabled", |is| is["disabled_since"].is_string()).await;
    let enabled = cluster.admin(2).request("DELETE", "/v1/trunks/mirror/disable").await.unwrap();
    assert_eq!(enabled.status, 202);
    wait(&cluster, &all, "mirror", "open", |is| is["state"] == "open").await;
    cluster.pass().unwrap();
}

/// Half of the calls would go to a trunk that does not answer: two find out, the others are spared.
#[tokio::test]
async fn a_breaker_opens_and_calls_are_spared_the_wait() {
    const CALLS: u32 = 60;
    let site = holdline_cluster_tests::cluster::Site::claim(3).unwrap();
    let nobody = site.address(60, 5060);
    let options = ClusterOptions {
        target_timeout_ms: Some(700),
        more: format!(
            "[[trunk]]\nname = \"nobody\"\naddress = \"{nobody}\"\nsources = []\n\
             [[trunk_group]]\nname = \"out\"\npolicy = \"round_robin\"\n\
             members = [{{ trunk = \"nobody\" }}, {{ trunk = \"sipp-callee\" }}]\n\
             [[route]]\nprefix = \"8\"\ngroup = \"out\"\n\
             [breaker]\nfailures = 2\nopen_ms = 60000\n"
        ),
        ..ClusterOptions::default()
    };
    let mut cluster = Cluster::prepare_at(site, &options).unwrap();
    cluster.start_all().await.unwrap();
    let (folder, site) = (cluster.folder().to_owned(), cluster.site());
    let callee = SippPlan::callee(Scenario::Ours("uas.xml"), site.sipp_callee());
    let callee = callee.start(&folder, "callee").unwrap();
    let scenario = Scenario::Ours("uac.xml");
    let mut plan = SippPlan::caller(scenario, site.sipp_caller(), cluster.sip(1), CALLS, 10);
    plan.number = "800".to_owned();
    let report = plan.start(&folder, "caller").unwrap().wait(LIMIT).await.unwrap();
    assert_eq!((report.failed, report.successful), (0, u64::from(CALLS)), "{}", report.errors);
    let report = callee.end().await.unwrap();
    assert_eq!((report.failed, report.unfinished), (0, 0), "{}", report.errors);
    wait(&cluster, &[1], "nobody", "shut", |is| is["state"] == "shut").await;
    wait(&cluster, &[2, 3], "nobody", "shut as node 1 says", |is| is["state"] == "shut").await;
    let metrics = cluster.admin(1).metrics().await.unwrap();
    let failures = metrics.sum("holdline_trunk_failures_total", &["trunk=\"nobody\""]);
    // Those that were under way when the second one failed found out by themselves.
    assert!((2.0..15.0).contains(&failures), "{failures} calls had to find out");
    let cdrs = cluster.wait_cdrs(usize::try_from(CALLS).unwrap(), LIMIT).await.unwrap();
    assert!(cdrs.iter().all(|cdr| cdr.disposition == "ANSWERED"));
    cluster.pass().unwrap();
}
