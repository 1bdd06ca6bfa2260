//! SIPp changes its calls in every way that goes through the switch: PRACK, hold and resume by re-INVITE,
//! UPDATE, INFO, REFER with its NOTIFY. Undisturbed, and with the death of the owner in the middle, when calls
//! are at every step. Registration with a password is in `registrations`: SIPp 3.6 knows MD5 only, and cannot
//! choose among several challenges.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Health};
use holdline_cluster_tests::sipp::{Scenario, SippPlan};

const LIMIT: Duration = Duration::from_secs(45);

/// Calls that go through all steps, while a node may die; all must, and be billed once.
async fn change_calls(calls: u32, rate: u32, leader: Option<bool>) {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let (folder, leading) = (cluster.folder().to_owned(), cluster.leader().await.unwrap());
    let owner = if leader == Some(true) { leading } else { leading % 3 + 1 };
    let site = cluster.site();
    let mut callee = SippPlan::callee(Scenario::Ours("uas_session.xml"), site.sipp_callee());
    // It ends by itself when all have been hung up, which is after their callers have heard so.
    (callee.lenient, callee.calls, callee.rate) = (true, Some(calls), rate);
    let callee = callee.start(&folder, "callee").unwrap();
    let scenario = Scenario::Ours("uac_session.xml");
    let (from, to) = (site.sipp_caller(), cluster.sip(owner));
    let mut plan = SippPlan::caller(scenario, from, to, calls, rate);
    plan.lenient = true;
    let caller = plan.start(&folder, "caller").unwrap();
    if leader.is_some() {
        // The first ones are at their last steps then, and the last ones at their first.
        let up = |all: &[Health]| all.iter().map(|node| node.calls).max() >= Some(65);
        cluster.wait(LIMIT, "calls up", up).await.unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        cluster.kill(owner).unwrap();
    }
    let report = caller.wait(LIMIT).await.unwrap();
    assert_eq!((report.failed, report.successful), (0, u64::from(calls)), "{}", report.errors);
    let report = callee.wait(LIMIT).await.unwrap();
    assert_eq!((report.failed, report.unfinished), (0, 0), "{}", report.errors);
    let expected = usize::try_from(calls).unwrap();
    let cdrs = cluster.wait_cdrs(expected, Duration::from_secs(5)).await.unwrap();
    assert_eq!(cdrs.len(), expected);
    assert!(cdrs.iter().all(|cdr| cdr.disposition == "ANSWERED" && cdr.hangup_by == "caller"));
    if leader.is_some() {
        let taken_over = cdrs.iter().filter(|cdr| cdr.takeovers > 0).count();
        assert!(taken_over >= 20, "the kill hit {taken_over} calls");
    }
    cluster.pass().unwrap();
}

#[tokio::test]
async fn every_change_of_a_call_goes_through() {
    change_calls(40, 20, None).await;
}

#[tokio::test]
async fn every_change_of_a_call_survives_the_death_of_its_owner() {
    change_calls(90, 20, Some(false)).await;
}

#[tokio::test]
async fn every_change_of_a_call_survives_the_death_of_its_owner_that_leads() {
    change_calls(90, 20, Some(true)).await;
}
