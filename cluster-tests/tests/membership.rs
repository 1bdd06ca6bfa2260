//! Members come and go while calls go on; who contradicts the cluster is turned away at the door.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{
    AdminError, Cluster, ClusterError, ClusterOptions, Joiner, Members, RPC_PORT,
};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{CalleeScript, CallerPlan};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(30);

/// Callers that come and go: `count` calls, one every `apart`, each held for a second.
async fn traffic(stage: &mut Stage, node: u64, count: usize, apart: Duration) -> Vec<String> {
    let numbers = stage.numbers(count, CalleeScript::answer_after_ms(50)).await.unwrap();
    let to = stage.cluster.sip(node);
    for number in &numbers {
        let plan = CallerPlan::hold(number.clone(), to).hang_up_after_ms(1000);
        stage.place(vec![plan]).await.unwrap();
        tokio::time::sleep(apart).await;
    }
    numbers
}

/// Waits until what a node says of the members meets a condition.
async fn wait_members(
    cluster: &mut Cluster,
    id: u64,
    what: &str,
    met: impl Fn(&Members) -> bool,
) -> Members {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = cluster.admin(id).members().await;
        match seen {
            Ok(members) if met(&members) => return members,
            seen => assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}: {seen:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_whole(members: &Members, id: u64) -> bool {
    members.one(id).is_some_and(|it| {
        it.standing == "voter" && it.safe && it.slots_owned > 0 && it.slots_owned == it.slots_home
    })
}

/// The buckets of the time that commits take: upper bounds, with cumulated counts.
async fn commits(admin: &holdline_cluster_tests::cluster::Admin) -> Vec<(f64, f64)> {
    let metrics = admin.metrics().await.unwrap();
    metrics.buckets("holdline_commit_seconds").collect()
}

fn by(cluster: &Cluster, seed: u64) -> Joiner {
    Joiner::by(cluster.site().node(seed, RPC_PORT))
}

/// The admin API's refusal of a change.
fn refusal(error: AdminError) -> (u16, String) {
    match error {
        AdminError::Refused { status, body, .. } => (status, body),
        other => panic!("{other}"),
    }
}

/// A node joins while calls come; says how long it takes, and what that does to commits.
async fn join_with_traffic(stage: &mut Stage, joiner: &Joiner) -> Vec<String> {
    let admin = stage.cluster.admin(1);
    let before = commits(&admin).await;
    let began = Instant::now();
    stage.cluster.join(4, joiner).unwrap();
    let voted = async {
        while admin.members().await.is_ok_and(|members| members.standing(4) != "voter") {
            assert!(began.elapsed() < LIMIT, "node 4 got no vote");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    };
    let (busy, voted) = tokio::join!(traffic(stage, 2, 100, Duration::from_millis(15)), voted);
    let during = commits(&admin).await;
    let p99 = |from: &[(f64, f64)], to: &[(f64, f64)]| {
        let counts: Vec<_> = to.iter().zip(from).map(|(to, from)| (to.0, to.1 - from.1)).collect();
        let all = counts.last().map_or(0.0, |last| last.1);
        counts.iter().find(|(_, count)| *count >= all * 0.99).map_or(f64::NAN, |(le, _)| *le)
    };
    let nothing: Vec<_> = before.iter().map(|(le, _)| (*le, 0.0)).collect();
    eprintln!(
        "node 4 voted after {voted:?}; p99 of commits at node 1: {} s before, {} s meanwhile",
        p99(&nothing, &before),
        p99(&before, &during)
    );
    busy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_takes_its_share_and_goes_again_while_calls_go_on() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let apart = Duration::from_millis(15);
    let held = stage.bring_up(60, 2).await.unwrap();
    let mut all = traffic(&mut stage, 1, 40, apart).await;
    let joiner = by(&stage.cluster, 2);
    all.extend(join_with_traffic(&mut stage, &joiner).await);
    // Every node says the same; the slots are spread, and the addresses have stayed.
    for id in 1..=4 {
        let seen = wait_members(&mut stage.cluster, id, "node 4 has its share", |members| {
            (1..=4).all(|id| is_whole(members, id))
        })
        .await;
        assert_eq!((seen.votes.voters, seen.votes.needed, seen.votes.may_fail), (4, 3, 1));
        assert_eq!(seen.members.iter().map(|it| it.slots_home).max(), Some(16));
        assert!(seen.advice[0].contains("survive no more failures than 3"), "{:?}", seen.advice);
    }
    assert!(stage.cluster.admin(4).ready().await, "the new node is ready");
    // Calls arrive at the new node's own address, too.
    all.extend(traffic(&mut stage, 4, 40, apart).await);
    all.extend(traffic(&mut stage, 3, 40, apart).await);
    // It goes again, for good.
    let done = stage.cluster.admin(2).change_members("DELETE", "members/4").await.unwrap();
    assert_eq!((done.before.voters, done.after.voters, done.after.may_fail), (4, 3, 1));
    all.extend(traffic(&mut stage, 1, 40, apart).await);
    let node = stage.cluster.node(4).unwrap();
    let status = node.wait_exit(LIMIT).await.unwrap();
    assert!(!status.success(), "a removed node says that it was");
    let said = node.log_tail(10);
    assert!(said.contains("node 4 was removed from the cluster"), "{said}");
    let seen = wait_members(&mut stage.cluster, 1, "node 4 is gone", |members| {
        members.standing(4) == "removed" && (1..=3).all(|id| is_whole(members, id))
    })
    .await;
    assert_eq!(seen.highest, 4);
    // Its address is its heir's now: calls that came there are not cut off.
    all.extend(traffic(&mut stage, 4, 20, apart).await);
    stage.wait_over(&all).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    for numbers in [all, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    assert!(stage.strays().is_empty(), "{:#?}", stage.strays());
    // Started again it finds out at once; and its number is never given to another.
    stage.cluster.restart(4).unwrap();
    let node = stage.cluster.node(4).unwrap();
    assert!(!node.wait_exit(LIMIT).await.unwrap().success());
    assert!(node.log_tail(10).contains("node 4 was removed"), "{}", node.log_tail(10));
    let joiner = by(&stage.cluster, 1);
    stage.cluster.join(5, &joiner).unwrap();
    wait_members(&mut stage.cluster, 5, "the next one is node 5", |members| is_whole(members, 5))
        .await;
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_another_ones_place_even_the_leaders() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let old = stage.cluster.leader().await.unwrap();
    let held = stage.bring_up(30, old).await.unwrap();
    let joiner = by(&stage.cluster, old);
    stage.cluster.join(4, &joiner).unwrap();
    wait_members(&mut stage.cluster, 1, "node 4 votes", |members| is_whole(members, 4)).await;
    let path = format!("members/{old}/replace?with=4");
    let done = stage.cluster.admin(old).change_members("POST", &path).await.unwrap();
    assert_eq!((done.node, done.before.voters, done.after.voters), (4, 4, 3));
    let status = stage.cluster.node(old).unwrap().wait_exit(LIMIT).await.unwrap();
    assert!(!status.success());
    let other = (1..=3).find(|id| *id != old).unwrap();
    wait_members(&mut stage.cluster, other, "three nodes, with node 4", |members| {
        members.votes.voters == 3 && members.standing(old) == "removed" && is_whole(members, 4)
    })
    .await;
    // The address of the one that went is there, and so are its calls.
    let again = traffic(&mut stage, old, 20, Duration::from_millis(15)).await;
    stage.wait_over(&again).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    for numbers in [again, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_are_given_and_taken_and_never_so_that_the_majority_is_lost() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let leader = cluster.leader().await.unwrap();
    // The leader itself steps back, and stays without a vote until it is promoted by hand.
    let demote = format!("members/{leader}/demote");
    let done = cluster.admin(leader).change_members("POST", &demote).await.unwrap();
    assert_eq!((done.before.may_fail, done.after.may_fail, done.after.voters), (1, 0, 2));
    let other = (1..=3).find(|id| *id != leader).unwrap();
    let seen = wait_members(&mut cluster, other, "the leader is a learner", |members| {
        members.one(leader).is_some_and(|it| it.held && it.slots_owned == 0)
    })
    .await;
    assert_eq!(seen.standing(leader), "learner");
    // Its own view of itself comes a moment later than another's.
    let end = Instant::now() + LIMIT;
    loop {
        let answer = cluster.admin(leader).request("GET", "/readyz?verbose").await.unwrap();
        if answer.body.contains("[-] failover: it has no vote") {
            break;
        }
        assert!(Instant::now() < end, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // With two voters neither can be spared.
    let third = (1..=3).find(|id| *id != leader && *id != other).unwrap();
    cluster.kill(third).unwrap();
    let refused = cluster.admin(other).change_members("DELETE", &format!("members/{third}")).await;
    let (status, body) = refusal(refused.unwrap_err());
    assert!([409, 503, 504].contains(&status), "{status} {body}");
    cluster.restart(third).unwrap();
    cluster.leader().await.unwrap();
    let promote = format!("members/{leader}/promote");
    let done = loop {
        // The dead one was the leader, or its lease is not renewed yet.
        match cluster.admin(other).change_members("POST", &promote).await {
            Ok(done) => break done,
            Err(error) => assert!(refusal(error).0 != 404),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((done.after.voters, done.after.may_fail), (3, 1));
    wait_members(&mut cluster, other, "all three are whole", |members| {
        (1..=3).all(|id| is_whole(members, id))
    })
    .await;
    // Three voters, one dead: a second one must not go. It says how many may fail.
    cluster.kill(third).unwrap();
    wait_members(&mut cluster, other, "the dead one is known to be", |members| {
        members.votes.alive == 2
    })
    .await;
    let refused = cluster.admin(other).change_members("DELETE", &format!("members/{leader}")).await;
    let (status, body) = refusal(refused.unwrap_err());
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("that would lose the majority: of 2 voters 1 are alive"), "{body}");
    cluster.restart(third).unwrap();
    cluster.wait_home(LIMIT).await.unwrap();
    // Leadership goes where it is told to, and a number that is no member's is not found.
    let now = cluster.leader().await.unwrap();
    let next = (1..=3).find(|id| *id != now).unwrap();
    let to = format!("leader/transfer?to={next}");
    assert_eq!(cluster.admin(now).change_members("POST", &to).await.unwrap().node, next);
    assert_eq!(cluster.leader().await.unwrap(), next);
    let unknown = cluster.admin(1).change_members("POST", "members/9/promote").await;
    assert_eq!(refusal(unknown.unwrap_err()).0, 404);
    cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_data_comes_back_as_a_learner_and_gets_its_vote_again() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let held = stage.bring_up(30, 3).await.unwrap();
    stage.cluster.kill(3).unwrap();
    let folder = stage.cluster.node(3).unwrap().data_dir.clone();
    std::fs::remove_dir_all(folder).unwrap();
    stage.cluster.restart(3).unwrap();
    stage.cluster.wait_home(LIMIT).await.unwrap();
    let log = stage.cluster.node(3).unwrap().log_tail(400);
    assert!(log.contains("it asks to come back as a learner"), "{log}");
    let members = stage.cluster.admin(3).members().await.unwrap();
    assert_eq!((members.votes.voters, members.highest), (3, 3));
    // It has everything: it takes over alone with another.
    stage.cluster.kill(1).unwrap();
    let more = traffic(&mut stage, 3, 20, Duration::from_millis(15)).await;
    stage.wait_over(&more).await.unwrap();
    stage.hang_up(&held).await.unwrap();
    for numbers in [more, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}

/// Starts a node that must be turned away; what it said.
async fn turned_away(cluster: &mut Cluster, joiner: &Joiner, env: &[(&str, &str)]) -> String {
    cluster.prepare_join(4, joiner).unwrap();
    let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    cluster.node(4).unwrap().env = env;
    cluster.restart(4).unwrap();
    let node = cluster.node(4).unwrap();
    let status = node.wait_exit(LIMIT).await.unwrap();
    assert!(!status.success(), "it ended as if all were well");
    let said = node.log_tail(20);
    cluster.forget(4);
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_contradicts_the_cluster_is_turned_away_by_name_and_changes_nothing() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let before = cluster.admin(1).members().await.unwrap();
    let leader = cluster.leader().await.unwrap();
    let right = by(&cluster, leader);
    let other_key = Joiner { key: Some("6f".repeat(32)), ..right.clone() };
    let said = turned_away(&mut cluster, &other_key, &[]).await;
    assert!(said.contains("the cluster's key is another one"), "{said}");
    let other_name = Joiner { name: Some("elsewhere".into()), ..right.clone() };
    let said = turned_away(&mut cluster, &other_name, &[]).await;
    assert!(said.contains("it is cluster \"test\", not the one in cluster.name"), "{said}");
    let taken = Joiner { id: Some(2), ..right.clone() };
    let said = turned_away(&mut cluster, &taken, &[]).await;
    assert!(said.contains("number 2 was used before"), "{said}");
    match faketime() {
        Some(library) => {
            let env = [
                ("LD_PRELOAD", library),
                ("FAKETIME", "+20s"),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ];
            let said = turned_away(&mut cluster, &right, &env).await;
            assert!(said.contains("ms ahead of the cluster's, and 5000 ms are allowed"), "{said}");
        }
        None => eprintln!("LEFT OUT: a clock that is off; libfaketime is not installed"),
    }
    let after = cluster.admin(1).members().await.unwrap();
    assert_eq!(before.members.len(), after.members.len());
    assert_eq!((before.highest, after.highest), (3, 3));
    let metrics = cluster.admin(leader).metrics().await.unwrap();
    for outcome in ["cluster", "node_taken"] {
        let counted = metrics.sum("holdline_joins_total", &[&format!("outcome=\"{outcome}\"")]);
        assert!(counted >= 1.0, "{outcome} is not counted");
    }
    let refused = metrics.sum("holdline_rpc_refused_total", &["reason=\"token\""]);
    assert!(refused >= 1.0, "a wrong key is not counted");
    cluster.pass().unwrap();
}

fn faketime() -> Option<&'static str> {
    const PLACES: [&str; 2] = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    ];
    PLACES.into_iter().find(|path| std::path::Path::new(path).exists())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_expected_gets_the_number_that_was_promised() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let rpc = cluster.site().node(4, RPC_PORT);
    let path = format!("members?rpc={rpc}&pop=fra");
    let done = cluster.admin(2).change_members("POST", &path).await.unwrap();
    assert_eq!(done.node, 4);
    wait_members(&mut cluster, 1, "node 4 is expected", |it| it.standing(4) == "expected").await;
    // Another one that joins meanwhile does not get it.
    let joiner = by(&cluster, 1);
    cluster.join(5, &joiner).unwrap();
    wait_members(&mut cluster, 5, "the other one is node 5", |it| is_whole(it, 5)).await;
    cluster.join(4, &joiner).unwrap();
    wait_members(&mut cluster, 4, "the expected one is node 4", |it| is_whole(it, 4)).await;
    cluster.pass().map_err(|error: ClusterError| error.to_string()).unwrap();
}
