//! `make bench`: what a call costs, through Holdline and through its peers, in one run.
//!
//! Measures and prints; asserts nothing but that calls were not lost, since a lost call makes a
//! low cost worthless. Exit status 0: measured, no call of Holdline's lost at the base rate or in a
//! takeover. 1: calls lost. 2: broke off.

mod figures;
mod kamailio;
mod load;
mod machine;
mod pops;
mod probe;
mod process;
mod ramp;
mod relay;
mod report;
mod run;
mod system;
mod takeover;
mod up;
mod wire;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use holdline_cluster_tests::stage::Victim;
use tokio::signal::unix::{SignalKind, signal};

use self::machine::Machine;
use self::report::Report;
use self::run::Plan;
use self::system::Kind;

/// Measures Holdline and its peers: cost of a call, latency, highest rate, memory, takeover.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
struct Args {
    /// The parts to measure; all by default.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// The systems to measure; all that are installed by default.
    #[arg(long, value_delimiter = ',')]
    systems: Vec<Kind>,
    /// Runs of each system at the base rate, interleaved.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The base rate, in calls per second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(3..=20_000))]
    rate: u32,
    /// For how many seconds each run of the load part lasts.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// How long a call is up, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    hold_ms: u32,
    /// The rates of the ramp, until failures pass 0.1 %.
    #[arg(long, value_delimiter = ',', default_value = "100,300,600,1000,1500,2000,2500,3000")]
    rates: Vec<u32>,
    /// For how many seconds each run of the other parts lasts.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(3..=86_400))]
    ramp_seconds: u32,
    /// Calls that are up, before new ones are measured and their owner is killed.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    up: Vec<u32>,
    /// Round trips between the sites, in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "20,60,110")]
    round_trips: Vec<u64>,
    /// The rates that are tried with each round trip.
    #[arg(long, value_delimiter = ',', default_value = "50,150,450,700,1000")]
    pop_rates: Vec<u32>,
    /// Calls of the latency probe per second, beside SIPp's.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    probes: u32,
    /// Kills of a follower, and as many of the leader.
    #[arg(long, default_value_t = 5)]
    kills: u32,
    /// Calls that are up at each of these kills; one is hung up every second divided by this.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    calls: u32,
    /// A smoke test of a few minutes: the numbers are not worth much.
    #[arg(long)]
    quick: bool,
    /// Where the results are written, as JSON and as a page with charts.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Cost of a call and latency at the base rate.
    Load,
    /// The highest rate without failures.
    Ramp,
    /// Many calls up: memory, the cost of new ones, their takeover.
    Up,
    /// Nodes with a long way between them.
    Pops,
    /// Time from a kill to the first answer.
    Takeover,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.runs, args.seconds) = (2, 5);
        (args.kills, args.calls) = (2, 40);
        (args.ramp_seconds, args.rates) = (4, vec![100, 300, 600]);
        (args.up, args.round_trips, args.pop_rates) = (vec![1000], vec![60], vec![50, 150]);
    }
    let outcome = tokio::select! {
        outcome = run(&args) => outcome,
        () = told_to_end() => Err(anyhow::anyhow!("interrupted")),
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

async fn told_to_end() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

async fn run(args: &Args) -> Result<bool> {
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let mut report = Report::new(Machine::look());
    let kinds = systems(args, &mut report.left_out);
    if wanted(Part::Load) {
        let plan = plan(args);
        report.load = load::measure(&kinds, args.runs, &plan).await?;
        report.added_by_replication = load::AddedByReplication::of(&report.load);
    }
    let short = Plan { seconds: args.ramp_seconds, aftermath: false, ..plan(args) };
    if wanted(Part::Ramp) {
        report.ramp = ramp::measure(&kinds, &args.rates, &short).await?;
    }
    if wanted(Part::Up) {
        report.up = up::measure(&args.up, &short).await?;
    }
    if wanted(Part::Pops) {
        report.pops = pops::measure(&args.round_trips, &args.pop_rates, &short).await?;
    }
    if wanted(Part::Takeover) {
        for (victim, name) in
            [(Victim::Follower, "owner is not leader"), (Victim::Leader, "owner is leader")]
        {
            let calls = usize::try_from(args.calls)?;
            report.takeovers.push(takeover::measure(victim, name, args.kills, calls).await?);
        }
    }
    say(&report.text());
    write(args, &report)?;
    Ok(report.nothing_lost())
}

const fn plan(args: &Args) -> Plan {
    Plan {
        rate: args.rate,
        seconds: args.seconds,
        hold_ms: args.hold_ms,
        probes: args.probes,
        aftermath: !args.quick,
    }
}

/// The systems to measure, those that are not installed left out aloud.
fn systems(args: &Args, left_out: &mut Vec<String>) -> Vec<Kind> {
    let wanted: &[Kind] =
        if args.systems.is_empty() { Kind::value_variants() } else { &args.systems };
    let mut kinds = Vec::new();
    for kind in wanted {
        match kind.missing() {
            None => kinds.push(*kind),
            Some(missing) => left_out.push(format!("{}: {missing}", kind.name())),
        }
    }
    for line in left_out {
        say(&format!("Left out: {line}"));
    }
    kinds
}

fn write(args: &Args, report: &Report) -> Result<()> {
    std::fs::create_dir_all(&args.output).context("the output folder cannot be made")?;
    let path = args.output.join(format!("{}.json", report.machine.started));
    std::fs::write(&path, serde_json::to_string_pretty(&report)?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    say(&format!("Written to {}", path.display()));
    Ok(())
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // A reader that went away (such as `head`) is no reason to stop measuring.
    let _gone = writeln!(io::stdout().lock(), "{line}");
}
