//! Software by other people against the switch: a pinger and two real phones. The carriers' proxies
//! are in `carriers.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::peers::{Baresip, PhonePlan, ping};

const LIMIT: Duration = Duration::from_secs(10);

/// The address that sipsak sends from.
const SIPSAK: &str = "[[trunk]]\nname = \"sipsak\"\naddress = \"127.0.0.1:5099\"\n";

#[tokio::test]
async fn every_node_answers_the_options_of_sipsak() {
    let options = ClusterOptions { more: SIPSAK.to_owned(), ..ClusterOptions::default() };
    let cluster = Cluster::start(&options).await.unwrap();
    for id in 1..=3 {
        assert_eq!(ping(cluster.sip(id)).await.unwrap(), "SIP/2.0 200 OK", "node {id}");
    }
    cluster.pass().unwrap();
}

#[tokio::test]
async fn two_phones_talk_and_either_hangs_up() {
    let cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let (folder, site) = (cluster.folder().to_owned(), cluster.site());
    let plan =
        |user: &str, address| PhonePlan { user: user.to_owned(), address, proxy: cluster.sip(1) };
    // The switch sends the number on, so it is the callee's user.
    let mut callee = Baresip::start(&plan("19", site.callee()), &folder).await.unwrap();
    let mut caller = Baresip::start(&plan("alice", site.caller()), &folder).await.unwrap();
    for hangs_up in ["caller", "callee"] {
        let number = format!("sip:19@{}", cluster.sip(1));
        caller.tell("dial", &number).await.unwrap();
        caller.wait("CALL_ESTABLISHED", LIMIT).await.unwrap();
        callee.wait("CALL_ESTABLISHED", LIMIT).await.unwrap();
        for change in ["hold", "resume"] {
            caller.tell(change, "").await.unwrap();
            callee.wait_for("CALL_REMOTE_SDP", "offer", LIMIT).await.unwrap();
            caller.wait_for("CALL_REMOTE_SDP", "answer", LIMIT).await.unwrap();
        }
        let phone = if hangs_up == "caller" { &mut caller } else { &mut callee };
        phone.tell("hangup", "").await.unwrap();
        caller.wait("CALL_CLOSED", LIMIT).await.unwrap();
        callee.wait("CALL_CLOSED", LIMIT).await.unwrap();
    }
    let cdrs = cluster.wait_cdrs(2, LIMIT).await.unwrap();
    let billed: Vec<_> =
        cdrs.iter().map(|cdr| (cdr.disposition.as_str(), cdr.hangup_by.as_str())).collect();
    assert_eq!(billed, [("ANSWERED", "caller"), ("ANSWERED", "callee")]);
    drop((caller, callee));
    cluster.pass().unwrap();
}
