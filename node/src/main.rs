//! The one binary: hands the command line to [`holdline::cli`].

use std::process::ExitCode;

use holdline::compose::Node;

fn main() -> ExitCode {
    holdline::cli::main(&Node)
}
