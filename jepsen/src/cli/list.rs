//! `jepsen list`.

use std::fmt::Write as _;
use std::io::Write as _;

use jepsen::world::Place;
use jepsen::{checker, fault, workload};

/// How to list.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// As if there were no root: on loopback addresses.
    #[arg(long)]
    loopback: bool,
}

pub(super) fn carry_out(args: &ListArgs) -> anyhow::Result<bool> {
    let place = Place::choose(jepsen::world::NODES, args.loopback);
    let mut text = String::new();
    write(&mut text, &place)?;
    // Whoever closes the pipe has read enough.
    let _read_enough = std::io::stdout().write_all(text.as_bytes());
    Ok(true)
}

fn write(out: &mut String, place: &Place) -> std::fmt::Result {
    match place {
        Place::Lan(_) => writeln!(out, "World: hosts of their own (network namespaces)\n")?,
        Place::Loopback { why } => writeln!(out, "World: loopback addresses ({why})\n")?,
    }
    writeln!(out, "Workloads (--workload NAME)")?;
    writeln!(out, "  {:22} calls in all phases, and a consumer of their records", "calls")?;
    writeln!(out, "  {:22} the same, and registers of the admin API: drain per node", "admin")?;
    let phases: Vec<&str> = workload::Kind::PHASES.iter().map(|kind| kind.phase).collect();
    writeln!(out, "\nPhases in which every fault strikes: {}", phases.join(", "))?;
    writeln!(out, "(and admin writes, with --workload admin)\n")?;
    writeln!(out, "Faults (--fault NAME, several with commas; all: each of them; mix: at random)")?;
    for choice in fault::all() {
        match choice.available(place.word()) {
            Ok(()) => writeln!(out, "  {:22} {}", choice.name, choice.about)?,
            Err(why) => writeln!(out, "  {:22} LEFT OUT HERE: {why}", choice.name)?,
        }
    }
    writeln!(out, "\nCheckers")?;
    for checker in checker::ALL {
        writeln!(out, "  {:22} {}", checker.name, checker.about)?;
    }
    writeln!(out, "\nLeft out everywhere, as yet")?;
    for (what, why) in fault::LEFT_OUT {
        writeln!(out, "  {what}: {why}")?;
    }
    Ok(())
}
