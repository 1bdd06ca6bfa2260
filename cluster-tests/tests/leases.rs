//! Leased tokens on real processes: what rides on no admission is spent by each node from what it has leased,
//! and never more than rate × time + burst over any window, though a node dies with its slice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test has no supervisor, and waits for its tasks")]

use std::net::SocketAddr;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Admin, Cluster, ClusterOptions};
use holdline_cluster_tests::limited::{Span, excess, ms_since, one_class, set_limits};
use holdline_cluster_tests::phone::Phone;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// What came of a storm.
struct Storm {
    passed: Vec<Span>,
    refused: usize,
}

/// From when to when each request that passed was under way, and how many were refused.
type Asked = (Vec<(Instant, Instant)>, usize);

impl Storm {
    /// Waits until all who ask have ended.
    async fn end(begun: Instant, askers: Vec<JoinHandle<Asked>>) -> Self {
        let mut storm = Self { passed: Vec::new(), refused: 0 };
        for asker in askers {
            let (passed, refused) = asker.await.unwrap();
            let since = |(from, to)| (ms_since(begun, from), ms_since(begun, to));
            storm.passed.extend(passed.into_iter().map(since));
            storm.refused += refused;
        }
        storm
    }

    /// No window passed more than it may, and a dead node's slice and little else is lost.
    fn judge(&self, rate: u32, burst: u32, least_per_cent: u64) {
        let worst = excess(&self.passed, rate.into(), burst.into(), 0);
        let ends = || self.passed.iter().map(|(_, end)| *end);
        let span_ms = ends().max().unwrap() - ends().min().unwrap();
        let due = u64::from(rate) * span_ms / 1_000 + u64::from(burst);
        let (passed, refused) = (self.passed.len(), self.refused);
        eprintln!("{passed} of {due} due in {span_ms} ms, {refused} refused, worst window {worst}");
        assert!(worst <= 0, "{worst} more than rate x time + burst");
        assert!(passed as u64 * 100 >= due * least_per_cent, "{passed} of {due} that were due");
        assert!(refused > passed, "it was no storm");
    }
}

/// A cluster in which one operation is limited.
async fn limited(operation: &str, rate: u32, burst: u32, options: ClusterOptions) -> Cluster {
    let cluster = Cluster::start(&options).await.unwrap();
    let matches = format!("match = {{ operation = [\"{operation}\"] }}\nstatus = 429\n");
    set_limits(&cluster, &format!("{}{matches}", one_class(rate, burst)));
    // A node that has not applied them yet limits nothing.
    cluster.settle().await.unwrap();
    cluster
}

/// Kills a node that does not lead; which.
async fn kill_a_follower(cluster: &mut Cluster) -> u64 {
    let victim = cluster.leader().await.unwrap() % 3 + 1;
    cluster.kill(victim).unwrap();
    victim
}

async fn bring_back(mut cluster: Cluster, victim: u64) {
    cluster.restart(victim).unwrap();
    cluster.wait_home(Duration::from_secs(20)).await.unwrap();
    cluster.pass().unwrap();
}

/// Sends OPTIONS evenly, from a port of its own of the trunk's; from when to when each that got a 200 was
/// under way, and how many 429 came.
async fn options(from: SocketAddr, to: SocketAddr, rate: u32, seconds: u32) -> Asked {
    let socket = UdpSocket::bind(from).await.unwrap();
    let (mut answered, mut refused) = (Vec::new(), 0);
    let mut buffer = [0_u8; 2_048];
    let begun = Instant::now();
    let mut sent_at = Vec::new();
    // The last answers may take a moment.
    while begun.elapsed() < Duration::from_secs(u64::from(seconds) + 1) {
        let due = begun.elapsed().as_millis() * u128::from(rate) / 1_000;
        while (sent_at.len() as u128) < due.min(u128::from(rate * seconds)) {
            let sent = sent_at.len();
            let request = format!(
                "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{sent};rport\r\n\
                 From: <sip:o@{from}>;tag=o\r\nTo: <sip:{to}>\r\nCall-ID: {sent}@{from}\r\n\
                 CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            );
            // Nobody is there for a moment after a kill.
            let _lost = socket.send_to(request.as_bytes(), to).await;
            sent_at.push(Instant::now());
        }
        let received = timeout(Duration::from_millis(5), socket.recv(&mut buffer));
        if let Ok(Ok(length)) = received.await {
            let text = String::from_utf8_lossy(&buffer[..length]);
            if text.starts_with("SIP/2.0 200") {
                let id = text.split("\r\nCall-ID: ").nth(1).unwrap().split('@').next().unwrap();
                answered.push((sent_at[id.parse::<usize>().unwrap()], Instant::now()));
            } else {
                assert!(
                    text.starts_with("SIP/2.0 429") && text.contains("Retry-After: "),
                    "{text}"
                );
                refused += 1;
            }
        }
    }
    (answered, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_are_never_answered_more_often_than_leased_though_a_node_dies() {
    const RATE: u32 = 60;
    const SECONDS: u32 = 8;
    let mut cluster = limited("options", RATE, RATE, ClusterOptions::default()).await;
    let begun = Instant::now();
    let asker = |node| {
        let mut from = cluster.site().caller();
        from.set_port(from.port() + u16::try_from(node).unwrap());
        let to = cluster.sip(node);
        tokio::spawn(options(from, to, RATE, SECONDS))
    };
    let askers: Vec<_> = (1..=3).map(asker).collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let victim = kill_a_follower(&mut cluster).await;
    Storm::end(begun, askers).await.judge(RATE, RATE, 93);
    let leader = cluster.leader().await.unwrap();
    let admin = cluster.admin(leader);
    let state = admin.document("/v1/protection").await.unwrap();
    assert_eq!(state["leases"][0]["class"], "all", "{state}");
    let metrics = admin.metrics().await.unwrap();
    assert!(metrics.sum("holdline_limit_tokens_spent_total", &[]) > 0.0);
    assert!(metrics.sum("holdline_limit_throttled_total", &["operation=\"options\""]) > 0.0);
    bring_back(cluster, victim).await;
}

/// Registers again and again at one node until `end`; from when to when each that was accepted was under
/// way, and how many were refused.
async fn register(mut phone: Phone, to: SocketAddr, end: Instant) -> Asked {
    let (mut accepted, mut refused) = (Vec::new(), 0);
    while Instant::now() < end {
        let begun = Instant::now();
        let answer = phone.register(to, 600).await.unwrap();
        match answer.status {
            200 => accepted.push((begun, Instant::now())),
            429 => refused += 1,
            other => panic!("a REGISTER was answered with {other}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (accepted, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_are_never_accepted_more_often_than_leased_though_a_node_dies() {
    const RATE: u32 = 20;
    const PHONES: usize = 12;
    let with_users = ClusterOptions { registrar: true, ..ClusterOptions::default() };
    let mut cluster = limited("register", RATE, RATE, with_users).await;
    let users: String =
        (0..PHONES).map(|n| format!("user{n}@users.test,correct horse,acme\n")).collect();
    let file = cluster.folder().join("users.csv");
    std::fs::write(&file, users).unwrap();
    let import = ["user", "import", file.to_str().unwrap()];
    let import = cluster.operator(&import).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    cluster.settle().await.unwrap();
    let local = cluster.site().callee();
    let begun = Instant::now();
    let end = begun + Duration::from_secs(8);
    let mut phones = Vec::new();
    for (n, node) in (0..PHONES).zip([1, 2, 3].into_iter().cycle()) {
        let user = format!("user{n}");
        let phone = Phone::new(local, &user, "users.test", "correct horse", local).await.unwrap();
        phones.push(tokio::spawn(register(phone, cluster.sip(node), end)));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let victim = kill_a_follower(&mut cluster).await;
    Storm::end(begun, phones).await.judge(RATE, RATE, 80);
    bring_back(cluster, victim).await;
}

/// Asks for the nodes again and again until `end`, or the node is gone; as [`register`].
async fn ask(admin: Admin, end: Instant) -> Asked {
    let (mut answered, mut refused) = (Vec::new(), 0);
    while Instant::now() < end {
        let begun = Instant::now();
        let Ok(answer) = admin.request("GET", "/v1/nodes").await else { break };
        match answer.status {
            200 => answered.push((begun, Instant::now())),
            429 => {
                assert!(answer.body.contains("class \\\"all\\\""), "{}", answer.body);
                refused += 1;
            }
            other => panic!("GET /v1/nodes was answered with {other}: {}", answer.body),
        }
    }
    (answered, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_no_more_often_than_leased_though_a_node_dies() {
    const RATE: u32 = 20;
    let mut cluster = limited("api", RATE, RATE, ClusterOptions::default()).await;
    let begun = Instant::now();
    let end = begun + Duration::from_secs(8);
    let askers: Vec<_> = (1..=3)
        .flat_map(|node| [cluster.admin(node), cluster.admin(node)])
        .map(|admin| tokio::spawn(ask(admin, end)))
        .collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Which node leads is asked of the API, and that has no tokens now.
    let victim = 2;
    cluster.kill(victim).unwrap();
    // Whoever has locked himself out sees and changes the limits all the same.
    let limits = cluster.admin(1).request("GET", "/v1/limits").await.unwrap();
    assert_eq!(limits.status, 200, "{}", limits.body);
    Storm::end(begun, askers).await.judge(RATE, RATE, 80);
    set_limits(&cluster, "");
    bring_back(cluster, victim).await;
}
