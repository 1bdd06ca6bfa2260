//! A stolen disk: nothing in a sealed data folder tells whose calls there were.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdline_cluster_tests::cluster::ClusterOptions;
use holdline_cluster_tests::stage::Stage;
use tokio::time::Instant;

const KEYS: [&str; 2] = ["11", "22"];

/// Where a test may keep keys: the folder of a cluster is made only with it.
fn keys(folder: &Path) -> Vec<PathBuf> {
    let write = |(name, byte): (usize, &str)| {
        let path = folder.join(format!("storage-{name}.key"));
        let open = fs::File::options().create_new(true).write(true).mode(0o600).open(&path);
        open.unwrap().write_all(byte.repeat(32).as_bytes()).unwrap();
        path
    };
    KEYS.into_iter().enumerate().map(write).collect()
}

fn encryption(keys: &[&PathBuf]) -> String {
    format!("[storage.encryption]\nkey_files = {keys:?}\n")
}

/// All files of a folder, with their bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            // What a running node has just removed is no longer there to be stolen.
            all.push((path, bytes));
        }
    }
    all
}

/// The files that hold a text.
fn with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let files = files(folder).into_iter();
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    files.filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
}

fn rewrite(config: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(config).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(config, text.replace(from, to)).unwrap();
}

/// Waits until a node has said something.
async fn wait_said(log: &Path, text: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    while !fs::read_to_string(log).unwrap_or_default().contains(text) {
        assert!(Instant::now() < end, "{}: not said: {text}", log.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Entries until there are a snapshot and, because the log is purged then, flushed tables.
async fn fill_log(stage: &Stage) {
    let admin = stage.cluster.admin(1);
    for _ in 0..60 {
        let cursor = admin.request("PUT", "/v1/cdrs/sinks/audit?cursor=1.0").await.unwrap();
        assert_eq!(cursor.status, 200, "{}", cursor.body);
    }
    let end = Instant::now() + Duration::from_secs(20);
    let has = |id: u64, ending: &str| {
        let data = stage.cluster.folder().join(format!("node-{id}"));
        files(&data).iter().any(|(path, _)| path.to_string_lossy().ends_with(ending))
    };
    while !(1..=3).all(|id| has(id, ".snap") && has(id, ".sst")) {
        assert!(Instant::now() < end, "no snapshot, or nothing is flushed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_folder_holds_no_number_and_no_call_id() {
    let secrets = tempfile::tempdir().unwrap();
    let keys = keys(secrets.path());
    let (first, second) = (&keys[0], &keys[1]);
    let options = ClusterOptions {
        raft: vec![("snapshot_every".into(), 40), ("snapshot_keep".into(), 10)],
        more: encryption(&[first]),
        ..ClusterOptions::default()
    };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let finished = stage.bring_up(15, 1).await.unwrap();
    stage.hang_up(&finished).await.unwrap();
    let up = stage.bring_up(5, 2).await.unwrap();
    fill_log(&stage).await;
    let cdrs = stage.cdrs_of(&finished).await.unwrap();
    let (number, call_id) = (finished[0].clone(), cdrs[0].caller_call_id.clone());
    for id in 1..=3 {
        stage.cluster.kill(id).unwrap();
    }
    let folder = stage.cluster.folder().to_owned();
    for id in 1..=3 {
        let data = folder.join(format!("node-{id}"));
        let names: Vec<_> = files(&data).into_iter().map(|(path, _)| path).collect();
        let has = |ending: &str| names.iter().any(|it| it.to_string_lossy().ends_with(ending));
        assert!(has(".log") && has(".sst") && has(".snap") && has("LOG"), "{names:?}");
        for text in [number.as_str(), up[0].as_str(), call_id.as_str(), "INVITE sip", "Call-ID"] {
            assert_eq!(with(&data, text), [] as [PathBuf; 0], "{text} at node {id}");
        }
    }

    // With another key, or none, a node does not start, and says which it needs.
    let config = folder.join("node-1.toml");
    let (one, two) = (encryption(&[first]), encryption(&[second]));
    for (keys, what) in
        [(two.clone(), "the keys that are configured are"), (String::new(), "no key is configured")]
    {
        rewrite(&config, &one, &keys_or_mark(&keys));
        stage.cluster.restart(1).unwrap();
        wait_said(&folder.join("node-1.log"), what).await;
        stage.cluster.kill(1).unwrap();
        rewrite(&config, &keys_or_mark(&keys), &one);
    }

    // The key is changed: the new one in front, everything sealed anew, the old one away.
    let both = encryption(&[second, first]);
    for id in 1..=3 {
        rewrite(&folder.join(format!("node-{id}.toml")), &one, &both);
    }
    stage.cluster.start_all().await.unwrap();
    for id in 1..=3 {
        wait_said(&folder.join(format!("node-{id}.log")), "nothing is sealed with older keys")
            .await;
    }
    for id in 1..=3 {
        stage.cluster.kill(id).unwrap();
        rewrite(&folder.join(format!("node-{id}.toml")), &both, &two);
    }
    stage.cluster.start_all().await.unwrap();
    let after = stage.cdrs_of(&finished).await.unwrap();
    assert_eq!(after.len(), cdrs.len());
    rotate(&mut stage, second).await;
    let after = stage.cdrs_of(&finished).await.unwrap();
    assert_eq!(after.len(), cdrs.len());
    stage.hang_up(&up).await.unwrap();
    let verdict = stage.judge_answered(up).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}

/// The same as an operator does it, with one file: `holdline key rotate`, a restart, `holdline key prune`.
async fn rotate(stage: &mut Stage, file: &Path) {
    let folder = stage.cluster.folder().to_owned();
    let program = stage.cluster.program().to_owned();
    let key = |what: &str| {
        let output = std::process::Command::new(&program).args(["key", what]).arg(file).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let log = folder.join("node-1.log");
    let said_before = fs::read_to_string(&log).unwrap().matches(NO_OLDER).count();
    key("rotate");
    stage.cluster.kill(1).unwrap();
    stage.cluster.restart(1).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while fs::read_to_string(&log).unwrap().matches(NO_OLDER).count() == said_before {
        assert!(Instant::now() < end, "not said again: {NO_OLDER}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.cluster.kill(1).unwrap();
    key("prune");
    stage.cluster.restart(1).unwrap();
    // The file is now that of node 1 alone: the others have the keys that it had before, in FILE.old.
    stage.cluster.wait_home(Duration::from_secs(30)).await.unwrap();
}

const NO_OLDER: &str = "nothing is sealed with older keys";

/// Something to find again where nothing is to stand.
fn keys_or_mark(keys: &str) -> String {
    if keys.is_empty() { "# no keys\n".to_owned() } else { keys.to_owned() }
}

/// The search finds what it looks for, where nothing is sealed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_in_clear_holds_numbers() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let numbers = stage.bring_up(3, 1).await.unwrap();
    stage.hang_up(&numbers).await.unwrap();
    stage.cdrs_of(&numbers).await.unwrap();
    for id in 1..=3 {
        stage.cluster.kill(id).unwrap();
    }
    let data = stage.cluster.folder().join("node-1");
    assert_ne!(with(&data, &numbers[0]), [] as [PathBuf; 0]);
    stage.cluster.pass().unwrap();
}
