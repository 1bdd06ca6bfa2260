//! What a node refuses at start, in words that name the thing, the cause and the next step.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use holdline_cluster_tests::cluster::{
    ADMIN_PORT, Admin, Cluster, ClusterOptions, RPC_PORT, SIP_PORT,
};

const LIMIT: Duration = Duration::from_secs(15);

fn prepare() -> Cluster {
    Cluster::prepare(&ClusterOptions::default()).unwrap()
}

/// Rewrites node 1's configuration.
fn edit(cluster: &mut Cluster, from: &str, to: &str) {
    let path = cluster.node(1).unwrap().config.clone();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in\n{text}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

/// Starts node 1, which must end by itself with a failure. Returns what it said.
async fn refused(cluster: &mut Cluster) -> String {
    cluster.restart(1).unwrap();
    let node = cluster.node(1).unwrap();
    let status = node.wait_exit(LIMIT).await.unwrap();
    assert!(!status.success(), "it ended as if all were well");
    let said = node.log_tail(40);
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

#[tokio::test]
async fn an_unknown_key() {
    let mut cluster = prepare();
    edit(&mut cluster, "[sip]\n", "[sip]\nno_answer_timeout_s = 5\n");
    let said = refused(&mut cluster).await;
    assert_says(&said, &["node-1.toml", "no_answer_timeout_s"]);
    cluster.pass().unwrap();
}

#[tokio::test]
async fn a_port_in_use() {
    let mut cluster = prepare();
    let site = cluster.site();
    let (sip, rpc, admin) =
        (site.node(1, SIP_PORT), site.node(1, RPC_PORT), site.node(1, ADMIN_PORT));
    {
        let _taken = UdpSocket::bind(sip).unwrap();
        let said = refused(&mut cluster).await;
        assert_says(&said, &[&sip.to_string()]);
    }
    for address in [rpc, admin] {
        let _taken = TcpListener::bind(address).unwrap();
        let said = refused(&mut cluster).await;
        assert_says(&said, &[&address.to_string()]);
    }
    cluster.pass().unwrap();
}

/// Starts the cluster once, so that there are data folders, and ends it.
async fn with_data() -> Cluster {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    for id in 1..=3 {
        cluster.kill(id).unwrap();
    }
    cluster
}

#[tokio::test]
async fn a_data_folder_of_another_cluster() {
    let mut cluster = with_data().await;
    edit(&mut cluster, "name = \"test\"", "name = \"other\"");
    let said = refused(&mut cluster).await;
    assert_says(&said, &["data folder", "\"test\"", "\"other\""]);
    cluster.pass().unwrap();
}

#[tokio::test]
async fn a_data_folder_of_another_node() {
    let mut cluster = with_data().await;
    let (own, other) = (
        cluster.node(1).unwrap().data_dir.display().to_string(),
        cluster.node(2).unwrap().data_dir.display().to_string(),
    );
    edit(&mut cluster, &own, &other);
    let said = refused(&mut cluster).await;
    assert_says(&said, &["data folder", &other, "node 2", "node 1"]);
    cluster.pass().unwrap();
}

#[tokio::test]
async fn a_data_folder_of_another_format_version() {
    let mut cluster = with_data().await;
    let path = cluster.node(1).unwrap().data_dir.join("IDENTITY");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.contains("format")).unwrap().to_owned();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    fs::write(&path, text.replacen(&line, &line.replacen(&digits, "999", 1), 1)).unwrap();
    let said = refused(&mut cluster).await;
    assert_says(&said, &["data folder", "format 999"]);
    cluster.pass().unwrap();
}

#[tokio::test]
async fn a_data_folder_in_use() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    cluster.kill(1).unwrap();
    let (own, other) = (
        cluster.node(1).unwrap().data_dir.display().to_string(),
        cluster.node(2).unwrap().data_dir.display().to_string(),
    );
    edit(&mut cluster, &own, &other);
    let said = refused(&mut cluster).await;
    assert_says(&said, &[&other]);
    cluster.pass().unwrap();
}

#[tokio::test]
async fn an_open_admin_api() {
    let mut cluster = prepare();
    let listen = cluster.site().node(1, ADMIN_PORT).to_string();
    edit(&mut cluster, &listen, &format!("0.0.0.0:{ADMIN_PORT}"));
    let said = refused(&mut cluster).await;
    assert_says(&said, &["admin.listen", "token"]);
    cluster.pass().unwrap();
}

#[tokio::test]
async fn a_request_without_the_token() {
    const TOKEN: &str = "correct-horse-battery-staple";
    let mut cluster = prepare();
    edit(&mut cluster, "[admin]\n", &format!("[admin]\ntoken = \"{TOKEN}\"\n"));
    for id in 1..=3 {
        cluster.restart(id).unwrap();
    }
    let admin = cluster.admin(1);
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !admin.request("GET", "/livez").await.is_ok_and(|answer| answer.status == 200) {
        assert!(tokio::time::Instant::now() < deadline, "the admin API does not come up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for path in ["/v1/cluster/health", "/v1/calls", "/v1/cdrs", "/metrics"] {
        assert_eq!(status(&admin, path).await, 401, "{path} without a token");
        let wrong = admin.clone().with_token("wrong-horse-battery-staple");
        assert_eq!(status(&wrong, path).await, 401, "{path} with a wrong token");
    }
    let right = admin.with_token(TOKEN);
    assert_eq!(status(&right, "/metrics").await, 200);
    cluster.pass().unwrap();
}

async fn status(admin: &Admin, path: &str) -> u16 {
    admin.request("GET", path).await.unwrap().status
}
