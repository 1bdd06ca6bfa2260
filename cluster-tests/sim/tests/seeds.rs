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

#[test]
#[ignore = "found by simulation, not mended yet: wall clocks a minute apart (src/faults.rs, `tame`)"]
fn wall_clocks_a_minute_apart_harm_no_call() {
    for seed in ["90034", "90051"] {
        let args = ["--seed", seed, "--work-ms", "30000", "--wild-clocks"];
        let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
