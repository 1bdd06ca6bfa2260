//! `make bench-store`: what the replicated store does by itself, without SIP: proposals per second of three
//! processes, and how long one takes, beside the disk's own sync and beside the same with nothing on a disk.
//!
//! A proposal is a REGISTER of the size asked for: a command that is decoded, decided and written to the
//! state by every node. The writers are tasks of the leader's process, as the shards of a node are; each
//! proposes its next when it has the reply to its last.
//!
//! | part | what |
//! |---|---|
//! | `cluster` | starts three processes of this program, and tells the leader what to do |
//! | `node` | one of them |
//! | `writers` | propose, and take the time |
//! | `records` | puts many call detail records into data folders, for `make bench` |
//! | `disk` | how long the disk takes for a sync |
//! | `report` | table and verdicts |

mod cluster;
mod disk;
mod node;
mod records;
mod report;
mod writers;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use self::cluster::Cluster;
use self::records::RecordsArgs;
use self::report::{Report, Row};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the replicated store.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench-store")]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// How many writers at a time.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    writers: Vec<u32>,
    /// For how many seconds each number of writers is measured.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How large a proposal is, in bytes.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(250..=1_500))]
    bytes: u32,
    /// How often everything is measured, interleaved.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Where the nodes keep their data; on the disk that is to be measured.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
enum Part {
    /// One of the three processes; started by this program itself.
    #[command(hide = true)]
    Node(NodeArgs),
    /// Puts call detail records into data folders of nodes that have ended; started by `bench`.
    #[command(hide = true)]
    Records(RecordsArgs),
}

/// How one of the processes is started.
#[derive(Clone, Debug, clap::Args)]
struct NodeArgs {
    /// Its number, from 1 on.
    #[arg(long)]
    id: u64,
    /// Where all of them listen, in order of number.
    #[arg(long, value_delimiter = ',')]
    addresses: Vec<SocketAddr>,
    /// What it keeps its data in.
    #[arg(long)]
    engine: Engine,
    /// Its folder.
    #[arg(long)]
    folder: PathBuf,
}

/// What log and state are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
enum Engine {
    /// RocksDB, every entry synced; set up as a node is by default, which waits some milliseconds for
    /// proposals that can share an entry.
    Disk,
    /// The same without that wait: every follower is sent every entry at once.
    Prompt,
    /// Maps: nothing is written to a disk. What is left is openraft, the network, and apply.
    Memory,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Prompt => "prompt",
            Self::Memory => "memory",
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.part {
        Some(Part::Node(node)) => node::run(node),
        Some(Part::Records(args)) => records::put(args),
        None => measure(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("The benchmark broke off: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn measure(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.folder).context("the folder cannot be made")?;
    let mut report = Report::default();
    for run in 1..=args.runs {
        report.syncs.push(disk::sync_times(&args.folder, args.bytes)?);
        for engine in [Engine::Disk, Engine::Prompt, Engine::Memory] {
            let mut cluster = Cluster::start(engine, &args.folder)?;
            for writers in &args.writers {
                let measured = cluster.load(*writers, args.seconds, args.bytes)?;
                let row = Row { run, engine, writers: *writers, measured };
                say(&row.line());
                report.rows.push(row);
            }
            cluster.end()?;
        }
    }
    say(&report.text(args.bytes));
    let path = args.folder.join("store.json");
    std::fs::write(&path, serde_json::to_string_pretty(&report)?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    say(&format!("Written to {}", path.display()));
    Ok(())
}

/// Prints a line.
fn say(line: &str) {
    // A closed pipe ends the benchmark's use, not the benchmark.
    let _written = writeln!(std::io::stdout(), "{line}");
}
