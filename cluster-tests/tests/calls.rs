//! Calls through a cluster in which nothing fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{CdrView, ClusterOptions};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{
    Agent, CalleeScript, CallerPlan, Entry, Kind, Last, Method, Order, When,
};

const LIMIT: Duration = Duration::from_secs(20);

async fn open() -> Stage {
    Stage::open(&ClusterOptions::default(), 1).await.unwrap()
}

async fn record(stage: &Stage, number: &str) -> CdrView {
    let cdrs = stage.cdrs_of(&[number.to_owned()]).await.unwrap();
    let mut found = cdrs.into_iter().filter(|cdr| cdr.number() == number);
    let first = found.next().unwrap();
    assert_eq!(found.next().map(|second| second.id), None, "billed twice");
    first
}

fn assert_nothing_odd(stage: &Stage) {
    for agent in [&stage.caller, &stage.callee] {
        let ledger = agent.ledger();
        assert!(ledger.anomalies().is_empty(), "{:#?}", ledger.anomalies());
        assert!(ledger.strays().is_empty(), "{:#?}", ledger.strays());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_every_node_and_hung_up_by_either_side() {
    let mut stage = open().await;
    for node in 1..=3 {
        let numbers = stage.bring_up(20, node).await.unwrap();
        stage.hang_up(&numbers).await.unwrap();
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "node {node}: {verdict:#?}");
        assert!(verdict.duration_error < Duration::from_millis(500), "{verdict:#?}");
    }
    let script = CalleeScript { hang_up: When::ms(300), ..CalleeScript::answer_after_ms(20) };
    let numbers = stage.numbers(20, script).await.unwrap();
    let to = stage.cluster.sip(2);
    let plans = numbers.iter().map(|number| CallerPlan::hold(number.clone(), to)).collect();
    stage.place(plans).await.unwrap();
    stage.wait_over(&numbers).await.unwrap();
    assert_eq!(record(&stage, &numbers[0]).await.hangup_by, "callee");
    let verdict = stage.judge_answered(numbers).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    assert_nothing_odd(&stage);
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_media_and_late_offers_pass_through() {
    let mut stage = open().await;
    let script = CalleeScript { early_media: true, ..CalleeScript::answer_after_ms(200) };
    let numbers = stage.numbers(10, script).await.unwrap();
    let to = stage.cluster.sip(1);
    let plan = |number: &String| {
        let late_offer = number.ends_with(['1', '3', '5', '7', '9']);
        CallerPlan { late_offer, ..CallerPlan::hold(number.clone(), to).hang_up_after_ms(200) }
    };
    stage.place(numbers.iter().map(plan).collect()).await.unwrap();
    stage.wait_over(&numbers).await.unwrap();
    let early = Kind::Response(183, Method::Invite);
    let heard = |call: &Entry| call.received(early).is_some();
    Stage::all(&stage.caller, &numbers, LIMIT, "183", heard).await.unwrap();
    let verdict = stage.judge_answered(numbers).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    assert_nothing_odd(&stage);
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_reach_the_caller_and_the_cdr() {
    let mut stage = open().await;
    for (status, disposition) in [(486, "BUSY"), (603, "BUSY"), (480, "NO ANSWER"), (404, "FAILED")]
    {
        let numbers = stage.numbers(3, CalleeScript::refuse(status)).await.unwrap();
        let to = stage.cluster.sip(3);
        let plans = numbers.iter().map(|number| CallerPlan::hold(number.clone(), to)).collect();
        stage.place(plans).await.unwrap();
        stage.wait_over(&numbers).await.unwrap();
        for number in &numbers {
            let found = stage.caller.ledger().call(number).and_then(Entry::final_status);
            assert_eq!(found, Some(status));
            assert_eq!(record(&stage, number).await.disposition, disposition);
        }
    }
    assert_nothing_odd(&stage);
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_trunk_is_tried_after_503_and_after_silence() {
    let options = ClusterOptions {
        target_timeout_ms: Some(1500),
        no_answer_timeout_ms: Some(20_000),
        ..ClusterOptions::default()
    };
    let stage = Stage::open(&options, 1).await.unwrap();
    let backup = Agent::start(stage.cluster.site().backup(), 77).unwrap();
    let scripts = [("21", CalleeScript::refuse(503)), ("22", CalleeScript::silent())];
    for (prefix, script) in scripts {
        stage.callee.order(vec![Order::Script(prefix.into(), script)]).await.unwrap();
    }
    let numbers: Vec<String> = ["2101", "2102", "2201", "2202"].map(String::from).into();
    let to = stage.cluster.sip(1);
    let plan = |number: &String| CallerPlan::hold(number.clone(), to).hang_up_after_ms(200);
    stage.place(numbers.iter().map(plan).collect()).await.unwrap();
    for agent in [&stage.caller, &backup] {
        Stage::all(agent, &numbers, LIMIT, "every call over", |call| call.over).await.unwrap();
    }
    for number in &numbers {
        assert_eq!(stage.caller.ledger().call(number).and_then(Entry::final_status), Some(200));
        assert_eq!(record(&stage, number).await.disposition, "ANSWERED");
    }
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unanswered_call_is_given_up() {
    let options = ClusterOptions { no_answer_timeout_ms: Some(2000), ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let numbers = stage.numbers(5, CalleeScript::ring_only()).await.unwrap();
    let to = stage.cluster.sip(2);
    let plans = numbers.iter().map(|number| CallerPlan::hold(number.clone(), to)).collect();
    stage.place(plans).await.unwrap();
    stage.wait_over(&numbers).await.unwrap();
    for number in &numbers {
        let rang = stage.caller.ledger().call(number).map(|call| {
            let invite = call.sent(Kind::Request(Method::Invite)).unwrap();
            call.received(Kind::Response(408, Method::Invite)).unwrap() - invite
        });
        let rang = rang.unwrap();
        assert!(rang >= Duration::from_secs(2) && rang < Duration::from_secs(4), "{rang:?}");
        assert_eq!(record(&stage, number).await.disposition, "NO ANSWER");
    }
    assert_nothing_odd(&stage);
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_another_nodes_address_is_served_and_answered_from_there() {
    let mut stage = open().await;
    let script = CalleeScript::answer_after_ms(20);
    let numbers = stage.numbers(30, script).await.unwrap();
    let (to, other) = (stage.cluster.sip(1), stage.cluster.sip(2));
    let plan = |number: &String| CallerPlan {
        in_dialog_to: Some(other),
        ..CallerPlan::hold(number.clone(), to).hang_up_after_ms(500)
    };
    stage.place(numbers.iter().map(plan).collect()).await.unwrap();
    stage.wait_over(&numbers).await.unwrap();
    let verdict = stage.judge_answered(numbers.clone()).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    assert_nothing_odd(&stage);
    for number in &numbers {
        let owners = record(&stage, number).await.owners;
        assert!(owners.iter().all(|owner| owner.node == 1), "{owners:?}");
    }
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_hangs_up_both_sides() {
    let mut stage = open().await;
    let numbers = stage.bring_up(4, 1).await.unwrap();
    // Asked of a node that does not own the calls.
    let admin = stage.cluster.admin(3);
    let calls = admin.calls().await.unwrap();
    assert_eq!(calls.len(), 4);
    for call in &calls {
        assert_eq!(call.owner, Some(1));
        admin.hang_up(&call.id).await.unwrap();
    }
    stage.wait_over(&numbers).await.unwrap();
    for number in &numbers {
        assert_eq!(record(&stage, number).await.hangup_by, "admin");
    }
    let unknown = admin.request("DELETE", "/v1/calls/00000000000000000000").await.unwrap();
    assert_eq!((unknown.status, unknown.content_type.as_str()), (404, "application/problem+json"));
    assert_nothing_odd(&stage);
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_busy_after_ringing_is_relayed() {
    let mut stage = open().await;
    let script =
        CalleeScript { last: Last::Refuse(486, When::ms(300)), ..CalleeScript::ring_only() };
    let numbers = stage.numbers(5, script).await.unwrap();
    let to = stage.cluster.sip(1);
    let plans = numbers.iter().map(|number| CallerPlan::hold(number.clone(), to)).collect();
    stage.place(plans).await.unwrap();
    stage.wait_over(&numbers).await.unwrap();
    for number in &numbers {
        let ledger = stage.caller.ledger();
        let call = ledger.call(number).unwrap();
        assert!(call.rang());
        assert_eq!(call.final_status(), Some(486));
    }
    assert_nothing_odd(&stage);
    stage.cluster.pass().unwrap();
}
