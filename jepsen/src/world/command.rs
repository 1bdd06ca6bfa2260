//! Commands of the operating system: their output, or what they complained about.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// A command failed.
#[derive(Debug, thiserror::Error)]
#[error("`{line}`: {what}")]
pub struct CommandError {
    line: String,
    what: String,
}

/// Runs a line, split at spaces; returns what it printed.
///
/// # Errors
/// If it cannot be run, or fails.
pub fn run(line: &str) -> Result<String, CommandError> {
    run_with(line, "")
}

/// The same with an input.
///
/// # Errors
/// As [`run`].
pub(super) fn run_with(line: &str, input: &str) -> Result<String, CommandError> {
    let failed = |what: String| CommandError { line: line.to_owned(), what };
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input says by its status whether that was wrong.
        let _read = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// Whether there is a program of that name.
#[must_use]
pub fn has(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&folders).chain(sbin).any(|folder| folder.join(program).is_file())
}
