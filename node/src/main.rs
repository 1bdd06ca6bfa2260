//! The one binary: hands the command line to [`holdline::cli`].

use std::process::ExitCode;

use holdline::compose::{Host, Node};

/// Most of what is allocated is small, short-lived and freed by another task.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    holdline::cli::main(&Node::on(Host))
}
