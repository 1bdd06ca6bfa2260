//! The table of losses: phase × transport × fault, with what it was measured by.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::checker::{self, Losses};
use crate::fact::Run;
use crate::history::History;

/// A cell of the table by system, fault and phase.
type Table = BTreeMap<(String, String, String), Losses>;

/// `docs/losses.md`, from one or more histories.
#[must_use]
pub fn losses(histories: &[&History]) -> String {
    let mut out = String::from(INTRODUCTION);
    // Writing to a string cannot fail.
    let _infallible = write(&mut out, histories);
    out
}

fn write(out: &mut String, histories: &[&History]) -> std::fmt::Result {
    let mut table = Table::new();
    let mut left_out = BTreeSet::new();
    writeln!(out, "\n## Measured by\n")?;
    for history in histories {
        let run = Run::of(history).unwrap_or_default();
        let opinions = checker::check_all(history);
        let passed = if checker::passed(&opinions) { "passed" } else { "NOT passed" };
        let (started, commit, world) = (&run.started, &run.commit, &run.world);
        writeln!(
            out,
            "- {}, {started}, commit `{commit}`, world `{world}`, {passed}:",
            run.system
        )?;
        writeln!(out, "  `{}`", run.command)?;
        left_out.extend(run.left_out.iter().cloned());
        for ((fault, phase), cell) in checker::losses(history) {
            let all = table.entry((run.system.clone(), fault, phase)).or_default();
            all.calls += cell.calls;
            all.lost += cell.lost;
            for (why, count) in cell.why {
                *all.why.entry(why).or_default() += count;
            }
        }
    }
    let systems: BTreeSet<&String> = table.keys().map(|(system, ..)| system).collect();
    for system in systems {
        section(out, &table, system)?;
    }
    if !left_out.is_empty() {
        writeln!(out, "\n## Left out where this was measured\n")?;
        for what in left_out {
            writeln!(out, "- {what}")?;
        }
    }
    writeln!(out, "\n## Left out everywhere, as yet\n")?;
    for (what, why) in crate::fault::LEFT_OUT {
        writeln!(out, "- {what}: {why}")?;
    }
    Ok(())
}

fn section(out: &mut String, table: &Table, system: &str) -> std::fmt::Result {
    let of: Vec<_> = table.iter().filter(|((name, ..), _)| name == system).collect();
    let phases: BTreeSet<&str> = of.iter().map(|((_, _, phase), _)| phase.as_str()).collect();
    let mut phases: Vec<&str> = phases.into_iter().collect();
    phases.sort_by_key(|phase| ORDER.iter().position(|known| known == phase));
    let faults: BTreeSet<&str> = of.iter().map(|((_, fault, _), _)| fault.as_str()).collect();
    let (calls, lost) =
        of.iter().fold((0, 0), |(calls, lost), (_, cell)| (calls + cell.calls, lost + cell.lost));
    writeln!(out, "\n## {system}, UDP: {lost} of {calls} calls lost\n")?;
    writeln!(out, "| fault | {} |", phases.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(phases.len()))?;
    let mut why: BTreeMap<&str, usize> = BTreeMap::new();
    for fault in faults {
        write!(out, "| {fault} |")?;
        for phase in &phases {
            let key = (system.to_owned(), fault.to_owned(), (*phase).to_owned());
            match table.get(&key) {
                Some(cell) => write!(out, " {} / {} |", cell.lost, cell.calls)?,
                None => write!(out, " – |")?,
            }
            for (what, count) in table.get(&key).into_iter().flat_map(|cell| &cell.why) {
                *why.entry(what).or_default() += count;
            }
        }
        writeln!(out)?;
    }
    if !why.is_empty() {
        writeln!(out, "\nHow they were lost:\n")?;
        for (what, count) in why {
            writeln!(out, "- {what}: {count}")?;
        }
    }
    Ok(())
}

/// Phases in the order of a call.
const ORDER: [&str; 7] =
    ["INVITE", "ringing", "answered", "BYE", "CANCEL", "background", crate::checker::FRESH];

const INTRODUCTION: &str = "\
# What is lost

Calls lost when things break, by phase and fault: `lost / calls`. Written by `jepsen losses`; do not edit.

A call is lost if either side did not get what it was due: caller, callee and call detail record are three
ledgers, and they must agree (`cluster-tests/src/reconcile.rs`). `none` is the traffic that no fault was aimed at,
placed through all nodes while faults struck. `answered` calls are hung up by their callers half during the fault,
half after it; `ringing` calls are answered during it; `BYE` and `CANCEL` are on their way when it strikes.
";
