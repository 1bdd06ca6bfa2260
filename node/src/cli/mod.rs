//! The command line: one binary runs a node, a development cluster, and asks a cluster.
//!
//! What it asks, it asks over the admin API; `-o json` prints the API's answers as they are. Tables
//! fit 80 columns. Results go to standard output through [`output`] alone, all else to standard
//! error.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; `status`: green or yellow |
//! | 1 | it failed; standard error says what, why and what to do |
//! | 2 | the command line or a configuration file is wrong |
//! | 3 | no node could be reached |
//! | 4 | what was asked for does not exist |
//! | 5 | `status`: red |

mod args;
mod client;
mod command;
mod dev;
mod human;
mod node;
pub mod output;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use crate::node_runner::NodeRunner;
use args::{Args, Command, ListCommand, NodeCommand};

pub use client::ClientError;
use output::Output;

/// Runs the command line of this process, and says how it ended.
#[must_use]
pub fn main(runner: &dyn NodeRunner) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way, too; a closed pipe is the reader's own doing.
            let _printed = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let mut output = Output::standard();
    match run(args, runner, &mut output) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(args: Args, runner: &dyn NodeRunner, output: &mut Output) -> Result<ExitCode, CliError> {
    let Args { command, target } = args;
    match command {
        Command::Node(node) => match node.command {
            Some(NodeCommand::Drain { id }) => command::drain::run(&target, id, true, output),
            Some(NodeCommand::Undrain { id }) => command::drain::run(&target, id, false, output),
            None => {
                let path = node.config.unwrap_or_default();
                node::run(&path, node.join.as_deref(), node.end_with_parent, runner)
                    .map(|()| ExitCode::SUCCESS)
            }
        },
        Command::Dev(dev) => dev::run(&dev, output).map(|()| ExitCode::SUCCESS),
        Command::Config { command } => command::config::run(&command, output),
        Command::Status => command::status::run(&target, output),
        Command::Member { command } => command::member::run(&target, &command, output),
        Command::Pop { command } => command::pop::run(&target, &command, output),
        Command::Certs { command } => command::certs::run(&target, &command, output),
        Command::Key { command } => command::key::run(&command, output),
        Command::Leader { command } => command::member::leader(&target, &command, output),
        Command::Call { command } => command::call::run(&target, &command, output),
        Command::Limit { command } => command::limit::run(&target, &command, output),
        Command::Trunk { command } => command::trunk::run(&target, &command, output),
        Command::Listener { command: ListCommand::List } => {
            command::listener::list(&target, output)
        }
        Command::Certificate { command: ListCommand::List } => {
            command::certificate::list(&target, output)
        }
        Command::Snapshot { command } => command::snapshot::run(&target, &command, output),
        Command::Cdr { command } => command::cdr::run(&target, &command, output),
        Command::User { command } => command::user::run(&target, &command, output),
        Command::Registration { command } => command::registration::run(&target, &command, output),
        Command::Ban { command } => command::ban::run(&target, &command, output),
        Command::Top(args) => command::top::run(&target, &args, output),
        Command::Protection => command::protection::run(&target, output),
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A configuration was refused.
    #[error("{0}")]
    Config(#[from] crate::config::ConfigError),
    /// The cluster did not do what was asked.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// A backup was not written, not read, or not put in place.
    #[error("{0}")]
    Snapshot(#[from] command::snapshot::SnapshotError),
    /// The node could not be run.
    #[error("{0}")]
    Node(#[from] node::NodeError),
    /// The development cluster could not be run.
    #[error("{0}")]
    Dev(#[from] dev::DevError),
    /// A file of limits cannot be used; nothing was sent.
    #[error("{file}: {error}; nothing was changed (the format is in docs/limits.md)")]
    Limits {
        /// The file.
        file: String,
        /// What is wrong.
        error: String,
    },
    /// A simulation has nothing to go by.
    #[error("{what}: {error} (docs/limits.md shows patterns and files)")]
    Simulation {
        /// The file or option.
        what: String,
        /// What is wrong.
        error: String,
    },
    /// The text is not an address of record.
    #[error("\"{found}\": {error}; write it as alice@example.com")]
    User {
        /// The text.
        found: String,
        /// What is wrong.
        error: holdline_model::InvalidAor,
    },
    /// Certificates could not be made.
    #[error("{0}")]
    Certs(#[from] crate::trust::authority::AuthorityError),
    /// A password is too short.
    #[error(
        "the password of {aor} has {length} characters; use {min} or more, or let --generate make one"
    )]
    Password {
        /// Whose.
        aor: String,
        /// How long it is.
        length: usize,
        /// How long it must be.
        min: usize,
    },
    /// A file could not be read.
    #[error("{} cannot be read: {error}", .path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file with keys could not be read or written.
    #[error("{}: {error}", .path.display())]
    KeyFile {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line of an import is not as it should be.
    #[error(
        "{}, line {line}: write user@domain,password or user@domain,password,tenant; \
         nothing was written", .path.display()
    )]
    Line {
        /// The file.
        path: std::path::PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The result could not be written.
    #[error("the result cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

impl CliError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Limits { .. }
            | Self::Simulation { .. }
            | Self::User { .. }
            | Self::Password { .. }
            | Self::Line { .. } => USAGE,
            Self::Client(ClientError::Unreachable { .. }) => UNREACHABLE,
            Self::Client(error) if error.is_not_found() => NOT_FOUND,
            Self::Snapshot(
                command::snapshot::SnapshotError::NoKey
                | command::snapshot::SnapshotError::Key { .. }
                | command::snapshot::SnapshotError::Exists(_),
            ) => USAGE,
            Self::Client(_)
            | Self::Snapshot(_)
            | Self::Node(_)
            | Self::Dev(_)
            | Self::Certs(_)
            | Self::File { .. }
            | Self::KeyFile { .. }
            | Self::Output(_) => FAILED,
        }
    }
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const NOT_FOUND: u8 = 4;
const RED: u8 = 5;
