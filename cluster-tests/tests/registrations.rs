//! Phones that register, are called and go on when nodes die.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::phone::Phone;
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{CalleeScript, CallerPlan, Order};
use serde_json::{Value, json};
use tokio::time::Instant;

const USERS: usize = 24;
const PASSWORD: &str = "correct horse battery";

fn options() -> ClusterOptions {
    ClusterOptions { registrar: true, ..ClusterOptions::default() }
}

/// The command line, as an operator uses it.
fn holdline(cluster: &Cluster, args: &[&str]) -> Output {
    cluster.operator(args).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn import(cluster: &Cluster, users: &[String], domain: &str) {
    let lines = users.iter().map(|user| format!("{user}@{domain},{PASSWORD},acme\n"));
    let file = cluster.folder().join("users.csv");
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    let output = holdline(cluster, &["user", "import", file.to_str().unwrap()]);
    assert_eq!(said(&output), format!("{} users are written\n", users.len()));
    wait_users(cluster, users.len()).await;
}

/// Waits until every node that runs has applied something: what one has committed, another knows a
/// moment later.
async fn wait_known(cluster: &Cluster, path: &str, what: &str, known: impl Fn(&Value) -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    for node in cluster.running() {
        while !known(&cluster.admin(node).document(path).await.unwrap()) {
            assert!(Instant::now() < end, "node {node} does not know: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn wait_users(cluster: &Cluster, users: usize) {
    let is = |page: &Value| page["items"].as_array().is_some_and(|items| items.len() == users);
    wait_known(cluster, "/v1/users?limit=1000", &format!("{users} users"), is).await;
}

async fn wait_bindings(cluster: &Cluster, bindings: usize) {
    let count = |page: &Value| -> usize {
        let items = page["items"].as_array().into_iter().flatten();
        items.map(|item| item["bindings"].as_array().map_or(0, Vec::len)).sum()
    };
    let is = |page: &Value| count(page) == bindings;
    let path = "/v1/registrations?limit=1000";
    wait_known(cluster, path, &format!("{bindings} bindings"), is).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_stay_registered_and_callable_when_a_node_dies() {
    let mut stage = Stage::open(&options(), 1).await.unwrap();
    let domain = stage.cluster.sip(1).ip().to_string();
    let users: Vec<String> = (0..USERS).map(|n| format!("80{n:02}")).collect();
    import(&stage.cluster, &users, &domain).await;
    let script = CalleeScript::answer_after_ms(20);
    stage.callee.order(vec![Order::Script("80".into(), script)]).await.unwrap();
    let callee = stage.cluster.site().callee();
    let mut phones = Vec::new();
    for (user, node) in users.iter().zip([1, 2, 3].into_iter().cycle()) {
        let mut phone = Phone::new(callee, user, &domain, PASSWORD, callee).await.unwrap();
        let answer = phone.register(stage.cluster.sip(node), 600).await.unwrap();
        assert_eq!((answer.status, answer.challenges, answer.stale), (200, 1, false), "{answer:?}");
        assert_eq!(answer.contacts, [format!("<sip:{user}@{callee}>;expires=600")]);
        phones.push((phone, node));
    }
    wait_bindings(&stage.cluster, USERS).await;
    let first = stage.cluster.sip(1);
    call_all(&mut stage, &users[..USERS / 2], first).await;

    stage.cluster.kill(1).unwrap();
    let mut stale = 0;
    for (phone, node) in &mut phones {
        let answer = phone.register(stage.cluster.sip(*node), 600).await.unwrap();
        assert_eq!((answer.status, answer.contacts.len()), (200, 1), "{answer:?}");
        stale += u32::from(answer.stale);
        assert_eq!(answer.challenges, u32::from(answer.stale), "nobody is asked for a password");
    }
    assert!(stale > 0, "the dead node owned some of the users");
    wait_bindings(&stage.cluster, USERS).await;
    call_all(&mut stage, &users[USERS / 2..], first).await;
    assert!(said(&holdline(&stage.cluster, &["registration", "list"])).contains("8000@"));
    stage.cluster.pass().unwrap();
}

/// What one node has committed, another applies a moment later, here as late as can be set: a call that
/// comes to it meanwhile is not told that nobody is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_just_registered_at_one_node_can_be_called_at_another() {
    let raft = vec![("spare_hold_ms".to_owned(), 90)];
    let stage = Stage::open(&ClusterOptions { raft, ..options() }, 1).await.unwrap();
    let users: Vec<String> = (0..USERS).map(|n| format!("80{n:02}")).collect();
    // Who is called at a node's address is a user of that domain.
    let pairs = [(1, 2), (2, 3), (3, 1), (1, 3), (3, 2), (2, 1)];
    let domain = |node| stage.cluster.sip(node).ip().to_string();
    let places: Vec<_> = users.iter().zip(pairs.into_iter().cycle()).collect();
    let lines = places
        .iter()
        .map(|(user, (_, there))| format!("{user}@{},{PASSWORD},acme\n", domain(*there)));
    let file = stage.cluster.folder().join("users.csv");
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    said(&holdline(&stage.cluster, &["user", "import", file.to_str().unwrap()]));
    wait_users(&stage.cluster, USERS).await;
    let script = CalleeScript::answer_after_ms(20);
    stage.callee.order(vec![Order::Script("80".into(), script)]).await.unwrap();
    let callee = stage.cluster.site().callee();
    for (user, (here, there)) in places {
        let domain = domain(there);
        let mut phone = Phone::new(callee, user, &domain, PASSWORD, callee).await.unwrap();
        let answer = phone.register(stage.cluster.sip(here), 600).await.unwrap();
        assert_eq!(answer.status, 200);
        let plan = CallerPlan::hold(user.clone(), stage.cluster.sip(there));
        stage.place(vec![plan.hang_up_after_ms(100)]).await.unwrap();
    }
    stage.wait_over(&users).await.unwrap();
    let verdict = stage.judge_answered(users).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    assert!(
        catch_ups(&stage).await > 0.0,
        "no call came before its REGISTER was known: the test shows nothing"
    );
    stage.cluster.pass().unwrap();
}

/// A user is written when a majority has it, and its REGISTER comes before the others have applied it: its
/// password is not wrong because a node does not know it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_just_been_added_can_register_at_every_node() {
    let raft = vec![("spare_hold_ms".to_owned(), 90)];
    let mut stage = Stage::open(&ClusterOptions { raft, ..options() }, 1).await.unwrap();
    let domain = stage.cluster.sip(1).ip().to_string();
    let callee = stage.cluster.site().callee();
    // The leader has applied what it answers for; one of the others, whichever, has not for long.
    let leader = stage.cluster.leader().await.unwrap();
    let admin = stage.cluster.admin(leader);
    let written = json!({ "tenant": "acme", "password": PASSWORD });
    for (n, node) in (0..USERS).zip([1, 2, 3].into_iter().cycle()) {
        let user = format!("80{n:02}");
        let mut phone = Phone::new(callee, &user, &domain, PASSWORD, callee).await.unwrap();
        let answer = admin.put(&format!("/v1/users/{user}@{domain}"), &written).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = phone.register(stage.cluster.sip(node), 600).await.unwrap();
        assert_eq!((answer.status, answer.challenges, answer.stale), (200, 1, false), "{answer:?}");
    }
    assert!(catch_ups(&stage).await > 0.0, "every node knew every user: the test shows nothing");
    stage.cluster.pass().unwrap();
}

/// How often nodes asked the leader before they refused something.
async fn catch_ups(stage: &Stage) -> f64 {
    let mut asked = 0.0;
    for node in stage.cluster.running() {
        let metrics = stage.cluster.admin(node).metrics().await.unwrap();
        asked += metrics.sum("holdline_catch_ups_total", &[]);
    }
    asked
}

async fn call_all(stage: &mut Stage, users: &[String], to: SocketAddr) {
    let plan = |user: &String| CallerPlan::hold(user.clone(), to).hang_up_after_ms(200);
    stage.place(users.iter().map(plan).collect()).await.unwrap();
    stage.wait_over(users).await.unwrap();
    let verdict = stage.judge_answered(users.to_vec()).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_accepted_no_node_accepts_again() {
    let mut cluster = Cluster::start(&options()).await.unwrap();
    let users: Vec<String> = (0..9).map(|n| format!("user{n}")).collect();
    import(&cluster, &users, "users.test").await;
    let local = cluster.site().backup();
    let mut phones = Vec::new();
    for user in &users {
        let mut phone = Phone::new(local, user, "users.test", PASSWORD, local).await.unwrap();
        assert_eq!(phone.register(cluster.sip(1), 600).await.unwrap().status, 200);
        phones.push(phone);
    }
    for phone in &mut phones {
        for node in [1, 2, 3] {
            assert_eq!(phone.replay(cluster.sip(node)).await.unwrap(), 401, "at node {node}");
        }
    }
    cluster.kill(2).unwrap();
    for phone in &mut phones {
        for node in [1, 2, 3] {
            let status = phone.replay(cluster.sip(node)).await.unwrap();
            assert_eq!(status, 401, "at the address of node {node} after a takeover");
        }
    }
    let page = cluster.any_admin().unwrap().document("/v1/registrations").await.unwrap();
    assert!(!page.to_string().contains("thief"), "{page}");
    cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_managed_by_the_command_line() {
    let mut cluster = Cluster::start(&options()).await.unwrap();
    let made = said(&holdline(&cluster, &["user", "add", "eve@users.test", "--generate"]));
    wait_users(&cluster, 1).await;
    let local = cluster.site().backup();
    let mut phone = Phone::new(local, "eve", "users.test", made.trim(), local).await.unwrap();
    assert_eq!(phone.register(cluster.sip(2), 120).await.unwrap().status, 200);
    assert!(said(&holdline(&cluster, &["user", "list"])).contains("eve@users.test"));
    assert!(said(&holdline(&cluster, &["user", "show", "eve@users.test"])).contains("default"));
    wait_bindings(&cluster, 1).await;
    let shown = said(&holdline(&cluster, &["registration", "show", "eve@users.test"]));
    assert!(shown.contains(&local.to_string()) && shown.contains("120 s granted"), "{shown}");
    said(&holdline(&cluster, &["registration", "remove", "eve@users.test"]));
    wait_bindings(&cluster, 0).await;
    assert_eq!(phone.query(cluster.sip(3)).await.unwrap().contacts.len(), 0);
    said(&holdline(&cluster, &["user", "remove", "eve@users.test"]));
    wait_users(&cluster, 0).await;
    let refused = phone.register(cluster.sip(1), 120).await.unwrap();
    assert_eq!((refused.status, refused.stale), (401, false));
    let gone = holdline(&cluster, &["user", "show", "eve@users.test"]);
    assert_eq!(gone.status.code(), Some(4));
    for node in cluster.nodes() {
        let log = node.log_tail(10_000);
        assert!(
            !log.contains("eve") && !log.contains(made.trim()),
            "personal data in a log: {log}"
        );
    }
    cluster.check_alive().unwrap();
    cluster.pass().unwrap();
}
