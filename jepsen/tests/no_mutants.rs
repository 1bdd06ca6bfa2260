//! The switch that is run and shipped has none of the known bugs: they are a feature that nothing
//! turns on by itself, and the binary does not know the variable that would choose one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn the_switch_is_built_without_known_bugs() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "-p", "holdline", "-e", "features,normal"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout);
    assert!(tree.contains("holdline-model"), "{tree}");
    assert!(!tree.contains("mutants"), "{tree}");
}

#[test]
fn the_binary_does_not_know_how_to_be_a_mutant() {
    let binary = holdline_cluster_tests::cluster::holdline_binary().unwrap();
    let bytes = std::fs::read(binary).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("HOLDLINE") || has("holdline"), "it is the switch");
    assert!(!has("HOLDLINE_MUTANT"));
}
