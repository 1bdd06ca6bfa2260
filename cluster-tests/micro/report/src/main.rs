//! Puts the micro-benchmarks' results beside the stored baseline, and stores a new one on request.
//! `make bench-micro` measures first; this program measures nothing.

mod baseline;
mod machine;
mod measured;
mod table;
mod verdict;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use baseline::Baseline;
use measured::Measured;
use verdict::Verdicts;

/// What to do with the results.
#[derive(Debug, Parser)]
struct Args {
    /// Makes the results the new baseline; cases that were not measured keep their old numbers.
    #[arg(long)]
    accept: bool,
    /// Ends with status 1 if anything has become worse.
    #[arg(long)]
    strict: bool,
    /// The baseline.
    #[arg(long, default_value = "cluster-tests/micro/baseline.json")]
    baseline: PathBuf,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let measured = Measured::read().context("results of `make bench-micro`")?;
    if measured.is_empty() {
        bail!("nothing was measured: run `make bench-micro`");
    }
    let baseline = Baseline::read(&args.baseline)?;
    let verdicts = Verdicts::of(&measured, baseline.as_ref());
    say(&table::render(&verdicts, baseline.as_ref()));
    if args.accept {
        let new = Baseline::accepting(&measured, baseline);
        new.write(&args.baseline)?;
        say(&format!("{} is the new baseline: commit it", args.baseline.display()));
    }
    let failed = args.strict && verdicts.has_regressions();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say(text: &str) {
    // Nobody listening is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{text}");
}
