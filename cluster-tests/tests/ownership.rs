//! Slots move: drained, handed back, taken from a node that only slept, denied to a minority.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Health};
use holdline_cluster_tests::stage::{Stage, Victim};
use holdline_cluster_tests::ua::{Agent, CallerPlan, Entry, Tell, Way};

const LIMIT: Duration = Duration::from_secs(20);

/// Callers that come and go: `count` calls, one every `apart`, each held for a second.
async fn traffic(stage: &mut Stage, node: u64, count: usize, apart: Duration) -> Vec<String> {
    let script = holdline_cluster_tests::ua::CalleeScript::answer_after_ms(50);
    let numbers = stage.numbers(count, script).await.unwrap();
    let to = stage.cluster.sip(node);
    for number in &numbers {
        let plan = CallerPlan::hold(number.clone(), to).hang_up_after_ms(1000);
        stage.place(vec![plan]).await.unwrap();
        tokio::time::sleep(apart).await;
    }
    numbers
}

fn owned(all: &[Health], node: u64) -> Option<u64> {
    let members = &all.first()?.members;
    members.iter().find(|member| member.id == node).map(|member| member.slots_owned)
}

async fn wait_slots(cluster: &mut Cluster, node: u64, what: &str, met: fn(u64) -> bool) {
    cluster.wait(LIMIT, what, |all| owned(all, node).is_some_and(met)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_and_undrain_under_load_fail_no_call() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let apart = Duration::from_millis(10);
    let held = stage.bring_up(50, 2).await.unwrap();
    let mut all = traffic(&mut stage, 2, 40, apart).await;
    stage.cluster.admin(1).drain(2).await.unwrap();
    all.extend(traffic(&mut stage, 2, 80, apart).await);
    wait_slots(&mut stage.cluster, 2, "a drained node owns nothing", |slots| slots == 0).await;
    all.extend(traffic(&mut stage, 2, 40, apart).await);
    stage.cluster.admin(3).undrain(2).await.unwrap();
    all.extend(traffic(&mut stage, 2, 80, apart).await);
    stage.cluster.wait_home(LIMIT).await.unwrap();
    all.extend(traffic(&mut stage, 2, 40, apart).await);
    stage.wait_over(&all).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    for numbers in [all, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    assert!(stage.strays().is_empty(), "{:#?}", stage.strays());
    let cdrs = stage.cdrs().await.unwrap();
    let reasons = |reason: &str| {
        cdrs.iter().filter(|cdr| cdr.owners.iter().any(|owner| owner.reason == reason)).count()
    };
    assert!(
        reasons("drain") >= 50 && reasons("hand_back") >= 50,
        "the held calls have moved twice"
    );
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_returns_gets_slots_and_address_back_while_calls_go_on() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let victim = stage.choose(Victim::Follower).await.unwrap();
    let apart = Duration::from_millis(20);
    let held = stage.bring_up(50, victim).await.unwrap();
    let mut all = traffic(&mut stage, victim, 30, apart).await;
    stage.cluster.kill(victim).unwrap();
    all.extend(traffic(&mut stage, victim, 60, apart).await);
    wait_slots(&mut stage.cluster, victim, "the dead node's slots moved", |slots| slots == 0).await;
    stage.cluster.restart(victim).unwrap();
    all.extend(traffic(&mut stage, victim, 100, apart).await);
    stage.cluster.wait_home(LIMIT).await.unwrap();
    all.extend(traffic(&mut stage, victim, 30, apart).await);
    stage.wait_over(&all).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    let last = all.last().cloned().unwrap();
    for numbers in [all, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    let cdrs = stage.cdrs().await.unwrap();
    let newest = cdrs.iter().find(|cdr| cdr.number() == last).unwrap();
    assert!(newest.owners.iter().all(|owner| owner.node == victim), "{:?}", newest.owners);
    stage.cluster.pass().unwrap();
}

/// A node that is stopped for 2 s and wakes up must find that it owns nothing, and say nothing.
async fn sleeper(victim: Victim) {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let node = stage.choose(victim).await.unwrap();
    let during = stage.bring_up(20, node).await.unwrap();
    let after = stage.bring_up(20, node).await.unwrap();
    stage.cluster.node(node).unwrap().pause().await.unwrap();
    Stage::tell_all(&stage.caller, &during, Tell::HangUp).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage.cluster.node(node).unwrap().resume().unwrap();
    stage.hang_up(&after).await.unwrap();
    stage.wait_over(&during).await.unwrap();
    for numbers in [during, after] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    assert!(stage.strays().is_empty(), "{:#?}", stage.strays());
    let cdrs = stage.cdrs().await.unwrap();
    assert!(cdrs.iter().all(|cdr| cdr.takeovers >= 1), "{cdrs:#?}");
    stage.cluster.wait_home(LIMIT).await.unwrap();
    let again = stage.bring_up(10, node).await.unwrap();
    stage.hang_up(&again).await.unwrap();
    let verdict = stage.judge_answered(again).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_slept_steps_back() {
    sleeper(Victim::Follower).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_slept_steps_back() {
    sleeper(Victim::Leader).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_says_nothing_and_recovers_by_itself() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let held = stage.bring_up(10, 1).await.unwrap();
    for id in [2, 3] {
        stage.cluster.kill(id).unwrap();
    }
    let admin = stage.cluster.admin(1);
    let deadline = tokio::time::Instant::now() + LIMIT;
    while admin.ready().await {
        assert!(tokio::time::Instant::now() < deadline, "/readyz still says ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let verbose = admin.request("GET", "/readyz?verbose").await.unwrap();
    assert_eq!(verbose.status, 503);
    assert!(verbose.body.contains("[-] lease"), "{}", verbose.body);
    let script = holdline_cluster_tests::ua::CalleeScript::answer_after_ms(20);
    let numbers = stage.numbers(10, script).await.unwrap();
    let to = stage.cluster.sip(1);
    let plans = numbers.iter().map(|number| CallerPlan::hold(number.clone(), to)).collect();
    stage.place(plans).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_unanswered(&stage.caller, &numbers);
    assert!(numbers.iter().all(|number| stage.callee.ledger().call(number).is_none()));
    for id in [2, 3] {
        stage.cluster.restart(id).unwrap();
    }
    stage.cluster.wait_home(LIMIT).await.unwrap();
    for agent in [&stage.caller, &stage.callee] {
        Stage::all(agent, &numbers, LIMIT, "every call up", Entry::up).await.unwrap();
    }
    stage.hang_up(&numbers).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    for numbers in [numbers, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}

fn assert_unanswered(caller: &Agent, numbers: &[String]) {
    let ledger = caller.ledger();
    for number in numbers {
        let call = ledger.call(number).unwrap();
        let heard: Vec<_> = call.events.iter().filter(|event| event.way == Way::Received).collect();
        assert!(heard.is_empty(), "{number} was told {heard:?} without a majority");
    }
}
