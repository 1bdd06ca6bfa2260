//! The same seed gives the same trace, and the judge finds what it must. Each run is a process of its
//! own, as in use.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::Command;

fn sim(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("seed "), "{text}{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn trace(text: &str) -> &str {
    text.split("trace ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap()
}

#[test]
fn the_same_seed_twice_gives_the_same_trace_and_another_seed_another() {
    for seed in ["7", "16"] {
        let args = ["--seed", seed, "--work-ms", "6000"];
        let (first, second) = (sim(&args), sim(&args));
        assert_eq!(trace(&first.1), trace(&second.1), "{}{}", first.1, second.1);
    }
    let (one, other) = (sim(&["--seed", "7", "--calm"]), sim(&["--seed", "8", "--calm"]));
    assert_ne!(trace(&one.1), trace(&other.1));
}

/// The run that a bug was put into ends with a fault of that checker.
fn finds(seed: &str, mutant: &str, checker: &str) {
    let (ok, text) = sim(&["--seed", seed, "--nodes", "3", "--calm", "--mutant", mutant]);
    let found = text.lines().filter(|line| line.contains("FAULT: "));
    let found: Vec<&str> = found.collect();
    assert!(!ok && !found.is_empty(), "{mutant}: {text}");
    assert!(found.iter().all(|line| line.contains(checker)), "{mutant}: {text}");
    assert!(
        text.contains(&format!("replay with: cargo run -p holdline-sim -- --seed {seed}")),
        "{text}"
    );
}

#[test]
fn disks_that_only_say_that_they_sync_are_found() {
    finds("3", "lying-disks", "FAULT: committed: ");
}

#[test]
fn messages_without_their_entry_are_found() {
    finds("3", "speaks-too-soon", ": rule one: spoke before ");
}

#[test]
fn a_lease_that_lasts_too_long_is_found() {
    finds("1", "slow-clock", " ms: owner: ");
}
