//! The user agents on real sockets: thousands of calls at a time, orders and waits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::Site;
use holdline_cluster_tests::ua::{
    Agent, AgentError, CalleeScript, CallerPlan, Entry, Ledger, Order, Tell,
};

const LIMIT: Duration = Duration::from_secs(30);

fn every(numbers: &[String], met: impl Fn(&Entry) -> bool) -> impl Fn(&Ledger) -> bool {
    move |ledger| numbers.iter().all(|number| ledger.call(number).is_some_and(&met))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_calls_at_a_time() {
    let site = Site::claim(0).unwrap();
    let caller = Agent::start(site.caller(), 1).unwrap();
    let callee = Agent::start(site.callee(), 2).unwrap();
    callee
        .order(vec![Order::Script("1".into(), CalleeScript::answer_after_ms(100))])
        .await
        .unwrap();
    let numbers: Vec<String> = (0..2000).map(|n| format!("1{n:04}")).collect();
    for burst in numbers.chunks(100) {
        let place = |number: &String| Order::Place(CallerPlan::hold(number.clone(), site.callee()));
        caller.order(burst.iter().map(place).collect()).await.unwrap();
    }
    caller.wait(LIMIT, "all up", every(&numbers, Entry::up)).await.unwrap();
    callee.wait(LIMIT, "all up", every(&numbers, Entry::up)).await.unwrap();
    for burst in numbers.chunks(100) {
        let hang_up = |number: &String| Order::Tell(number.clone(), Tell::HangUp);
        caller.order(burst.iter().map(hang_up).collect()).await.unwrap();
    }
    caller.wait(LIMIT, "all over", every(&numbers, |call| call.over)).await.unwrap();
    callee.wait(LIMIT, "all over", every(&numbers, |call| call.over)).await.unwrap();
    for agent in [&caller, &callee] {
        let ledger = agent.ledger();
        assert!(ledger.anomalies().is_empty(), "{:?}", ledger.anomalies());
        assert!(ledger.strays().is_empty(), "{:?}", ledger.strays());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_that_is_not_met_says_what_was_waited_for() {
    let site = Site::claim(0).unwrap();
    let caller = Agent::start(site.caller(), 1).unwrap();
    let plan = CallerPlan::hold("1", site.callee());
    caller.order(vec![Order::Place(plan)]).await.unwrap();
    let limit = Duration::from_millis(50);
    let late = caller.wait(limit, "an answer", |ledger| ledger.entries()[0].over).await;
    assert!(matches!(late, Err(AgentError::Late { what, .. }) if what == "an answer"));
    assert!(Agent::start(site.caller(), 3).is_err(), "one address, two agents");
}
