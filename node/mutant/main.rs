//! The switch with known bugs, for `jepsen mutants`: the same program, in a binary of another name so
//! that it cannot be taken for the real one.

use std::process::ExitCode;

use holdline::compose::{Host, Node};

fn main() -> ExitCode {
    holdline::cli::main(&Node::on(Host))
}
