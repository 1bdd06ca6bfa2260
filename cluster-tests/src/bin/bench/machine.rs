//! Where and what was measured: a number without these is worth nothing.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// The machine and the program.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Its processor.
    pub(crate) processor: String,
    /// How many of them this process may use.
    pub(crate) processors: usize,
    /// Its memory in MiB.
    pub(crate) memory_mib: u64,
    /// Its kernel.
    pub(crate) kernel: String,
    /// The commit that was measured, with `-dirty` if files were changed since.
    pub(crate) commit: String,
    /// How it was built.
    pub(crate) profile: &'static str,
    /// The command that repeats it.
    pub(crate) command: String,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kib = field(&memory, "MemTotal").and_then(|text| {
            text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok())
        });
        let args: Vec<String> = std::env::args().skip(1).collect();
        Self {
            processor: field(&cpu, "model name").unwrap_or_else(|| "unknown".into()),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kib.unwrap_or_default() / 1024,
            kernel: kernel.trim().to_owned(),
            commit: commit(),
            profile: if cfg!(debug_assertions) {
                "dev (crates: opt 1, dependencies: opt 3)"
            } else {
                "release"
            },
            command: format!("make bench ARGS='{}'", args.join(" ")),
        }
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> String {
    let run = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    match run {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown (not run in a git checkout)".into(),
    }
}
