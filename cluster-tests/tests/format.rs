//! Formats: what older ones wrote is read, what a later one wrote is refused, and a cluster goes from one to
//! the next while calls are up.
//!
//! `golden/format-N.tgz` is the data folder of a node that was killed with calls up, a snapshot and a
//! log behind it, written by the first program of that format; `golden/format-N.json` is what it
//! answered before. If the test fails, a stored encoding has changed: raise `holdline_model::Format::NEWEST`,
//! write the upgrade, and keep the old folders. They are not to be written anew, but for a format that has
//! none yet:
//! `HOLDLINE_WRITE_GOLDEN=3 cargo nextest run --workspace --test format --run-ignored all -E 'test(writes)'`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Site};
use holdline_cluster_tests::phone::Phone;
use holdline_cluster_tests::stage::Stage;
use serde_json::{Value, json};
use tokio::time::Instant;

/// The oldest format, and that of this program.
const OLDEST: u32 = 2;
const FORMAT: u32 = 3;

fn golden(format: u32, ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("format-{format}.{ending}"))
}

fn options() -> ClusterOptions {
    ClusterOptions {
        nodes: 1,
        registrar: true,
        raft: vec![("snapshot_every".into(), 60), ("snapshot_keep".into(), 10)],
        ..ClusterOptions::default()
    }
}

/// What is kept whatever the time is: records that do not end by themselves.
async fn known(cluster: &Cluster) -> Value {
    let admin = cluster.any_admin().unwrap();
    let cdrs = admin.document("/v1/cdrs?limit=1000").await.unwrap();
    let users = admin.document("/v1/users").await.unwrap();
    let limits = admin.document("/v1/limits").await.unwrap();
    let keeping = admin.document("/v1/cdrs/retention").await.unwrap();
    let trunk = admin.document("/v1/trunks/backup").await.unwrap();
    json!({
        "cdrs": cdrs["items"],
        "users": users["items"],
        "limits": limits["config"],
        "retention": keeping,
        "disabled_since": trunk["disabled_since"],
    })
}

const PASSWORD: &str = "correct horse battery";

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes the golden folder of a format that has none yet"]
async fn writes_the_golden_folder() {
    assert_eq!(std::env::var("HOLDLINE_WRITE_GOLDEN").ok(), Some(FORMAT.to_string()));
    assert!(!golden(FORMAT, "tgz").exists(), "a golden folder is never written anew");
    let mut stage = Stage::open(&options(), 1).await.unwrap();
    let (url, program) = {
        let cluster = &stage.cluster;
        (cluster.admin(1).url().to_owned(), cluster.program().to_str().unwrap().to_owned())
    };
    let folder = stage.cluster.folder().to_owned();
    fs::write(folder.join("users.csv"), format!("8001@users.test,{PASSWORD},acme\n")).unwrap();
    fs::write(
        folder.join("limits.toml"),
        "[[class]]\nname = \"all\"\nassured = \"500/s\"\nburst = 500\n",
    )
    .unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let holdline = |args: &[&str]| run(&program, &[args, &["--url", &url]].concat());
    holdline(&["user", "import", &file("users.csv")]);
    holdline(&["limit", "set", &file("limits.toml")]);
    holdline(&["cdr", "retention", "set", "forever"]);
    holdline(&["trunk", "disable", "backup"]);
    // A device that came back under another contact, once the format keeps that.
    wait_format(&stage.cluster, FORMAT).await;
    let local = stage.cluster.site().backup();
    let mut phone = Phone::new(local, "8001", "users.test", PASSWORD, local).await.unwrap();
    for contact in ["sip:8001@one.invalid", "sip:8001@two.invalid"] {
        phone.move_to(contact, "urn:uuid:8001");
        assert_eq!(phone.register(stage.cluster.sip(1), 3_600).await.unwrap().status, 200);
    }
    let finished = stage.bring_up(25, 1).await.unwrap();
    stage.hang_up(&finished).await.unwrap();
    let cdrs = stage.cdrs_of(&finished).await.unwrap();
    holdline(&["cdr", "sink", "commit", "billing", &cdrs[3].id]);
    stage.bring_up(3, 1).await.unwrap();
    // Until there are a snapshot and, because the log is purged then, flushed tables.
    for _ in 0..90 {
        holdline(&["cdr", "sink", "commit", "billing", &cdrs[3].id]);
    }
    let has_snapshot = || {
        let snapshots = fs::read_dir(folder.join("node-1/snapshots")).unwrap();
        snapshots.flatten().any(|entry| entry.path().extension().is_some_and(|it| it == "snap"))
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !has_snapshot() {
        assert!(Instant::now() < end, "no snapshot is built");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Something in the log after it.
    holdline(&["trunk", "enable", "backup"]);
    holdline(&["trunk", "disable", "backup"]);
    let text = serde_json::to_string_pretty(&known(&stage.cluster).await).unwrap();
    stage.cluster.kill(1).unwrap();
    fs::create_dir_all(golden(FORMAT, "tgz").parent().unwrap()).unwrap();
    fs::write(golden(FORMAT, "json"), text + "\n").unwrap();
    let (archive, folder) = (golden(FORMAT, "tgz"), folder.to_str().unwrap().to_owned());
    // The database writes its host into its tables and its log of events: write this where the host has no name
    // of its own (unshare --uts).
    let tar = ["--exclude=LOG", "-C", &folder, "-czf", archive.to_str().unwrap(), "node-1"];
    run("tar", &tar);
    stage.cluster.pass().unwrap();
}

/// Waits until all nodes that run say that the cluster has this format, and their data folders say so.
async fn wait_format(cluster: &Cluster, format: u32) {
    let end = Instant::now() + Duration::from_secs(20);
    for node in cluster.nodes().filter(|node| node.started()) {
        loop {
            let health = cluster.admin(node.id).document("/v1/cluster/health").await.unwrap();
            let folder = fs::read_to_string(node.data_dir.join("IDENTITY")).unwrap();
            if health["format"] == format && folder.starts_with(&format!("format {format}\n")) {
                break;
            }
            assert!(Instant::now() < end, "node {}: {health}, {folder}", node.id);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Waits until a node's log has a text.
async fn wait_log(cluster: &Cluster, id: u64, wanted: &str) {
    let log = cluster.folder().join(format!("node-{id}.log"));
    let end = Instant::now() + Duration::from_secs(20);
    while !fs::read_to_string(&log).unwrap_or_default().contains(wanted) {
        assert!(Instant::now() < end, "{}", fs::read_to_string(&log).unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_golden_folders_are_opened_and_served() {
    for format in OLDEST..=FORMAT {
        let mut cluster = Cluster::prepare(&options()).unwrap();
        let folder = cluster.folder().to_str().unwrap().to_owned();
        run("tar", &["-C", &folder, "-xzf", golden(format, "tgz").to_str().unwrap()]);
        cluster.start_all().await.unwrap();
        let expected = fs::read(golden(format, "json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let mut found = known(&cluster).await;
        // Calls that were up may have ended since: those records come after the ones that are compared.
        let count = expected["cdrs"].as_array().unwrap().len();
        found["cdrs"].as_array_mut().unwrap().truncate(count);
        assert!(count > 0);
        assert_eq!(found, expected, "format {format}: see the head of this file");
        let url = cluster.admin(1).url().to_owned();
        let program = cluster.program().to_str().unwrap().to_owned();
        run(&program, &["trunk", "enable", "backup", "--url", &url]);
        wait_format(&cluster, FORMAT).await;
        cluster.kill(1).unwrap();
        cluster.start_all().await.unwrap();
        assert_eq!(
            known(&cluster).await["disabled_since"],
            Value::Null,
            "it is written to as well"
        );
        cluster.pass().unwrap();
    }
}

/// What the cluster is before it is upgraded.
enum Before {
    /// This program, held at the oldest format.
    Held,
    /// A program that knows of no other format.
    Program(PathBuf),
}

impl Before {
    fn options(&self) -> ClusterOptions {
        let format_at_most = match self {
            Self::Held => Some(2),
            Self::Program(_) => None,
        };
        ClusterOptions { registrar: true, format_at_most, ..ClusterOptions::default() }
    }

    /// What node `id` is to run when it is started next.
    fn apply(&self, cluster: &mut Cluster, id: u64, upgraded: bool) {
        let node = cluster.node(id).unwrap();
        match self {
            Self::Held => {
                let text = fs::read_to_string(&node.config).unwrap();
                let (held, free) = ("\nformat_at_most = 2\n", "\n# not held\n");
                let text =
                    if upgraded { text.replace(held, free) } else { text.replace(free, held) };
                fs::write(&node.config, text).unwrap();
            }
            Self::Program(path) => node.program = (!upgraded).then(|| path.clone()),
        }
    }
}

async fn format_of(cluster: &Cluster) -> Value {
    cluster.any_admin().unwrap().document("/v1/cluster/health").await.unwrap()["format"].clone()
}

/// Nodes are upgraded one after the other, and one is taken back, while calls are up. The format changes
/// when the last one is upgraded; from then on there is no way back.
async fn upgrade_and_back(before: Before) {
    let mut stage = Stage::open_at(Site::claim(3).unwrap(), &before.options(), 1).unwrap();
    for id in 1..=3 {
        before.apply(&mut stage.cluster, id, false);
    }
    stage.cluster.start_all().await.unwrap();
    let domain = stage.cluster.sip(1).ip().to_string();
    let users = stage.cluster.folder().join("users.csv");
    fs::write(&users, format!("8001@{domain},{PASSWORD},acme\n")).unwrap();
    let output = stage.cluster.operator(&["user", "import", users.to_str().unwrap()]).output();
    assert!(output.unwrap().status.success());
    let local = stage.cluster.site().backup();
    let mut phone = Phone::new(local, "8001", &domain, PASSWORD, local).await.unwrap();
    let mut turn = 0;
    let mut calls = stage.bring_up(6, 1).await.unwrap();
    for (id, upgraded) in [(1, true), (2, true), (1, false), (3, true), (1, true)] {
        // A program that knows only the oldest format does not tell it.
        let health = format_of(&stage.cluster).await;
        assert!(health == 2 || health == Value::Null, "it was raised early: {health}");
        stage.cluster.kill(id).unwrap();
        before.apply(&mut stage.cluster, id, upgraded);
        stage.cluster.restart(id).unwrap();
        stage.cluster.wait_home(Duration::from_secs(30)).await.unwrap();
        calls.extend(stage.bring_up(2, id).await.unwrap());
        turn += 1;
        phone.move_to(&format!("sip:8001@turn{turn}.invalid"), "urn:uuid:8001");
        assert_eq!(phone.register(stage.cluster.sip(id), 600).await.unwrap().status, 200);
    }
    wait_format(&stage.cluster, FORMAT).await;
    for turn in ["a", "b"] {
        phone.move_to(&format!("sip:8001@{turn}.invalid"), "urn:uuid:8001");
        assert_eq!(phone.register(stage.cluster.sip(2), 600).await.unwrap().status, 200);
    }
    // What holds the new format now is read again by a node that starts, and by one that begins anew.
    stage.cluster.kill(3).unwrap();
    stage.cluster.restart(3).unwrap();
    stage.cluster.wait_home(Duration::from_secs(30)).await.unwrap();
    stage.hang_up(&calls).await.unwrap();
    let verdict = stage.judge_answered(calls).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    // No way back.
    stage.cluster.kill(2).unwrap();
    before.apply(&mut stage.cluster, 2, false);
    stage.cluster.restart(2).unwrap();
    let why = match &before {
        Before::Held => "has format 3, and cluster.format_at_most is 2",
        Before::Program(_) => "has format 3, but this version reads format 2",
    };
    wait_log(&stage.cluster, 2, why).await;
    before.apply(&mut stage.cluster, 2, true);
    stage.cluster.node(2).unwrap().wait_exit(Duration::from_secs(10)).await.unwrap();
    stage.cluster.restart(2).unwrap();
    stage.cluster.wait_home(Duration::from_secs(30)).await.unwrap();
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_upgraded_node_by_node_and_can_go_back_until_the_last() {
    upgrade_and_back(Before::Held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a program of the format before: HOLDLINE_OLD_PROGRAM=PATH"]
async fn a_cluster_of_the_program_before_is_upgraded() {
    let path = std::env::var("HOLDLINE_OLD_PROGRAM").expect("HOLDLINE_OLD_PROGRAM names a program");
    upgrade_and_back(Before::Program(path.into())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_a_later_format_is_refused_with_the_reason() {
    let mut cluster = Cluster::prepare(&options()).unwrap();
    let data = cluster.folder().join("node-1");
    fs::create_dir(&data).unwrap();
    let identity = format!("format {}\nnode 1\ncluster {}\n", FORMAT + 1, options().name);
    fs::write(data.join("IDENTITY"), &identity).unwrap();
    cluster.restart(1).unwrap();
    let reads = format!("this version reads formats {OLDEST} to {FORMAT}");
    wait_log(&cluster, 1, &format!("has format {}, but {reads}", FORMAT + 1)).await;
    assert_eq!(fs::read_to_string(data.join("IDENTITY")).unwrap(), identity, "left as it was");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "nothing was added");
    cluster.set_quiet(true);
}
