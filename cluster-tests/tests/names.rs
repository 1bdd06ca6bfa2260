//! Trunks by name on real processes: a name server of the test's own says where they lead.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Site};
use holdline_cluster_tests::peers::NameServer;
use holdline_cluster_tests::ua::{Agent, CalleeScript, CallerPlan, Entry, Ledger, Order};
use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

const LIMIT: Duration = Duration::from_secs(20);

/// A cluster with the trunk `named`, for numbers beginning with 7, at `carrier.test`.
async fn open(server: &NameServer, site: Site, more: &str) -> Cluster {
    let options = ClusterOptions {
        target_timeout_ms: Some(1_000),
        more: format!(
            "[dns]\nservers = [\"{}\"]\ntimeout_ms = 300\nretries = 0\nmin_ttl_ms = 1000\n\
             [[trunk]]\nname = \"named\"\naddress = \"carrier.test\"\ntransport = \"udp\"\n{more}\
             [[route]]\nprefix = \"7\"\ntrunks = [\"named\"]\n",
            server.address()
        ),
        ..ClusterOptions::default()
    };
    let mut cluster = Cluster::prepare_at(site, &options).unwrap();
    cluster.start_all().await.unwrap();
    cluster
}

/// Waits until what every node says of the trunk meets a condition.
async fn wait(cluster: &Cluster, what: &str, met: impl Fn(&Value) -> bool) {
    let until = Instant::now() + LIMIT;
    let nodes: Vec<u64> = cluster.running().collect();
    loop {
        let mut all = Vec::new();
        for node in &nodes {
            all.push(cluster.admin(*node).document("/v1/trunks/named").await.unwrap());
        }
        if all.iter().all(&met) {
            return;
        }
        assert!(Instant::now() < until, "the trunk is not {what}: {all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn leads_to(trunk: &Value, address: SocketAddr) -> bool {
    let servers = trunk["leads_to"].as_array().unwrap();
    servers.iter().any(|server| server["addresses"][0] == address.to_string())
}

/// The first of two servers is nobody's.
fn two_servers(server: &NameServer, site: &Site) {
    let nobody = site.address(60, 5060);
    server.srv(
        "_sip._udp.carrier.test",
        &[(1, 0, nobody.port(), "a.test"), (2, 0, site.callee().port(), "b.test")],
    );
    server.host("a.test", &[nobody.ip()]);
    server.host("b.test", &[site.callee().ip()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_to_the_next_server_of_the_name_and_later_ones_are_spared_the_wait() {
    let site = Site::claim(3).unwrap();
    let server = NameServer::start(site.address(53, 5353), 1).await.unwrap();
    two_servers(&server, &site);
    let (caller_at, callee_at) = (site.caller(), site.callee());
    let cluster = open(&server, site, "").await;
    wait(&cluster, "resolved", |trunk| leads_to(trunk, callee_at)).await;
    let (caller, callee) =
        (Agent::start(caller_at, 1).unwrap(), Agent::start(callee_at, 2).unwrap());
    let script = CalleeScript::answer_after_ms(20);
    callee.order(vec![Order::Script("7".to_owned(), script)]).await.unwrap();
    let mut setups = Vec::new();
    for number in ["7001", "7002"] {
        let plan = CallerPlan::hold(number, cluster.sip(1)).hang_up_after_ms(100);
        let began = Instant::now();
        caller.order(vec![Order::Place(plan)]).await.unwrap();
        let answered = |call: &Entry| call.final_status().is_some();
        let met = |ledger: &Ledger| ledger.call(number).is_some_and(answered);
        caller.wait(LIMIT, "an answer", met).await.unwrap();
        setups.push(began.elapsed());
        let over = |ledger: &Ledger| ledger.call(number).is_some_and(|call| call.over);
        caller.wait(LIMIT, "the call over", over).await.unwrap();
        assert_eq!(caller.ledger().call(number).unwrap().final_status(), Some(200));
    }
    assert!(
        setups[0] >= Duration::from_millis(1_000),
        "the first server was not tried: {setups:?}"
    );
    assert!(setups[1] < Duration::from_millis(1_000), "the dead one was tried again: {setups:?}");
    // One dead server of two does not shut the trunk.
    wait(&cluster, "open", |trunk| trunk["state"] == "open").await;
    let metrics = cluster.admin(1).metrics().await.unwrap();
    let labels = ["trunk=\"named\"", "reason=\"address\""];
    assert!(metrics.sum("holdline_trunk_failures_total", &labels) > 0.0);
    assert!(metrics.sum("holdline_dns_queries_total", &["outcome=\"answer\""]) > 0.0);
    let cdrs = cluster.wait_cdrs(2, LIMIT).await.unwrap();
    assert!(cdrs.iter().all(|cdr| cdr.disposition == "ANSWERED"));
    cluster.pass().unwrap();
}

/// The name server stops answering; then the name leads elsewhere; then nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_is_used_while_nobody_answers_and_changes_are_followed() {
    let site = Site::claim(3).unwrap();
    let server = NameServer::start(site.address(53, 5353), 1).await.unwrap();
    two_servers(&server, &site);
    let (callee, elsewhere) = (site.callee(), site.address(61, 5070));
    let cluster = open(&server, site, "").await;
    wait(&cluster, "resolved", |trunk| leads_to(trunk, callee)).await;
    server.be_silent(true);
    let metrics = |cluster: &Cluster| {
        let admin = cluster.admin(1);
        async move {
            let metrics = admin.metrics().await.unwrap();
            metrics.sum("holdline_dns_queries_total", &["outcome=\"failed\""])
        }
    };
    let until = Instant::now() + LIMIT;
    while metrics(&cluster).await < 1.0 {
        assert!(Instant::now() < until, "nobody was asked again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    wait(&cluster, "used on", |trunk| leads_to(trunk, callee)).await;
    server.srv("_sip._udp.carrier.test", &[(1, 0, elsewhere.port(), "c.test")]);
    server.host("c.test", &[elsewhere.ip()]);
    server.be_silent(false);
    wait(&cluster, "elsewhere", |trunk| leads_to(trunk, elsewhere)).await;
    server.srv("_sip._udp.carrier.test", &[]);
    let why = "carrier.test: there is no SRV _sip._udp.carrier.test, no A/AAAA carrier.test";
    wait(&cluster, "nowhere", |trunk| trunk["lookup_error"] == why).await;
    cluster.pass().unwrap();
}

/// The INVITE went to the second server when its owner died. Meanwhile the name leads elsewhere: the
/// next owner sends the very same INVITE to the server that was committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_server_is_kept_by_the_next_owner() {
    let site = Site::claim(3).unwrap();
    let server = NameServer::start(site.address(53, 5353), 1).await.unwrap();
    two_servers(&server, &site);
    let (caller_at, callee_at, elsewhere) = (site.caller(), site.callee(), site.address(61, 5070));
    // Bound, so that whatever goes there is seen.
    let other = UdpSocket::bind(elsewhere).await.unwrap();
    let callee = UdpSocket::bind(callee_at).await.unwrap();
    let more = "sources = []\n";
    let mut cluster = open(&server, site, more).await;
    wait(&cluster, "resolved", |trunk| leads_to(trunk, callee_at)).await;
    let caller = Agent::start(caller_at, 1).unwrap();
    let to = cluster.sip(1);
    caller.order(vec![Order::Place(CallerPlan::hold("7001", to))]).await.unwrap();
    let (first, from) = invite(&callee).await;
    // A provisional answer, so that the target is not given up.
    callee.send_to(&answer(&first, "100 Trying"), from).await.unwrap();
    cluster.kill(1).unwrap();
    server.srv("_sip._udp.carrier.test", &[(1, 0, elsewhere.port(), "c.test")]);
    server.host("c.test", &[elsewhere.ip()]);
    // What the dead node had sent is read away; the next one comes from its successor, at its address.
    let mut again = invite(&callee).await;
    assert_eq!(again.0, first, "not the same bytes");
    assert_eq!(again.1, from);
    callee.send_to(&answer(&first, "100 Trying"), from).await.unwrap();
    wait(&cluster, "elsewhere", |trunk| leads_to(trunk, elsewhere)).await;
    callee.send_to(&answer(&first, "486 Busy Here"), from).await.unwrap();
    let mut buffer = vec![0; 65_536];
    while !again.0.starts_with("ACK ") {
        let (length, peer) = timeout(LIMIT, callee.recv_from(&mut buffer)).await.unwrap().unwrap();
        again = (String::from_utf8_lossy(&buffer[..length]).into_owned(), peer);
    }
    let met = |ledger: &Ledger| ledger.call("7001").and_then(Entry::final_status) == Some(486);
    caller.wait(LIMIT, "486", met).await.unwrap();
    let strayed = other.try_recv_from(&mut buffer).map(|(length, _)| length);
    assert!(strayed.is_err(), "{}", String::from_utf8_lossy(&buffer[..strayed.unwrap_or(0)]));
    cluster.restart(1).unwrap();
    cluster.wait_home(LIMIT).await.unwrap();
    cluster.pass().unwrap();
}

async fn invite(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    loop {
        let (length, peer) = timeout(LIMIT, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with("INVITE ") {
            return (text, peer);
        }
    }
}

fn answer(invite: &str, status: &str) -> Vec<u8> {
    let kept = invite.lines().filter(|line| {
        ["via:", "from:", "to:", "call-id:", "cseq:"]
            .iter()
            .any(|name| line.to_ascii_lowercase().starts_with(name))
    });
    let mut lines: Vec<String> = kept.map(str::to_owned).collect();
    for line in &mut lines {
        if line.to_ascii_lowercase().starts_with("to:") {
            line.push_str(";tag=callee");
        }
    }
    format!("SIP/2.0 {status}\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n")).into_bytes()
}
