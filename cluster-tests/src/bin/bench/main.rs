//! `make bench`: what a call costs, through Holdline and through its peers, in one run.
//!
//! Measures and prints; asserts nothing but that calls were not lost, since a lost call makes a
//! low cost worthless. Exit status 0: measured, no call of Holdline's lost at the base rate or in a
//! takeover. 1: calls lost. 2: broke off.

mod export;
mod figures;
mod join;
mod kamailio;
mod load;
mod machine;
mod overload;
mod pops;
mod probe;
mod process;
mod ramp;
mod report;
mod run;
mod system;
mod takeover;
mod transports;
mod up;
mod wire;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use holdline_cluster_tests::cluster::ClusterOptions;
use holdline_cluster_tests::stage::Victim;
use tokio::signal::unix::{SignalKind, signal};

use self::machine::Machine;
use self::report::Report;
use self::run::{Care, Plan};
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
    /// Runs of each system at the base rate, interleaved [default: 5; quick: 2]; of each transport
    /// [default: 3; quick: 1].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: Option<u32>,
    /// The base rate, in calls per second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(3..=20_000))]
    rate: u32,
    /// For how many seconds each run of the load part lasts [default: 8; quick: 5].
    #[arg(long, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: Option<u32>,
    /// How long a call is up, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    hold_ms: u32,
    /// The rates of the ramp, until failures pass 0.1 %
    /// [default: 100,300,600,1000,1500,2000,2500,3000; quick: 100,300,600].
    #[arg(long, value_delimiter = ',')]
    rates: Vec<u32>,
    /// For how many seconds each run of the other parts lasts [default: 6, of the overload part 15; quick: 4].
    #[arg(long, value_parser = clap::value_parser!(u32).range(3..=86_400))]
    ramp_seconds: Option<u32>,
    /// Calls that are up, before new ones are measured and their owner is killed
    /// [default: 1000,10000,50000,100000; quick: 1000].
    #[arg(long, value_delimiter = ',')]
    up: Vec<u32>,
    /// MiB per second of call detail records exported beside the load [default: 1,2,4,8; quick: 4].
    #[arg(long, value_delimiter = ',')]
    export: Vec<u32>,
    /// A key of [cluster.raft] and its value, for all parts but pops: `--raft propose_interval_ms=4`.
    #[arg(long, value_parser = setting)]
    raft: Vec<(String, u64)>,
    /// Round trips between the sites, in milliseconds [default: 20,60,110; quick: 60].
    #[arg(long, value_delimiter = ',')]
    round_trips: Vec<u64>,
    /// The rates that are tried with each round trip [default: 50,150,450,700,1000; quick: 50,150].
    #[arg(long, value_delimiter = ',')]
    pop_rates: Vec<u32>,
    /// Call detail records of the cluster that a node joins [default: 1000000; quick: 20000].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    records: Option<u32>,
    /// Calls up in it [default: 100000; quick: 1000].
    #[arg(long)]
    join_calls: Option<u32>,
    /// Calls per second in it.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    join_rate: u32,
    /// The first rate of the overload part, which is doubled until the nodes are saturated.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    overload_from: u32,
    /// Calls of the latency probe per second, beside SIPp's.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    probes: u32,
    /// Kills of a follower, and as many of the leader [default: 5; quick: 2].
    #[arg(long)]
    kills: Option<u32>,
    /// Calls that are up at each of these kills; one is hung up every second divided by this
    /// [default: 100; quick: 40].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    calls: Option<u32>,
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
    /// The base rate over UDP, TCP and TLS.
    Transports,
    /// The base rate with call detail records exported beside it.
    Export,
    /// Many calls up: memory, the cost of new ones, their takeover.
    Up,
    /// Nodes with a long way between them.
    Pops,
    /// Twice as many calls as can be served.
    Overload,
    /// Time from a kill to the first answer.
    Takeover,
    /// A node without anything joins a cluster that has much.
    Join,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = tokio::select! {
        outcome = run(&args) => outcome,
        () = told_to_end() => Err(anyhow::anyhow!("interrupted")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say(
                "Calls were lost, or a part broke off: mend that before you use the numbers above.",
            );
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
    INTERRUPTED.store(true, Ordering::Relaxed);
}

async fn run(args: &Args) -> Result<bool> {
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let mut report = Report::new(Machine::look());
    let kinds = systems(args, &mut report.left_out);
    let short = args.plan(args.ramp_seconds, 6, 4);
    let options = ClusterOptions { raft: args.raft.clone(), ..ClusterOptions::default() };
    let mut broken = Vec::new();
    if wanted(Part::Load) {
        let mut plan = args.plan(args.seconds, 8, 5);
        plan.care = if args.quick { Care::Idle } else { Care::Aftermath };
        report.load =
            load::measure(&kinds, args.pick(args.runs, 5, 2), &options, &plan, &mut broken).await;
        report.added_by_replication = load::AddedByReplication::of(&report.load);
        write(args, &report)?;
    }
    if wanted(Part::Ramp) {
        let rates: &[u32] = &[100, 300, 600, 1000, 1500, 2000, 2500, 3000];
        let rates = args.list(&args.rates, rates, &[100, 300, 600]);
        // Other callers say nothing about the highest rate that the load part does not say.
        let others = [Kind::Holdline3Leader, Kind::Holdline3Spread];
        let asked = |kind: &Kind| !others.contains(kind) || !args.systems.is_empty();
        let kinds: Vec<Kind> = kinds.iter().copied().filter(asked).collect();
        report.ramp = ramp::measure(&kinds, rates, &options, &short, &mut broken).await;
        write(args, &report)?;
    }
    if wanted(Part::Transports) {
        let runs = args.pick(args.runs, 3, 1);
        report.transports = transports::measure(runs, &options, &short, &mut broken).await;
        write(args, &report)?;
    }
    if wanted(Part::Export) {
        let paces = args.list(&args.export, &[1, 2, 4, 8], &[4]);
        report.export = export::measure(paces, &options, &short, &mut broken).await;
        write(args, &report)?;
    }
    if wanted(Part::Up) {
        let counts = args.list(&args.up, &[1000, 10_000, 50_000, 100_000], &[1000]);
        report.up = up::measure(counts, &options, &short, &mut broken).await;
        write(args, &report)?;
    }
    if wanted(Part::Pops) {
        let trips = args.list(&args.round_trips, &[20, 60, 110], &[60]);
        let rates = args.list(&args.pop_rates, &[50, 150, 450, 700, 1000], &[50, 150]);
        report.pops = pops::measure(trips, rates, &short, &mut broken).await;
        write(args, &report)?;
    }
    if wanted(Part::Overload) {
        let from = args.overload_from;
        // The pace of new calls needs some seconds to be found.
        let plan = args.plan(args.ramp_seconds, 15, 15);
        report.overload = overload::measure(from, &options, &plan, &mut broken).await;
        write(args, &report)?;
    }
    if wanted(Part::Takeover) {
        report.takeovers = takeovers(args, &mut broken).await?;
    }
    if wanted(Part::Join) {
        let much = join::Much {
            records: args.pick(args.records, 1_000_000, 20_000).into(),
            calls: args.pick(args.join_calls, 100_000, 1_000),
            rate: args.join_rate,
        };
        let runs = args.pick(args.runs.filter(|_| !args.only.is_empty()), 1, 1);
        report.joins = join::measure(runs, much, &options, &short, &mut broken).await;
    }
    report.broken = broken;
    say(&report.text());
    for path in write(args, &report)? {
        say(&format!("Written to {}", path.display()));
    }
    Ok(report.nothing_lost())
}

async fn takeovers(args: &Args, broken: &mut Vec<String>) -> Result<Vec<takeover::Takeover>> {
    let mut all = Vec::new();
    for (victim, name) in
        [(Victim::Follower, "owner is not leader"), (Victim::Leader, "owner is leader")]
    {
        let calls = usize::try_from(args.pick(args.calls, 100, 40))?;
        let kills = args.pick(args.kills, 5, 2);
        match takeover::measure(victim, name, kills, calls).await {
            Ok(takeover) => all.push(takeover),
            Err(error) => note(broken, format!("takeover, {name}: {error:#}")),
        }
    }
    Ok(all)
}

fn setting(text: &str) -> Result<(String, u64)> {
    let (key, value) = text.split_once('=').context("write it as key=value")?;
    Ok((key.to_owned(), value.parse().context("the value is no number")?))
}

impl Args {
    /// What was asked for, or what is usual.
    fn pick(&self, asked: Option<u32>, usual: u32, quick: u32) -> u32 {
        asked.unwrap_or(if self.quick { quick } else { usual })
    }

    fn list<'a, T>(&self, asked: &'a [T], usual: &'a [T], quick: &'a [T]) -> &'a [T] {
        match asked {
            [] if self.quick => quick,
            [] => usual,
            asked => asked,
        }
    }

    fn plan(&self, seconds: Option<u32>, usual: u32, quick: u32) -> Plan {
        Plan {
            rate: self.rate,
            seconds: self.pick(seconds, usual, quick),
            hold_ms: self.hold_ms,
            probes: self.probes,
            care: Care::Load,
        }
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

/// Writes what is known so far; after each part, so that an interruption loses one part only.
fn write(args: &Args, report: &Report) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(&args.output).context("the output folder cannot be made")?;
    let json = serde_json::to_string_pretty(report)?;
    let mut paths = Vec::new();
    for (kind, text) in [("json", json), ("html", report.page())] {
        let path = args.output.join(format!("{}.{kind}", report.machine.started));
        std::fs::write(&path, text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        paths.push(path);
    }
    Ok(paths)
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // A reader that went away (such as `head`) is no reason to stop measuring.
    let _gone = writeln!(io::stdout().lock(), "{line}");
}

/// Says at once, and again in the report, what broke off.
pub(crate) fn note(broken: &mut Vec<String>, line: String) {
    say(&format!("BROKE OFF: {line}"));
    broken.push(line);
}

/// Whether the benchmark was told to end, so that what is dropped unfinished is no failure.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
