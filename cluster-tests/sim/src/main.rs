//! `sim`: runs seeds.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use holdline_sim::invariants::LEFT_OUT;
use holdline_sim::os;
use holdline_sim::run::{self, Mutant, Plan};

/// Runs whole clusters on virtual time, each decided by a seed.
#[derive(Debug, Parser)]
struct Args {
    /// The seed, or the first of several.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds; each in a process of its own.
    #[arg(long)]
    seeds: Option<u64>,
    /// As many seeds as fit into so many seconds.
    #[arg(long, conflicts_with = "seeds")]
    seconds: Option<u64>,
    /// How many at a time.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// How many nodes; the seed decides if it is not said.
    #[arg(long)]
    nodes: Option<usize>,
    /// Nothing goes wrong.
    #[arg(long)]
    calm: bool,
    /// Wall clocks jump by up to a minute; the switch is known not to stand that.
    #[arg(long)]
    wild_clocks: bool,
    /// How long calls are placed, in simulated milliseconds.
    #[arg(long, default_value_t = 15_000)]
    work_ms: u64,
    /// Prints everything that happens.
    #[arg(long)]
    trace: bool,
    /// Puts a known bug in, which the run must find: `lying-disks`, `slow-clock`, `speaks-too-soon`.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Prints the nodes' logs to the standard error: a level, or what `RUST_LOG` takes.
    #[arg(long)]
    log: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    anyhow::ensure!(
        os::in_place(),
        "this program was linked without its own clock and random source (src/os.rs); nothing \
         that it found could be found again"
    );
    if args.seeds.is_none() && args.seconds.is_none() { one(args) } else { many(&args) }
}

/// A panic in a node's task would only end that task.
static PANICKED: AtomicBool = AtomicBool::new(false);

fn one(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(filter) = &args.log {
        let filter = tracing_subscriber::EnvFilter::try_new(filter)?;
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICKED.store(true, Ordering::SeqCst);
        report(info);
    }));
    let plan = Plan {
        seed: args.seed,
        nodes: args.nodes,
        faults: !args.calm,
        work_ms: args.work_ms,
        trace: args.trace,
        wild_clocks: args.wild_clocks,
        mutant: args.mutant,
    };
    let began = os::real_time();
    // A thread of its own: what a thread has asked for before cannot be taken back.
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let run = thread.spawn(move || run::run(&plan)).context("a thread")?.join();
    let mut outcome = run.map_err(|_| anyhow::anyhow!("the simulation itself panicked"))??;
    if PANICKED.load(Ordering::SeqCst) {
        outcome.faults.push("panic: a task of a node panicked, see above".to_owned());
    }
    let took = os::real_time().saturating_sub(began);
    println!("seed {}: {outcome}; took {:.1} s", args.seed, took.as_secs_f64());
    if outcome.faults.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for planned in &outcome.planned {
        println!("  planned: {planned}");
    }
    for fault in outcome.faults.iter().take(SHOWN) {
        println!("  FAULT: {fault}");
    }
    println!("  {} faults; replay with: {}", outcome.faults.len(), replay(&args));
    Ok(ExitCode::FAILURE)
}

fn replay(args: &Args) -> String {
    let nodes = args.nodes.map(|nodes| format!(" --nodes {nodes}")).unwrap_or_default();
    let calm = if args.calm { " --calm" } else { "" };
    let wild = if args.wild_clocks { " --wild-clocks" } else { "" };
    let mutant = args.mutant.map(|mutant| format!(" --mutant {mutant}")).unwrap_or_default();
    let Args { seed, work_ms, .. } = args;
    format!(
        "cargo run -p holdline-sim -- --seed {seed}{nodes}{calm}{wild} --work-ms {work_ms}{mutant} --trace"
    )
}

/// Runs many seeds, some at a time.
fn many(args: &Args) -> anyhow::Result<ExitCode> {
    let began = os::real_time();
    let limit = args.seconds.map(Duration::from_secs);
    let next = Mutex::new(args.seed);
    let counts = Mutex::new((0_u64, Vec::new()));
    let program = std::env::current_exe()?;
    let work = || -> anyhow::Result<()> {
        loop {
            let seed = {
                let mut next = next.lock().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
                let over =
                    limit.is_some_and(|limit| os::real_time().saturating_sub(began) >= limit);
                let all = args.seeds.is_some_and(|seeds| *next >= args.seed + seeds);
                if over || all {
                    return Ok(());
                }
                let seed = *next;
                *next += 1;
                seed
            };
            let mut command = Command::new(&program);
            command.args(["--seed", &seed.to_string(), "--work-ms", &args.work_ms.to_string()]);
            if let Some(nodes) = args.nodes {
                command.args(["--nodes", &nodes.to_string()]);
            }
            if args.calm {
                command.arg("--calm");
            }
            if args.wild_clocks {
                command.arg("--wild-clocks");
            }
            let output = command.stdin(Stdio::null()).output().context("a run")?;
            let mut counts = counts.lock().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
            counts.0 += 1;
            print!("{}", String::from_utf8_lossy(&output.stdout));
            if !output.status.success() {
                eprint!("{}", String::from_utf8_lossy(&output.stderr));
                counts.1.push(seed);
            }
        }
    };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })?;
    let (runs, failed) = counts.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    let took = os::real_time().saturating_sub(began).as_secs();
    println!("sim: {runs} seeds in {took} s, {} failed {failed:?}; {LEFT_OUT}", failed.len());
    Ok(if runs > 0 && failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Faults that are printed.
const SHOWN: usize = 20;

/// A whole cluster polls on this thread.
const STACK_BYTES: usize = 64 << 20;
