//! Where and what was measured: a number without these is worth nothing.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use serde::Serialize;
use tokio::time::Instant;

use super::figures::Times;
use super::kamailio;

/// The machine and the program.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// When the benchmark was started (UTC).
    pub(crate) started: String,
    /// Its processor.
    pub(crate) processor: String,
    /// How many of them this process may use.
    pub(crate) processors: usize,
    /// Its memory in MiB.
    pub(crate) memory_mib: u64,
    /// Its kernel.
    pub(crate) kernel: String,
    /// The file system that the nodes write to.
    pub(crate) disk: String,
    /// How long one sync of 4 KiB takes there, in milliseconds, the median of some.
    pub(crate) sync_ms: Option<f64>,
    /// How busy the machine was before the benchmark: runnable processes, last minute.
    pub(crate) load_before: String,
    /// The programs measured beside ours.
    pub(crate) peers: Vec<String>,
    /// The commit that was measured, with `-dirty` if files were changed since.
    pub(crate) commit: String,
    /// How it was built.
    pub(crate) profile: String,
    /// The command that repeats it.
    pub(crate) command: String,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let loaded = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let kib = field(&memory, "MemTotal").and_then(|text| {
            text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok())
        });
        let args: Vec<String> = std::env::args().skip(1).collect();
        Self {
            processor: field(&cpu, "model name").unwrap_or_else(|| "unknown".into()),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kib.unwrap_or_default() / 1024,
            kernel: kernel.trim().to_owned(),
            started: said("date", &["-u", "+%Y-%m-%dT%H-%M-%SZ"]),
            disk: disk(),
            sync_ms: sync_ms(),
            load_before: loaded.split_whitespace().next().unwrap_or("unknown").to_owned(),
            peers: peers(),
            commit: commit(),
            profile: profile(),
            command: format!("make bench ARGS='{}'", args.join(" ")),
        }
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The profile of the program that is measured: that of this one, unless another is named.
fn profile() -> String {
    match std::env::var("HOLDLINE_BIN") {
        Ok(named) => format!("that of {named} (HOLDLINE_BIN)"),
        Err(_) if cfg!(debug_assertions) => "dev (not what is to be measured)".into(),
        Err(_) => "release".into(),
    }
}

fn commit() -> String {
    let commit = said("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    if commit.is_empty() { "unknown (not run in a git checkout)".into() } else { commit }
}

/// The file system of the folder where clusters keep their data, and what it lies on.
fn disk() -> String {
    let folder = std::env::temp_dir();
    let folder = folder.to_string_lossy();
    let found = said("findmnt", &["-nro", "SOURCE,FSTYPE,OPTIONS", "-T", &folder]);
    if found.starts_with("tmpfs") {
        return format!("{found} (in memory: syncs cost nothing here, set TMPDIR to a disk)");
    }
    if found.is_empty() { "unknown".into() } else { found }
}

/// Writes and syncs some blocks, as a log does.
fn sync_ms() -> Option<f64> {
    let mut file = tempfile::tempfile().ok()?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[0x5a; 4096]).ok()?;
        file.sync_data().ok()?;
        times.push(start.elapsed());
    }
    Times::of(times).map(|times| times.p50_ms)
}

fn peers() -> Vec<String> {
    let sipp = said("sipp", &["-v"]);
    let sipp = sipp.lines().map(str::trim).find(|line| !line.is_empty());
    let sipp = sipp.map(|line| line.trim_end_matches('.').to_owned());
    let kamailio = kamailio::version(false).map(|version| format!("Kamailio: {version}"));
    sipp.into_iter().chain(kamailio).collect()
}

/// What a program prints; nothing if it cannot be run.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// Syncs that are timed.
const SYNCS: usize = 50;
