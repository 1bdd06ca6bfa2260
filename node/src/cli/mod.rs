//! The command line.
use std::process::ExitCode;

use crate::node_runner::NodeRunner;

/// Runs the command line of this process.
#[must_use]
pub fn main(_runner: &dyn NodeRunner) -> ExitCode {
    ExitCode::FAILURE
}
