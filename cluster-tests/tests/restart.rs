//! The whole cluster loses power with calls up, and is started again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{CalleeScript, CallerPlan, Entry, Kind, Method, Tell};

const MAX_CALL: Duration = Duration::from_secs(18);
const LIMIT: Duration = Duration::from_secs(30);

fn kill_all(cluster: &mut Cluster) {
    for id in 1..=3 {
        cluster.kill(id).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_deadlines_and_cdrs_are_all_still_there() {
    let max_call = u64::try_from(MAX_CALL.as_millis()).unwrap();
    let options =
        ClusterOptions { max_call_duration_ms: Some(max_call), ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let finished = stage.bring_up(10, 1).await.unwrap();
    stage.hang_up(&finished).await.unwrap();
    let billed = stage.cdrs_of(&finished).await.unwrap();
    assert_eq!(billed.len(), 10);
    let ended_by_bye = stage.bring_up(20, 2).await.unwrap();
    let ended_by_deadline = stage.bring_up(20, 3).await.unwrap();
    let ringing = stage.numbers(10, CalleeScript::ring_only()).await.unwrap();
    let to = stage.cluster.sip(1);
    let plans = ringing.iter().map(|number| CallerPlan::hold(number.clone(), to)).collect();
    stage.place(plans).await.unwrap();
    Stage::all(&stage.caller, &ringing, LIMIT, "ringing", Entry::rang).await.unwrap();

    kill_all(&mut stage.cluster);
    stage.cluster.start_all().await.unwrap();

    let after: Vec<String> =
        stage.cdrs_of(&finished).await.unwrap().into_iter().map(|cdr| cdr.id).collect();
    let before: Vec<String> = billed.into_iter().map(|cdr| cdr.id).collect();
    assert_eq!(after, before, "CDRs of calls that had ended before");
    let calls = stage.cluster.admin(2).calls().await.unwrap();
    assert_eq!(calls.len(), 50, "calls that were up");
    Stage::tell_all(&stage.callee, &ringing, Tell::Answer).await.unwrap();
    for agent in [&stage.caller, &stage.callee] {
        Stage::all(agent, &ringing, LIMIT, "every call up", Entry::up).await.unwrap();
    }
    stage.hang_up(&ringing).await.unwrap();
    stage.hang_up(&ended_by_bye).await.unwrap();
    stage.wait_over(&ended_by_deadline).await.unwrap();
    check_deadlines(&stage, &ended_by_deadline).await;
    for numbers in [finished, ended_by_bye, ended_by_deadline, ringing] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}

/// The deadline is absolute: the time without power counts.
async fn check_deadlines(stage: &Stage, numbers: &[String]) {
    let cdrs = stage.cdrs_of(numbers).await.unwrap();
    for number in numbers {
        let ledger = stage.caller.ledger();
        let call = ledger.call(number).unwrap();
        let answered = call.received(Kind::Response(200, Method::Invite)).unwrap();
        let lasted = call.received(Kind::Request(Method::Bye)).unwrap() - answered;
        let early = MAX_CALL.saturating_sub(Duration::from_millis(200));
        let late = MAX_CALL + Duration::from_secs(2);
        assert!(lasted >= early && lasted <= late, "{number} lasted {lasted:?}");
        let cdr = cdrs.iter().find(|cdr| cdr.number() == number).unwrap();
        assert_eq!(cdr.hangup_by, "timer");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_hang_up_while_all_nodes_are_dead_are_answered_afterwards() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let numbers = stage.bring_up(30, 2).await.unwrap();
    kill_all(&mut stage.cluster);
    Stage::tell_all(&stage.caller, &numbers, Tell::HangUp).await.unwrap();
    stage.cluster.start_all().await.unwrap();
    stage.wait_over(&numbers).await.unwrap();
    let verdict = stage.judge_answered(numbers).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    assert!(stage.strays().is_empty(), "{:#?}", stage.strays());
    stage.cluster.pass().unwrap();
}
