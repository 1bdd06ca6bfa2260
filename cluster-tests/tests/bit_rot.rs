//! A bit flips in a write-ahead log, in a table file, in a snapshot: it is found, named, and what was
//! lost comes back from the others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::stage::Stage;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(40);

/// The file below a folder with that ending that has most in it, and how much.
fn fullest(folder: &Path, ending: &str) -> (PathBuf, usize) {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let full = |path: PathBuf| {
        // What is only allocated is zero.
        let bytes = fs::read(&path).unwrap();
        let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        (path, length)
    };
    let fitting = files.filter(|path| path.extension().is_some_and(|it| it == ending));
    let (path, length) = fitting.map(full).max_by_key(|(_, length)| *length).unwrap();
    assert!(length > 1_000, "{} has {length} bytes", path.display());
    (path, length)
}

/// Flips one bit of the fullest such file, at so many percent of it; the file's name.
fn flip(folder: &Path, ending: &str, percent: usize) -> String {
    let (path, length) = fullest(folder, ending);
    let mut bytes = fs::read(&path).unwrap();
    bytes[length * percent / 100] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn note(cluster: &mut Cluster, id: u64) -> String {
    let data = cluster.node(id).unwrap().data_dir.clone();
    fs::read_to_string(data.join("damaged/DAMAGED")).unwrap()
}

/// Waits until a node votes again and has its slots, and compares what it has with another.
async fn is_whole_again(stage: &mut Stage, id: u64, numbers: &[String]) {
    stage.cluster.wait_home(LIMIT).await.unwrap();
    let deadline = Instant::now() + LIMIT;
    while stage.cluster.admin(id).members().await.unwrap().standing(id) != "voter" {
        assert!(Instant::now() < deadline, "{}", stage.cluster.node(id).unwrap().log_tail(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.cluster.wait_cdrs(numbers.len(), LIMIT).await.unwrap();
    let of = |cdrs: Vec<holdline_cluster_tests::cluster::CdrView>| {
        cdrs.into_iter().map(|cdr| (cdr.id, cdr.call, cdr.ended_at)).collect::<Vec<_>>()
    };
    let other = id % 3 + 1;
    let here = of(stage.cluster.admin(id).cdrs().await.unwrap());
    assert_eq!(here, of(stage.cluster.admin(other).cdrs().await.unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_of_the_write_ahead_log_is_missed_and_the_node_comes_back_as_a_learner() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let over = stage.bring_up(40, 1).await.unwrap();
    stage.hang_up(&over).await.unwrap();
    let held = stage.bring_up(20, 2).await.unwrap();
    stage.cluster.kill(2).unwrap();
    let data = stage.cluster.node(2).unwrap().data_dir.clone();
    let log = flip(&data.join("db"), "log", 50);
    stage.cluster.restart(2).unwrap();
    is_whole_again(&mut stage, 2, &over).await;
    let note = note(&mut stage.cluster, 2);
    assert!(note.contains(&log) && note.contains("write-ahead log is damaged"), "{note}");
    let said = fs::read_to_string(&stage.cluster.node(2).unwrap().log).unwrap();
    assert!(said.contains("was set aside") && said.contains("asks to come back"), "{said}");
    stage.hang_up(&held).await.unwrap();
    for numbers in [over, held] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_of_a_table_is_found_by_reading_all_and_the_node_comes_back_as_a_learner() {
    let storage = vec![("scrub_every_s".to_owned(), 1), ("protect_percent".to_owned(), 100)];
    let raft = vec![("snapshot_every".to_owned(), 60), ("snapshot_keep".to_owned(), 10)];
    let options = ClusterOptions { storage, raft, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let over = stage.bring_up(60, 1).await.unwrap();
    stage.hang_up(&over).await.unwrap();
    // An end in order writes tables to their files.
    stage.cluster.node(3).unwrap().terminate(LIMIT).await.unwrap();
    let data = stage.cluster.node(3).unwrap().data_dir.clone();
    let table = flip(&data.join("db"), "sst", 10);
    stage.cluster.restart(3).unwrap();
    let status = stage.cluster.node(3).unwrap().wait_exit(LIMIT).await.unwrap();
    assert!(!status.success(), "it ended as if all were well");
    stage.cluster.restart(3).unwrap();
    is_whole_again(&mut stage, 3, &over).await;
    let note = note(&mut stage.cluster, 3);
    assert!(note.contains(&table), "{table} is not named: {note}");
    let verdict = stage.judge_answered(over).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_of_a_snapshot_is_found_and_another_one_is_built() {
    let raft = vec![("snapshot_every".to_owned(), 60), ("snapshot_keep".to_owned(), 10)];
    let options = ClusterOptions { raft, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let over = stage.bring_up(60, 1).await.unwrap();
    stage.hang_up(&over).await.unwrap();
    stage.cluster.kill(1).unwrap();
    let snapshots = stage.cluster.node(1).unwrap().data_dir.join("snapshots");
    let damaged = flip(&snapshots, "snap", 50);
    stage.cluster.restart(1).unwrap();
    stage.cluster.wait_home(LIMIT).await.unwrap();
    let said = fs::read_to_string(&stage.cluster.node(1).unwrap().log).unwrap();
    assert!(said.contains(&damaged) && said.contains("a checksum is wrong"), "{said}");
    assert!(said.contains("another one is built"), "{said}");
    assert!(!snapshots.join(&damaged).exists(), "the damaged one is gone");
    let verdict = stage.judge_answered(over).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_alone_does_not_throw_its_data_away() {
    let options = ClusterOptions { nodes: 1, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let over = stage.bring_up(20, 1).await.unwrap();
    stage.hang_up(&over).await.unwrap();
    stage.cluster.kill(1).unwrap();
    let data = stage.cluster.node(1).unwrap().data_dir.clone();
    flip(&data.join("db"), "log", 50);
    for _ in 0..2 {
        stage.cluster.restart(1).unwrap();
        let node = stage.cluster.node(1).unwrap();
        assert!(!node.wait_exit(LIMIT).await.unwrap().success());
        let said = node.log_tail(3);
        assert!(said.contains("this node is the only one: restore a backup"), "{said}");
    }
    assert!(data.join("db").exists() && !data.join("damaged").exists());
    stage.cluster.set_quiet(true);
}
