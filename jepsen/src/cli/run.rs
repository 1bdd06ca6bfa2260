//! `jepsen run`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jepsen::checker::Opinion;
use jepsen::history::History;
use jepsen::runner::{self, Plan, Request, Workload};
use jepsen::world::Place;
use jepsen::{checker, history, report};

/// What to run.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// What the cluster is asked to do meanwhile.
    #[arg(long, value_enum, default_value = "calls")]
    workload: Workload,
    /// Which faults; several with commas; `all`: each of them; `mix`: at random.
    #[arg(long, default_value = "mix", value_delimiter = ',')]
    fault: Vec<String>,
    /// Roughly how long it takes, besides start and end.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Picks everything that is random: the same seed, the same plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Calls a second that come and go meanwhile.
    #[arg(long, default_value_t = runner::RATE)]
    rate: u64,
    /// On loopback addresses, although there could be hosts.
    #[arg(long)]
    loopback: bool,
    /// Where history and report go; by default `target/jepsen`.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn carry_out(args: RunArgs) -> anyhow::Result<bool> {
    let place = Place::choose(jepsen::world::NODES, args.loopback);
    match &place {
        // Before the first thread is started: all of them are to be on that host.
        Place::Lan(lan) => lan.enter("client")?,
        Place::Loopback { why } => println!(
            "jepsen: on loopback addresses ({why}): cuts, loss, delay, bandwidth and gratuitous ARP \
             are LEFT OUT"
        ),
    }
    let (workload, faults) = (args.workload, args.fault);
    let request =
        Request { workload, faults, minutes: args.minutes, seed: args.seed, rate: args.rate };
    let plan = Plan::make(&request, place.word())?;
    for left_out in &plan.left_out {
        println!("jepsen: LEFT OUT: {left_out}");
    }
    println!("jepsen: {}", plan.command());
    let mut say = |line: &str| println!("jepsen: {line}");
    let history = block_on(runner::run(place, &plan, &mut say))?;
    let folder = args.out.unwrap_or_else(out_folder);
    let name = format!("{}-{}", request.faults.join("+"), plan.seed);
    let opinions = keep(&folder, &name, &history)?;
    Ok(checker::passed(&opinions))
}

/// Carries something out on a runtime of its own; Ctrl-C ends it, and the processes with it.
pub(super) fn block_on<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            outcome = run => outcome,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    })
}

/// Where histories go unless said otherwise.
pub(super) fn out_folder() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    target.join("jepsen")
}

/// Judges a history, prints the verdict, and keeps history and reports.
pub(super) fn keep(folder: &Path, name: &str, history: &History) -> anyhow::Result<Vec<Opinion>> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let edn = folder.join(format!("{name}.edn"));
    history::write(&edn, history)?;
    let opinions = checker::check_all(history);
    std::fs::write(folder.join(format!("{name}.html")), report::html(history, &opinions))?;
    std::fs::write(folder.join(format!("{name}.json")), report::json(history, &opinions))?;
    print!("{}", report::text(history, &opinions));
    println!("history: {} (and .html, .json)", edn.display());
    Ok(opinions)
}
