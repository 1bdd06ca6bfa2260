//! What nodes do by themselves, on real processes: bans that all know and that outlive a node, and a
//! flood that no call feels.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Admin, Cluster, ClusterOptions, Site, faulty_sync};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{CalleeScript, CallerPlan, Entry};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(20);

async fn banned(admin: &Admin) -> Vec<String> {
    let Ok(list) = admin.document("/v1/bans").await else { return Vec::new() };
    let items = list["items"].as_array().unwrap();
    items.iter().map(|ban| ban["block"].as_str().unwrap().to_owned()).collect()
}

async fn wait_banned(admin: &Admin, blocks: &[&str]) {
    let started = Instant::now();
    while banned(admin).await != blocks {
        let bans = banned(admin).await;
        assert!(started.elapsed() < LIMIT, "{}: {bans:?}, not {blocks:?}", admin.url());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Nodes tell each other their heavy hitters every five seconds.
async fn wait_top(admin: &Admin, source: &str) {
    let started = Instant::now();
    loop {
        let top = admin.document("/v1/top/sources").await.unwrap();
        if top["items"][0]["key"] == source && top["nodes"].as_u64() > Some(1) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{source} is not the heaviest elsewhere: {top}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_reaches_all_nodes_and_outlives_the_one_that_made_it() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let post = |path: &'static str| {
        let admin = cluster.admin(1);
        async move { admin.request("POST", path).await.unwrap() }
    };
    assert_eq!(post("/v1/bans/203.0.113.0%2F24?for_s=600").await.status, 201);
    assert_eq!(post("/v1/bans/198.51.100.7?for_s=600").await.status, 201);
    let trunk = cluster.site().caller().ip();
    let path = format!("/v1/bans/{trunk}");
    let refused = cluster.admin(2).request("POST", &path).await.unwrap();
    assert_eq!(refused.status, 409, "a trunk is never banned: {}", refused.body);
    for id in 1..=3 {
        wait_banned(&cluster.admin(id), &["198.51.100.7/32", "203.0.113.0/24"]).await;
    }
    let until = |list: serde_json::Value| list["items"][0]["until"].clone();
    let before = until(cluster.admin(1).document("/v1/bans").await.unwrap());
    cluster.kill(1).unwrap();
    cluster.restart(1).unwrap();
    wait_banned(&cluster.admin(1), &["198.51.100.7/32", "203.0.113.0/24"]).await;
    let after = until(cluster.admin(1).document("/v1/bans").await.unwrap());
    assert_eq!(before, after, "until the same moment");
    let lifted = cluster.admin(3).request("DELETE", "/v1/bans/203.0.113.0%2F24").await.unwrap();
    assert_eq!(lifted.status, 204);
    for id in 1..=3 {
        wait_banned(&cluster.admin(id), &["198.51.100.7/32"]).await;
    }
    cluster.pass().unwrap();
}

/// A stranger sends OPTIONS as fast as it can: it is dropped, then banned at all nodes, and calls
/// that are up, and new ones, do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_dropped_and_banned_and_no_call_feels_it() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let held = stage.bring_up(20, 1).await.unwrap();
    let (stranger, node) = (stage.cluster.site().stranger(), stage.cluster.sip(1));
    let flood = tokio::task::spawn_blocking(move || {
        let socket = UdpSocket::bind(stranger).unwrap();
        for n in 0..8_000_u32 {
            let request = format!(
                "OPTIONS sip:{node} SIP/2.0\r\nVia: SIP/2.0/UDP {stranger};branch=z9hG4bK{n}\r\n\
                 From: <sip:f@{stranger}>;tag=f\r\nTo: <sip:{node}>\r\nCall-ID: {n}@flood\r\n\
                 CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(request.as_bytes(), node).unwrap();
        }
    });
    let during = stage.bring_up(20, 1).await.unwrap();
    flood.await.unwrap();
    let block = format!("{}/32", stranger.ip());
    for id in 1..=3 {
        wait_banned(&stage.cluster.admin(id), &[&block]).await;
    }
    let metrics = stage.cluster.admin(1).metrics().await.unwrap();
    let dropped = metrics.sum("holdline_shield_dropped_total", &[]);
    assert!(dropped > 1_000.0, "{dropped} of 8000 were dropped");
    wait_top(&stage.cluster.admin(2), &stranger.ip().to_string()).await;
    for numbers in [held, during] {
        stage.hang_up(&numbers).await.unwrap();
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}

/// The disks become slow, so commits take longer than at their best: new calls are refused, those that are up
/// are not touched. It is not the calls that make them slow; when that turns out, calls are let in again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_node_refuses_new_calls_first() {
    let protection = vec![("overload_commit_ms".to_owned(), 10)];
    let options = ClusterOptions { protection, ..ClusterOptions::default() };
    let mut stage = Stage::open_at(Site::claim(3).unwrap(), &options, 1).unwrap();
    let folder = stage.cluster.folder().to_owned();
    let Some(library) = faulty_sync(&folder) else {
        eprintln!("LEFT OUT: slow syncs: there is no C compiler (cc)");
        stage.cluster.set_quiet(true);
        return;
    };
    let slow = folder.join("slow-sync");
    for id in 1..=3 {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        stage.cluster.node(id).unwrap().env =
            vec![("LD_PRELOAD".to_owned(), text(&library)), ("SLOW_SYNC".to_owned(), text(&slow))];
    }
    stage.cluster.start_all().await.unwrap();
    let held = stage.bring_up(5, 1).await.unwrap();
    fs::write(&slow, "40").unwrap();
    let script = CalleeScript::answer_after_ms(20);
    let numbers = stage.numbers(450, script).await.unwrap();
    for number in &numbers {
        let plan = CallerPlan::hold(number.clone(), stage.cluster.sip(1)).hang_up_after_ms(200);
        stage.place(vec![plan]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let is_over = |entry: &Entry| entry.final_status().is_some();
    Stage::all(&stage.caller, &numbers, LIMIT, "every call has an outcome", is_over).await.unwrap();
    let status =
        |number: &String| stage.caller.ledger().call(number).and_then(Entry::final_status).unwrap();
    let late = numbers.iter().skip(400).filter(|number| status(number) == 503).count();
    assert!(late < 10, "{late} of the last 50 are refused still");
    let (refused, admitted): (Vec<String>, Vec<String>) =
        numbers.into_iter().partition(|number| status(number) == 503);
    assert!(refused.len() > 10 && admitted.len() > 100, "{} and {}", refused.len(), admitted.len());
    let protection = stage.cluster.admin(1).document("/v1/protection").await.unwrap();
    assert!(protection["calls_refused"].as_u64().unwrap() >= refused.len() as u64, "{protection}");
    stage.wait_over(&admitted).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    for numbers in [held, admitted] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}
