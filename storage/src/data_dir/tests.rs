//! The data folder: made, opened again, refused.

use std::fs;

use holdline_model::NodeId;
use tempfile::TempDir;

use crate::data_dir::{DataDir, DataDirError, Identity};
use crate::engine::RocksOptions;

fn identity(cluster: &str, node: u64) -> Identity {
    Identity { cluster: cluster.to_owned(), node: NodeId(node) }
}

#[test]
fn a_folder_is_made_once_and_opened_again() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("deep/data");
    let folder = DataDir::open(&path, &identity("prod east", 2)).unwrap();
    let text = fs::read_to_string(path.join("IDENTITY")).unwrap();
    assert_eq!(text, "format 2\nnode 2\ncluster prod east\n");
    assert!(folder.free_bytes().unwrap() > 0);
    drop(folder.open_engine(&RocksOptions::default()).unwrap());
    drop(folder);
    DataDir::open(&path, &identity("prod east", 2)).unwrap();
}

#[test]
fn an_interrupted_first_start_is_taken_up() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("IDENTITY.tmp"), "form").unwrap();
    fs::write(folder.path().join("LOCK"), "17\n").unwrap();
    DataDir::open(folder.path(), &identity("c", 1)).unwrap();
}

#[test]
fn another_owner_is_refused_with_both_values_and_nothing_is_changed() {
    let folder = TempDir::new().unwrap();
    drop(DataDir::open(folder.path(), &identity("ours", 1)).unwrap());
    fs::remove_file(folder.path().join("LOCK")).unwrap();
    let path = folder.path().display().to_string();
    for (wanted, words) in
        [(identity("theirs", 1), ["ours", "theirs"]), (identity("ours", 4), ["node 1", "node 4"])]
    {
        let text = DataDir::open(folder.path(), &wanted).unwrap_err().to_string();
        for word in words.into_iter().chain([path.as_str()]) {
            assert!(text.contains(word), "{word} is not in: {text}");
        }
    }
    assert!(!folder.path().join("LOCK").exists());
    let text = "format 9\nnode 1\ncluster ours\n";
    fs::write(folder.path().join("IDENTITY"), text).unwrap();
    let refused = DataDir::open(folder.path(), &identity("ours", 1));
    assert!(matches!(refused, Err(DataDirError::OtherFormat { found: 9, .. })));
    assert_eq!(fs::read_to_string(folder.path().join("IDENTITY")).unwrap(), text);
}

#[test]
fn a_malformed_identity_is_refused() {
    let folder = TempDir::new().unwrap();
    for text in [
        "",
        "format 2\n",
        "format x\nnode 1\ncluster c\n",
        "node 1\n",
        "format 2\nnode 1\ncluster c\nmore\n",
    ] {
        fs::write(folder.path().join("IDENTITY"), text).unwrap();
        let refused = DataDir::open(folder.path(), &identity("c", 1));
        assert!(matches!(refused, Err(DataDirError::Malformed { .. })), "{text:?}");
    }
}

#[test]
fn a_folder_in_use_is_refused_and_the_holder_named() {
    let folder = TempDir::new().unwrap();
    let held = DataDir::open(folder.path(), &identity("c", 1)).unwrap();
    let refused = DataDir::open(folder.path(), &identity("c", 1));
    let holder = Some(std::process::id());
    assert!(matches!(&refused, Err(DataDirError::InUse { holder: h, .. }) if *h == holder));
    drop(held);
    DataDir::open(folder.path(), &identity("c", 1)).unwrap();
}

#[test]
fn a_folder_with_other_files_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("thesis.tex"), "x").unwrap();
    let refused = DataDir::open(folder.path(), &identity("c", 1));
    assert!(matches!(&refused, Err(DataDirError::NotOurs { found, .. }) if found == "thesis.tex"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_name_that_is_no_line_is_refused() {
    let folder = TempDir::new().unwrap();
    for name in ["", "a\nnode 7", &"x".repeat(256)] {
        let refused = DataDir::open(folder.path(), &identity(name, 1));
        assert!(matches!(refused, Err(DataDirError::BadName { .. })), "{name:?}");
    }
}
