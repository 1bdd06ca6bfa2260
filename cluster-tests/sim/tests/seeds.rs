//! Fifty seeds, two at a time: whole clusters under faults, judged at every step.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::process::Command;

#[test]
fn fifty_seeds_find_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(["--seeds", "50"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("sim: 50 seeds in "), "{text}");
}
