//! SIPp as caller and callee: another implementation, by other people.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::sipp::{Scenario, SippPlan, SippReport};

const CALLS: u32 = 100;
const RATE: u32 = 50;
const LIMIT: Duration = Duration::from_secs(45);

/// What a pair of scenarios did.
struct Outcome {
    cluster: Cluster,
    caller: SippReport,
    callee: SippReport,
}

async fn run(options: &ClusterOptions, caller: Scenario, callee: Scenario) -> Outcome {
    let cluster = Cluster::start(options).await.unwrap();
    let (folder, site) = (cluster.folder().to_owned(), cluster.site());
    let callee = SippPlan::callee(callee, site.sipp_callee()).start(&folder, "callee").unwrap();
    let plan = SippPlan::caller(caller, site.sipp_caller(), cluster.sip(1), CALLS, RATE);
    let caller = plan.start(&folder, "caller").unwrap().wait(LIMIT).await.unwrap();
    let callee = callee.end().await.unwrap();
    Outcome { cluster, caller, callee }
}

impl Outcome {
    /// Every call went as both scenarios say, and was billed once with that disposition.
    async fn assert_all(self, disposition: &str, hangup_by: &str) {
        assert_eq!(self.caller.failed, 0, "caller: {}", self.caller.errors);
        assert_eq!(self.callee.failed, 0, "callee: {}", self.callee.errors);
        assert_eq!(self.callee.unfinished, 0, "callee: {}", self.callee.errors);
        assert_eq!(self.caller.successful, u64::from(CALLS));
        assert_eq!(self.callee.successful, u64::from(CALLS));
        let expected = usize::try_from(CALLS).unwrap();
        let cdrs = self.cluster.wait_cdrs(expected, Duration::from_secs(5)).await.unwrap();
        assert_eq!(cdrs.len(), expected);
        for cdr in cdrs {
            assert_eq!(
                (cdr.disposition.as_str(), cdr.hangup_by.as_str()),
                (disposition, hangup_by)
            );
        }
        self.cluster.pass().unwrap();
    }
}

#[tokio::test]
async fn built_in_scenarios_which_ignore_contact_and_record_route() {
    let options = ClusterOptions::default();
    let outcome = run(&options, Scenario::BuiltIn("uac"), Scenario::BuiltIn("uas")).await;
    outcome.assert_all("ANSWERED", "caller").await;
}

#[tokio::test]
async fn the_caller_hangs_up() {
    let options = ClusterOptions::default();
    let outcome = run(&options, Scenario::Ours("uac.xml"), Scenario::Ours("uas.xml")).await;
    outcome.assert_all("ANSWERED", "caller").await;
}

#[tokio::test]
async fn the_callee_hangs_up() {
    let (caller, callee) = (Scenario::Ours("uac_waits.xml"), Scenario::Ours("uas_hangs_up.xml"));
    let outcome = run(&ClusterOptions::default(), caller, callee).await;
    outcome.assert_all("ANSWERED", "callee").await;
}

#[tokio::test]
async fn the_callee_is_busy() {
    let (caller, callee) = (Scenario::Ours("uac_busy.xml"), Scenario::Ours("uas_busy.xml"));
    let outcome = run(&ClusterOptions::default(), caller, callee).await;
    outcome.assert_all("BUSY", "callee").await;
}

#[tokio::test]
async fn nobody_answers() {
    let options = ClusterOptions { no_answer_timeout_ms: Some(3000), ..ClusterOptions::default() };
    let (caller, callee) = (Scenario::Ours("uac_no_answer.xml"), Scenario::Ours("uas_rings.xml"));
    run(&options, caller, callee).await.assert_all("NO ANSWER", "timer").await;
}

#[tokio::test]
async fn the_caller_cancels() {
    let (caller, callee) = (Scenario::Ours("uac_cancel.xml"), Scenario::Ours("uas_rings.xml"));
    let outcome = run(&ClusterOptions::default(), caller, callee).await;
    outcome.assert_all("CANCELED", "caller").await;
}

/// The owner dies while calls come up, are up and end.
#[tokio::test]
async fn the_owner_is_killed_mid_call() {
    const MANY: u32 = 200;
    for leader in [false, true] {
        let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
        let (folder, leading) = (cluster.folder().to_owned(), cluster.leader().await.unwrap());
        let victim = if leader { leading } else { leading % 3 + 1 };
        let site = cluster.site();
        let callee = SippPlan::callee(Scenario::Ours("uas.xml"), site.sipp_callee());
        let callee = callee.start(&folder, "callee").unwrap();
        let scenario = Scenario::Ours("uac.xml");
        let to = cluster.sip(victim);
        let mut plan = SippPlan::caller(scenario, site.sipp_caller(), to, MANY, RATE);
        plan.hold_ms = 1500;
        let caller = plan.start(&folder, "caller").unwrap();
        let up = |calls: u64| move |all: &[_]| calls_up(all) >= calls;
        cluster.wait(LIMIT, "calls up", up(60)).await.unwrap();
        cluster.kill(victim).unwrap();
        let report = caller.wait(LIMIT).await.unwrap();
        assert_eq!((report.failed, report.successful), (0, u64::from(MANY)), "{}", report.errors);
        let report = callee.end().await.unwrap();
        assert_eq!((report.failed, report.unfinished), (0, 0), "{}", report.errors);
        let expected = usize::try_from(MANY).unwrap();
        let cdrs = cluster.wait_cdrs(expected, Duration::from_secs(5)).await.unwrap();
        assert_eq!(cdrs.len(), expected);
        assert!(cdrs.iter().all(|cdr| cdr.disposition == "ANSWERED"));
        let taken_over = cdrs.iter().filter(|cdr| cdr.takeovers > 0).count();
        assert!(taken_over >= 30, "the kill hit {taken_over} calls");
        cluster.pass().unwrap();
    }
}

fn calls_up(all: &[holdline_cluster_tests::cluster::Health]) -> u64 {
    all.iter().map(|health| health.calls).max().unwrap_or_default()
}
