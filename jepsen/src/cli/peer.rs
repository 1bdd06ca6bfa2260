//! `jepsen peer`.

use std::path::PathBuf;

use jepsen::runner;
use jepsen::world::Place;

use super::run::{block_on, keep, out_folder};

/// What to run.
#[derive(Debug, clap::Args)]
pub(super) struct PeerArgs {
    /// How often a node is killed.
    #[arg(long, default_value_t = 6)]
    kills: u64,
    /// Picks everything that is random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where history and report go; by default `target/jepsen`.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn carry_out(args: &PeerArgs) -> anyhow::Result<bool> {
    let place = Place::choose(jepsen::world::NODES, false);
    if let Place::Lan(lan) = &place {
        lan.enter("client")?;
    }
    let mut say = |line: &str| println!("jepsen: {line}");
    let outcome = block_on(runner::run_peer(place, args.kills, args.seed, &mut say));
    match outcome {
        Ok(history) => {
            let folder = args.out.clone().unwrap_or_else(out_folder);
            keep(&folder, &format!("kamailio-{}", args.seed), &history)?;
            // What the peer loses is no failure of ours.
            Ok(true)
        }
        Err(error) if error.is::<runner::PeerMissing>() => {
            println!("jepsen: LEFT OUT: the peer's column: {error}");
            Ok(true)
        }
        Err(error) => Err(error),
    }
}
