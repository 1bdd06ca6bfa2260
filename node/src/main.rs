//! The one binary: hands the command line to [`holdline::cli`].

use std::process::ExitCode;

use async_trait::async_trait;
use holdline::node_runner::{NodeContext, NodeRunner};

struct Unwired;

#[async_trait]
impl NodeRunner for Unwired {
    async fn run(
        &self,
        _context: NodeContext,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err("this build has no composition root yet".into())
    }
}

fn main() -> ExitCode {
    holdline::cli::main(&Unwired)
}
