//! `jepsen check`.

use std::path::PathBuf;

use jepsen::{checker, history, report};

/// What to judge.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// A history, as `jepsen run` writes it.
    file: PathBuf,
    /// Write the report as HTML there.
    #[arg(long)]
    html: Option<PathBuf>,
}

pub(super) fn carry_out(args: &CheckArgs) -> anyhow::Result<bool> {
    let history = history::read(&args.file)?;
    let opinions = checker::check_all(&history);
    print!("{}", report::text(&history, &opinions));
    if let Some(html) = &args.html {
        std::fs::write(html, report::html(&history, &opinions))?;
    }
    Ok(checker::passed(&opinions))
}
