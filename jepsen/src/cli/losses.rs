//! `jepsen losses`.

use std::path::PathBuf;

use jepsen::{history, report};

/// What to count, and where to write it.
#[derive(Debug, clap::Args)]
pub(super) struct LossesArgs {
    /// Histories, as `jepsen run` and `jepsen peer` write them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the table goes.
    #[arg(long, default_value = "docs/losses.md")]
    out: PathBuf,
}

pub(super) fn carry_out(args: &LossesArgs) -> anyhow::Result<bool> {
    let histories: Result<Vec<_>, _> = args.files.iter().map(|file| history::read(file)).collect();
    let histories = histories?;
    std::fs::write(&args.out, report::losses(&histories.iter().collect::<Vec<_>>()))?;
    println!("losses: {}", args.out.display());
    Ok(true)
}
