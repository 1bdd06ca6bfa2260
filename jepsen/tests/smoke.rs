//! The harness on the real switch, for a minute or two: a fixed seed, a few faults of each kind.
//!
//! Without root it runs on loopback addresses and says what it leaves out. The whole run is
//! repeated by the command that it prints.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::Command;

/// Faults that are struck, one after the other.
const FAULTS: &str = "kill-leader,pause-follower,majority-gone,cut-leader-minority,mute-kill";

fn jepsen(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_jepsen")).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    eprintln!("{text}{errors}");
    (output.status.success(), text)
}

#[test]
fn a_limited_class_admits_no_more_in_any_window_though_a_follower_dies() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("limits");
    let run = ["run", "--workload", "limits", "--fault", "kill-follower", "--minutes", "0.1"];
    let (passed, text) =
        jepsen(&[&run[..], &["--seed", "5", "--out", out.to_str().unwrap()]].concat());
    assert!(passed && text.contains("valid    limits "), "{text}");
}

#[test]
fn a_short_run_passes_and_its_history_is_judged_alike_offline() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("smoke");
    let out = out.to_str().unwrap();
    let run = ["run", "--workload", "admin", "--fault", FAULTS, "--minutes", "0.1", "--seed", "20"];
    let (passed, text) = jepsen(&[&run[..], &["--out", out]].concat());
    assert!(passed, "{text}");
    let history = format!("{out}/{}-20.edn", FAULTS.replace(',', "+"));
    let (passed, again) = jepsen(&["check", &history]);
    assert!(passed, "{again}");
    let verdicts = |text: &str| -> Vec<String> {
        let verdict = |line: &&str| line.starts_with("valid") || line.starts_with("idle");
        text.lines().filter(verdict).map(str::to_owned).collect()
    };
    assert_eq!(verdicts(&text), verdicts(&again));
    assert!(verdicts(&text).len() > 10, "{text}");
}
