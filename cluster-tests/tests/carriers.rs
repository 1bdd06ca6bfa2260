//! Kamailio as a carrier in front of the switch and behind it, linphone as a registered phone, and what
//! tshark thinks of the packets.
//! Part of `make chaos`, for its programs are large; run one by hand with
//! `cargo nextest run -p holdline-cluster-tests --run-ignored ignored-only -E 'binary(carriers)'`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::peers::{
    Baresip, Linphone, LinphonePlan, PeerError, PhonePlan, Program, Proxy, ProxyPlan,
};
use holdline_cluster_tests::sipp::{Scenario, SippPlan};

const CALLS: u32 = 50;
const RATE: u32 = 25;
const LIMIT: Duration = Duration::from_secs(45);

/// SIPp → Kamailio → switch → Kamailio → SIPp, both proxies on the path by Record-Route.
async fn through_two_proxies(kill_the_owner: bool) {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let (folder, site) = (cluster.folder().to_owned(), cluster.site());
    let front = ProxyPlan { address: site.caller(), next: cluster.sip(1), challenges: false };
    let behind = ProxyPlan { address: site.callee(), next: site.sipp_callee(), challenges: false };
    let mut front = Proxy::start(front, &folder).await.unwrap();
    let mut behind = Proxy::start(behind, &folder).await.unwrap();
    let callee = SippPlan::callee(Scenario::Ours("uas.xml"), site.sipp_callee());
    let callee = callee.start(&folder, "callee").unwrap();
    let to = site.caller();
    let mut plan = SippPlan::caller(Scenario::Ours("uac.xml"), site.sipp_caller(), to, CALLS, RATE);
    plan.number = "19".to_owned();
    plan.hold_ms = 1500;
    let caller = plan.start(&folder, "caller").unwrap();
    if kill_the_owner {
        let up = |all: &[holdline_cluster_tests::cluster::Health]| {
            all.iter().any(|health| health.calls >= 20)
        };
        cluster.wait(LIMIT, "calls up", up).await.unwrap();
        cluster.kill(1).unwrap();
    }
    let report = caller.wait(LIMIT).await.unwrap();
    assert_eq!((report.failed, report.successful), (0, u64::from(CALLS)), "{}", report.errors);
    let report = callee.end().await.unwrap();
    assert_eq!((report.failed, report.unfinished), (0, 0), "{}", report.errors);
    front.check_alive().unwrap();
    behind.check_alive().unwrap();
    let expected = usize::try_from(CALLS).unwrap();
    let cdrs = cluster.wait_cdrs(expected, Duration::from_secs(5)).await.unwrap();
    assert_eq!(cdrs.len(), expected);
    assert!(cdrs.iter().all(|cdr| cdr.disposition == "ANSWERED"));
    drop((front, behind));
    cluster.pass().unwrap();
}

#[tokio::test]
#[ignore = "needs kamailio: part of make chaos"]
async fn calls_pass_kamailio_in_front_and_behind() {
    through_two_proxies(false).await;
}

#[tokio::test]
#[ignore = "needs kamailio: part of make chaos"]
async fn calls_between_two_kamailios_outlive_their_owner() {
    through_two_proxies(true).await;
}

/// SIPp changes its calls in every way that goes through.
async fn changes_of_calls() {
    const CHANGED: u32 = 20;
    let cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let (folder, site) = (cluster.folder().to_owned(), cluster.site());
    let callee = SippPlan::callee(Scenario::Ours("uas_session.xml"), site.sipp_callee());
    let callee = callee.start(&folder, "callee").unwrap();
    let (scenario, to) = (Scenario::Ours("uac_session.xml"), cluster.sip(2));
    let caller = SippPlan::caller(scenario, site.sipp_caller(), to, CHANGED, 10);
    let report = caller.start(&folder, "caller").unwrap().wait(LIMIT).await.unwrap();
    assert_eq!((report.failed, report.successful), (0, u64::from(CHANGED)), "{}", report.errors);
    drop(callee);
    cluster.pass().unwrap();
}

/// What is on the wire, by another dissector: no packet of ours is malformed.
#[tokio::test]
#[ignore = "needs kamailio, tshark and the right to capture: part of make chaos"]
async fn tshark_finds_no_malformed_packet() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("sip.pcap");
    let mut command = Command::new("dumpcap");
    command.args(["-q", "-i", "lo", "-f", "udp port 5060", "-P", "-w"]).arg(&capture);
    let dumpcap =
        Program::start("dumpcap", "tshark", &mut command, &folder.path().join("dumpcap.log"));
    let mut dumpcap = dumpcap.unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while !capture.exists() {
        dumpcap.check_alive().unwrap();
        assert!(tokio::time::Instant::now() < until, "{}", dumpcap.late("capturing", LIMIT));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    through_two_proxies(true).await;
    changes_of_calls().await;
    drop(dumpcap);
    let read = |filter: &str| -> Vec<String> {
        let mut tshark = Command::new("tshark");
        tshark.args(["-r"]).arg(&capture).args([
            "-Y",
            filter,
            "-T",
            "fields",
            "-e",
            "frame.number",
        ]);
        tshark.args(["-e", "sip.Request-Line", "-e", "sip.Status-Line"]).stdin(Stdio::null());
        let output =
            tshark.output().map_err(|_| PeerError::Missing { name: "tshark", package: "tshark" });
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    let seen = read("sip").len();
    assert!(seen > 1_000, "only {seen} SIP packets were captured");
    for method in ["PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "BYE"] {
        assert!(!read(&format!("sip.Method == {method}")).is_empty(), "no {method} was captured");
    }
    let malformed = read("_ws.malformed || _ws.expert.severity == error");
    assert_eq!(malformed, Vec::<String>::new());
}

/// linphone registers, calls baresip, holds and resumes, and hangs up; is called and hangs up. In between the
/// node that it is registered at dies, once with a call up.
#[tokio::test]
#[ignore = "needs linphone-cli, 110 packages: part of make chaos"]
async fn linphone_registers_calls_holds_and_is_called() {
    let options = ClusterOptions { registrar: true, ..ClusterOptions::default() };
    let mut cluster = Cluster::start(&options).await.unwrap();
    let (folder, callee, caller, own) = {
        let site = cluster.site();
        (cluster.folder().to_owned(), site.callee(), site.caller(), site.sipp_caller())
    };
    let users = folder.join("users.csv");
    std::fs::write(&users, "8001@users.test,correct horse,acme\n").unwrap();
    let import = cluster.operator(&["user", "import", users.to_str().unwrap()]).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let proxy = cluster.sip(1);
    let plan = |user: &str, address| PhonePlan { user: user.to_owned(), address, proxy };
    let mut far = Baresip::start(&plan("19", callee), &folder).await.unwrap();
    let mut near = Baresip::start(&plan("alice", caller), &folder).await.unwrap();
    let plan = LinphonePlan {
        user: "8001".to_owned(),
        domain: "users.test".to_owned(),
        password: "correct horse".to_owned(),
        address: own,
        registrar: proxy,
    };
    let mut phone = Linphone::start(&plan, &folder).await.unwrap();
    for kill in [false, true] {
        phone.tell("call sip:19@users.test").unwrap();
        far.wait("CALL_ESTABLISHED", LIMIT).await.unwrap();
        phone.wait("Media streams established", LIMIT).await.unwrap();
        if kill {
            cluster.kill(1).unwrap();
        }
        for (change, said) in [("pause", "is now paused"), ("resume", "Media streams")] {
            phone.tell(change).unwrap();
            far.wait_for("CALL_REMOTE_SDP", "offer", LIMIT).await.unwrap();
            phone.wait(said, LIMIT).await.unwrap();
        }
        phone.tell("terminate").unwrap();
        far.wait("CALL_CLOSED", LIMIT).await.unwrap();
        phone.wait("ended", LIMIT).await.unwrap();
    }
    near.tell("dial", "sip:8001@users.test").await.unwrap();
    near.wait("CALL_ESTABLISHED", LIMIT).await.unwrap();
    phone.wait("Media streams established", LIMIT).await.unwrap();
    phone.tell("terminate").unwrap();
    near.wait("CALL_CLOSED", LIMIT).await.unwrap();
    let cdrs = cluster.wait_cdrs(3, Duration::from_secs(5)).await.unwrap();
    let billed: Vec<_> =
        cdrs.iter().map(|cdr| (cdr.disposition.as_str(), cdr.hangup_by.as_str())).collect();
    let expected = [("ANSWERED", "caller"), ("ANSWERED", "caller"), ("ANSWERED", "callee")];
    assert_eq!(billed, expected);
    drop((far, near, phone));
    cluster.pass().unwrap();
}
