//! The format of the data folder: what version 2 wrote is read, what a later one wrote is refused.
//!
//! `golden/format-2.tgz` is the data folder of a node that was killed with calls up, a snapshot and a
//! log behind it, written by the first version of the format; `golden/format-2.json` is what it
//! answered before. If the test fails, a stored encoding has changed: raise
//! `holdline_storage::data_dir::DATA_FORMAT`, write the upgrade, and keep the old folder. It is not to
//! be written anew, but for a format that has none yet:
//! `HOLDLINE_WRITE_GOLDEN=2 cargo nextest run --workspace --test format --run-ignored all -E 'test(writes)'`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::stage::Stage;
use serde_json::{Value, json};
use tokio::time::Instant;

/// The format of this version.
const FORMAT: u32 = 2;

fn golden(ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("format-{FORMAT}.{ending}"))
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

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes the golden folder of a format that has none yet"]
async fn writes_the_golden_folder() {
    assert_eq!(std::env::var("HOLDLINE_WRITE_GOLDEN").ok(), Some(FORMAT.to_string()));
    assert!(!golden("tgz").exists(), "a golden folder is never written anew");
    let mut stage = Stage::open(&options(), 1).await.unwrap();
    let (url, program) = {
        let cluster = &stage.cluster;
        (cluster.admin(1).url().to_owned(), cluster.program().to_str().unwrap().to_owned())
    };
    let folder = stage.cluster.folder().to_owned();
    fs::write(folder.join("users.csv"), "8001@users.test,correct horse battery,acme\n").unwrap();
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
    fs::create_dir_all(golden("tgz").parent().unwrap()).unwrap();
    fs::write(golden("json"), text + "\n").unwrap();
    let (archive, folder) = (golden("tgz"), folder.to_str().unwrap().to_owned());
    run("tar", &["-C", &folder, "-czf", archive.to_str().unwrap(), "node-1"]);
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_golden_folder_is_opened_and_served() {
    let mut cluster = Cluster::prepare(&options()).unwrap();
    let folder = cluster.folder().to_str().unwrap().to_owned();
    run("tar", &["-C", &folder, "-xzf", golden("tgz").to_str().unwrap()]);
    cluster.start_all().await.unwrap();
    let expected: Value = serde_json::from_slice(&fs::read(golden("json")).unwrap()).unwrap();
    let mut found = known(&cluster).await;
    // Calls that were up may have ended since: those records come after the ones that are compared.
    let count = expected["cdrs"].as_array().unwrap().len();
    found["cdrs"].as_array_mut().unwrap().truncate(count);
    assert!(count > 0);
    assert_eq!(found, expected, "{}", include_str!("format.rs").lines().nth(4).unwrap());
    let url = cluster.admin(1).url().to_owned();
    let program = cluster.program().to_str().unwrap().to_owned();
    run(&program, &["trunk", "enable", "backup", "--url", &url]);
    cluster.kill(1).unwrap();
    cluster.start_all().await.unwrap();
    assert_eq!(known(&cluster).await["disabled_since"], Value::Null, "it is written to as well");
    cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_a_later_format_is_refused_with_the_reason() {
    let mut cluster = Cluster::prepare(&options()).unwrap();
    let data = cluster.folder().join("node-1");
    fs::create_dir(&data).unwrap();
    let identity = format!("format {}\nnode 1\ncluster {}\n", FORMAT + 1, options().name);
    fs::write(data.join("IDENTITY"), &identity).unwrap();
    cluster.restart(1).unwrap();
    let log = cluster.folder().join("node-1.log");
    let end = Instant::now() + Duration::from_secs(20);
    let wanted = format!("has format {}, but this version reads format {FORMAT}", FORMAT + 1);
    while !fs::read_to_string(&log).unwrap_or_default().contains(&wanted) {
        assert!(Instant::now() < end, "{}", fs::read_to_string(&log).unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fs::read_to_string(data.join("IDENTITY")).unwrap(), identity, "left as it was");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "nothing was added");
    cluster.set_quiet(true);
}
