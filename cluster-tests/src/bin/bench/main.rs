//! `make bench`: how long a takeover takes, and what 300 calls per second cost.
//!
//! Measures and prints; asserts nothing but that calls were not lost, since a lost call makes a
//! fast takeover worthless. Exit status 0: measured, no call lost. 1: calls lost. 2: broke off.

mod load;
mod machine;
mod report;
mod takeover;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use holdline_cluster_tests::stage::Victim;

use self::load::LoadPlan;
use self::machine::Machine;
use self::report::Report;

/// Measures takeover times, calls per second, memory and CPU time of three Holdline nodes.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
struct Args {
    /// Kills of a follower, and as many of the leader.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Calls that are up at each kill; one is hung up every second divided by this number.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    calls: u32,
    /// Calls per second over all three nodes.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    rate: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// How long a call is up, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    hold_ms: u32,
    /// A smoke test: 2 kills each, 60 calls/s for 8 s.
    #[arg(long)]
    quick: bool,
    /// Where `bench.md` and `bench.json` are written.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.kills, args.calls, args.rate, args.seconds) = (2, 40, 60, 8);
    }
    let outcome = tokio::select! {
        outcome = run(&args) => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say("Calls were lost: the numbers above are worthless until that is mended.");
            ExitCode::from(1)
        }
        Err(error) => {
            say(&format!("The benchmark broke off: {error:#}"));
            ExitCode::from(2)
        }
    }
}

async fn run(args: &Args) -> Result<bool> {
    let mut report = Report::new(Machine::look());
    for (victim, name) in
        [(Victim::Follower, "owner is not leader"), (Victim::Leader, "owner is leader")]
    {
        let calls = usize::try_from(args.calls)?;
        report.takeovers.push(takeover::measure(victim, name, args.kills, calls).await?);
    }
    let plan = LoadPlan { rate: args.rate, seconds: args.seconds, hold_ms: args.hold_ms };
    report.load = Some(load::measure(&plan).await?);
    let markdown = report.markdown();
    say(&markdown);
    std::fs::create_dir_all(&args.output).context("the output folder cannot be made")?;
    for (name, text) in
        [("bench.md", markdown), ("bench.json", serde_json::to_string_pretty(&report)?)]
    {
        let path = args.output.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    say(&format!("Written to {}/bench.md and bench.json", args.output.display()));
    Ok(report.nothing_lost())
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // A reader that went away (such as `head`) is no reason to stop measuring.
    let _gone = writeln!(io::stdout().lock(), "{line}");
}
