//! The command line.

mod check;
mod list;
mod losses;
mod mutants;
mod peer;
mod run;

use clap::{Parser, Subcommand};

/// Strikes a cluster of real processes with real faults, writes down everything that happened, and
/// judges what was written down.
#[derive(Debug, Parser)]
#[command(name = "jepsen")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a workload while faults strike.
    Run(run::RunArgs),
    /// Names workloads, faults, phases and checkers, and what is left out, and why.
    List(list::ListArgs),
    /// Runs the same calls and kills against three Kamailio nodes.
    Peer(peer::PeerArgs),
    /// Writes the table of losses from histories.
    Losses(losses::LossesArgs),
    /// Runs switches with a known bug each: every one of them must be found out.
    Mutants(mutants::MutantsArgs),
    /// Judges a history again.
    Check(check::CheckArgs),
}

impl Args {
    /// Does what was asked; whether that passed.
    pub(crate) fn carry_out(self) -> anyhow::Result<bool> {
        match self.command {
            Command::Run(args) => run::carry_out(args),
            Command::Peer(args) => peer::carry_out(&args),
            Command::List(args) => list::carry_out(&args),
            Command::Losses(args) => losses::carry_out(&args),
            Command::Mutants(args) => mutants::carry_out(&args),
            Command::Check(args) => check::carry_out(&args),
        }
    }
}
