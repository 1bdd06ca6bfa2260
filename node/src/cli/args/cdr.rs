//! The grammar of `holdline cdr` and `holdline snapshot`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CdrCommand {
    /// List call detail records, in the order of the log
    List(CdrListArgs),
    /// Write all call detail records as lines, in the order of the log
    Export(CdrExportArgs),
    /// Show or set how long they are kept
    Retention {
        #[command(subcommand)]
        command: RetentionCommand,
    },
    /// Purge the oldest now, as far as every sink has come
    Purge {
        /// Of calls that ended before (RFC 3339, or milliseconds since 1970)
        #[arg(long)]
        before: String,
        /// Also what sinks have not come to yet: they never get it
        #[arg(long)]
        force: bool,
    },
    /// Show, move and remove cursors of consumers
    Sink {
        #[command(subcommand)]
        command: SinkCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SnapshotCommand {
    /// Save the cluster's state as one sealed file, while calls go on
    Save {
        /// The file, or - for standard output
        file: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Show what a file holds and check it; with the key whole, without as far as that goes
    Inspect {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Make the data folder of a node from a file; run it for each node of the new cluster
    Restore {
        /// The file
        file: PathBuf,
        /// The node's configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
    },
}

/// The key of a backup.
#[derive(Clone, ClapArgs)]
pub(in crate::cli) struct KeyArgs {
    /// A file with the key: 32 bytes, hexadecimal or base64
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key_file: Option<PathBuf>,
    /// The key itself, from the environment only
    #[arg(long = "backup-key", env = "HOLDLINE_BACKUP_KEY", hide = true, hide_env_values = true)]
    pub(in crate::cli) key: Option<String>,
}

impl std::fmt::Debug for KeyArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyArgs").field("key_file", &self.key_file).finish_non_exhaustive()
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RetentionCommand {
    /// Show how long call detail records are kept, and what holds them back
    Show,
    /// Set how long they are kept, in the whole cluster
    Set {
        /// 90d, 36h, 30m, or forever
        #[arg(value_parser = seconds)]
        keep: u64,
        /// Only if this is the version in force
        #[arg(long)]
        version: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SinkCommand {
    /// Show how far a consumer has come
    Show {
        /// Its name
        name: String,
    },
    /// Say that a consumer has dealt with a record and all before it
    Commit {
        /// Its name
        name: String,
        /// The record's id
        id: String,
    },
    /// Keep nothing for a consumer any more
    Remove {
        /// Its name
        name: String,
    },
}

/// Reads `90d`, `36h`, `30m` or `forever` as seconds.
fn seconds(text: &str) -> Result<u64, String> {
    if text == "forever" {
        return Ok(0);
    }
    let unit = |unit: char, seconds: u64| {
        let count = text.strip_suffix(unit)?.parse::<u64>().ok()?;
        count.checked_mul(seconds).filter(|seconds| *seconds >= 60)
    };
    let found = unit('d', 86_400).or_else(|| unit('h', 3_600)).or_else(|| unit('m', 60));
    found.ok_or_else(|| "write 90d, 36h, 30m (at least 1m) or forever".to_owned())
}

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct CdrExportArgs {
    /// How a record is written
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub(in crate::cli) format: ExportFormat,
    /// Only records after this one: the id of the last line that you have
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) after: Option<String>,
    /// Go on after this sink's cursor, and move it when lines are written
    #[arg(long, value_name = "NAME", conflicts_with = "after")]
    pub(in crate::cli) sink: Option<String>,
    /// Wait for more at the end, until Ctrl-C
    #[arg(long)]
    pub(in crate::cli) follow: bool,
    #[command(flatten)]
    pub(in crate::cli) filter: CdrFilterArgs,
}

/// Which call detail records.
#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct CdrFilterArgs {
    /// Only calls that ended then or later (RFC 3339, or milliseconds since 1970)
    #[arg(long)]
    pub(in crate::cli) from: Option<String>,
    /// Only calls that ended before
    #[arg(long)]
    pub(in crate::cli) to: Option<String>,
    /// Only this tenant's calls
    #[arg(long)]
    pub(in crate::cli) account: Option<String>,
    /// Only calls from this number; with a * at the end from all that begin so
    #[arg(long)]
    pub(in crate::cli) caller: Option<String>,
    /// Only calls to this number; with a * at the end to all that begin so
    #[arg(long)]
    pub(in crate::cli) callee: Option<String>,
}

impl CdrFilterArgs {
    /// The same for the API.
    pub(in crate::cli) fn query(&self) -> [(&'static str, Option<String>); 5] {
        [
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("account", self.account.clone()),
            ("caller", self.caller.clone()),
            ("callee", self.callee.clone()),
        ]
    }
}

/// How a call detail record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// A JSON object a line
    Jsonl,
    /// CSV; with a line of column names first, unless --after is given
    Csv,
}

impl ExportFormat {
    pub(in crate::cli) const fn word(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct CdrListArgs {
    #[command(flatten)]
    pub(in crate::cli) filter: CdrFilterArgs,
    /// Only the call with this Call-ID, on either side
    #[arg(long)]
    pub(in crate::cli) call_id: Option<String>,
    /// Records at most, 1 to 1000
    #[arg(long)]
    pub(in crate::cli) limit: Option<usize>,
    /// Go on where the last list ended
    #[arg(long)]
    pub(in crate::cli) cursor: Option<String>,
}
