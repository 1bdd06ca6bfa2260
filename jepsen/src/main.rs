//! `jepsen`: strikes a cluster with faults, and says what was lost.
//!
//! Exit status 0: passed. 1: a checker found something, or could not tell. 2: the run could not be
//! carried out.

#![allow(clippy::print_stdout, reason = "what a command line tool is for")]

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Args::parse().carry_out() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("jepsen: {error:#}");
            ExitCode::from(2)
        }
    }
}
