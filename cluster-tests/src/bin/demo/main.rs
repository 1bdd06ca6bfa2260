//! `make demo`: real calls through three real nodes, and every owner killed in every phase.
//!
//! Exit status 0: nothing was lost. 1: something was. 2: the demo could not be run.

mod play;
mod screen;
mod summary;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Places SIP calls through three Holdline nodes on loopback, kills the node that owns them in
/// every phase of a call, and counts what is lost.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo")]
struct Args {
    /// Calls in each phase.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    calls: u32,
    /// Names calls and chooses who dies; the same number gives the same run. Default: random.
    #[arg(long)]
    seed: Option<u32>,
    /// Leave the cluster up at the end, with its addresses and commands to try, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Print every call that was lost and every oddity, not only the first ones.
    #[arg(long)]
    verbose: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(random_seed);
    let screen = screen::Screen::new();
    // Whichever way this ends, dropping the future ends the node processes.
    let outcome = tokio::select! {
        // First: when both are ready, `--keep` was ended by Ctrl-C, and the verdict counts.
        biased;
        outcome = play::play(&args, seed, &screen) => outcome,
        () = interrupted() => {
            screen.line("Interrupted: the nodes are ended.");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            screen.line("");
            screen.line(&format!("The demo broke off: {error:#}"));
            screen.line(&format!("Replay: make demo ARGS='--seed {seed} --calls {}'", args.calls));
            ExitCode::from(2)
        }
    }
}

/// Returns on Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() {
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without handlers, the signals end the process by themselves.
        _ => std::future::pending().await,
    }
}

/// The standard library's own source of random keys is enough to choose a seed.
fn random_seed() -> u32 {
    let hash = RandomState::new().build_hasher().finish();
    u32::try_from(hash & 0x00ff_ffff).unwrap_or_default()
}
