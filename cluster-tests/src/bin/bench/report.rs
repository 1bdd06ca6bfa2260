//! The report: tables for people, JSON for programs.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::figures::{Spread, Times, short};
use super::load::{AddedByReplication, Load};
use super::machine::Machine;
use super::pops::Pops;
use super::ramp::Ramp;
use super::run::Run;
use super::system::Kind;
use super::takeover::Takeover;
use super::up::Up;

/// What the issue asks for and the switch cannot do yet.
const NOT_THERE: [&str; 2] = [
    "TCP and TLS: the switch speaks UDP only",
    "1, 2, 4, 8 MiB/s of CDR export beside the load: the switch exports no CDRs yet",
];

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// What was not measured, and why.
    pub(crate) left_out: Vec<String>,
    /// Cost and latency at the base rate.
    pub(crate) load: Vec<Load>,
    pub(crate) added_by_replication: Option<AddedByReplication>,
    /// The highest rates.
    pub(crate) ramp: Vec<Ramp>,
    /// Many calls up.
    pub(crate) up: Vec<Up>,
    /// Long ways between nodes.
    pub(crate) pops: Vec<Pops>,
    /// Kills of nodes with few calls.
    pub(crate) takeovers: Vec<Takeover>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            left_out: NOT_THERE.map(str::to_owned).into(),
            load: Vec::new(),
            added_by_replication: None,
            ramp: Vec::new(),
            up: Vec::new(),
            pops: Vec::new(),
            takeovers: Vec::new(),
        }
    }

    /// Whether every call of Holdline's was served and billed.
    pub(crate) fn nothing_lost(&self) -> bool {
        let ours = |load: &&Load| !matches!(load.system, Kind::Kamailio1 | Kind::Kamailio3);
        let loads = self.load.iter().filter(ours);
        let clean = |run: &Run| run.failed + run.callee_failed == 0 && run.cdrs == Some(run.calls);
        loads.flat_map(|load| &load.runs).all(clean)
            && self.takeovers.iter().all(|takeover| takeover.lost == 0)
    }

    /// Everything, to be read in a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let machine = &self.machine;
        writeln!(text, "\nHoldline benchmark, {}", machine.started)?;
        writeln!(text, "  machine   {} × {}", machine.processors, machine.processor)?;
        let sync = machine.sync_ms.map_or("–".into(), short);
        writeln!(text, "  memory    {} MiB, Linux {}", machine.memory_mib, machine.kernel)?;
        writeln!(text, "  disk      {}; a sync of 4 KiB takes {sync} ms", machine.disk)?;
        writeln!(text, "  commit    {}, profile {}", machine.commit, machine.profile)?;
        writeln!(text, "  peers     {}", machine.peers.join("; "))?;
        writeln!(text, "  repeat    {}", machine.command)?;
        writeln!(text, "  all servers, callers and callees share this one machine")?;
        self.write_load(text)?;
        self.write_takeovers(text)?;
        writeln!(text, "\nNot measured")?;
        for line in &self.left_out {
            writeln!(text, "  {line}")?;
        }
        Ok(())
    }

    fn write_load(&self, text: &mut String) -> std::fmt::Result {
        let Some(first) = self.load.first() else { return Ok(()) };
        let (rate, runs) = (first.rate, first.runs.len());
        writeln!(text, "\nCost at {rate} calls/s, median (least–most) of {runs} interleaved runs")?;
        let mut table = table(&[
            "system",
            "calls",
            "failed",
            "CPU s/1,000 calls",
            "user",
            "system",
            "idle CPU s/s",
            "later CPU",
            "MiB, largest node",
            "disk B/call",
            "wire B/call",
            "node–node B/call",
        ]);
        let shown = |spread: Option<Spread>| spread.map_or("–".to_owned(), |s| s.to_string());
        let largest = |run: &Run| run.memory_mib.iter().copied().reduce(f64::max);
        for load in &self.load {
            table.add_row([
                load.system.name().to_owned(),
                load.calls.to_string(),
                load.failed.to_string(),
                load.cpu_s.to_string(),
                load.cpu_user_s.to_string(),
                load.cpu_system_s.to_string(),
                load.idle_cpu.to_string(),
                shown(load.spread(|run| run.aftermath_cpu_s)),
                shown(load.spread(largest)),
                shown(load.spread(|run| Some(run.disk_bytes))),
                shown(load.spread(|run| Some(run.wire_bytes))),
                shown(load.spread(|run| run.node_bytes)),
            ]);
        }
        writeln!(text, "{}", right(table))?;
        writeln!(text, "{NOTES_ON_COST}")?;
        writeln!(text, "\nLatency at {rate} calls/s, ms, all runs together, by our own probe")?;
        self.write_latency(text)
    }

    fn write_latency(&self, text: &mut String) -> std::fmt::Result {
        let mut table = table(&[
            "system",
            "probes",
            "INVITE→200 p50",
            "p95",
            "p99",
            "max",
            "BYE→200 p50",
            "p95",
            "p99",
            "max",
            "commit p50",
            "p99",
            "sync p50",
            "p99",
            "commands/sync",
        ]);
        for load in &self.load {
            let mut row = vec![load.system.name().to_owned()];
            row.push(load.invite.map_or("0".into(), |times| times.count.to_string()));
            row.extend(cells(load.invite));
            row.extend(cells(load.bye));
            for number in [
                load.spread(|run| run.commit.map(|q| q.p50_ms)),
                load.spread(|run| run.commit.map(|q| q.p99_ms)),
                load.spread(|run| run.sync.map(|q| q.p50_ms)),
                load.spread(|run| run.sync.map(|q| q.p99_ms)),
                load.spread(|run| run.commands_per_sync),
            ] {
                row.push(number.map_or("–".into(), |spread| short(spread.median)));
            }
            table.add_row(row);
        }
        writeln!(text, "{}", right(table))?;
        if let Some(added) = self.added_by_replication {
            let AddedByReplication { invite_p50_ms, invite_p99_ms, bye_p50_ms, bye_p99_ms } = added;
            writeln!(
                text,
                "Added by replication (three nodes minus one): INVITE→200 p50 {} ms, p99 {} ms; \
                 BYE→200 p50 {} ms, p99 {} ms",
                short(invite_p50_ms),
                short(invite_p99_ms),
                short(bye_p50_ms),
                short(bye_p99_ms)
            )?;
        }
        Ok(())
    }

    fn write_takeovers(&self, text: &mut String) -> std::fmt::Result {
        if self.takeovers.is_empty() {
            return Ok(());
        }
        writeln!(text, "\nTakeover after SIGKILL: kill to first correct answer to a BYE, ms")?;
        let mut table =
            table(&["victim", "kills", "p50", "p99", "max", "±", "calls up", "calls lost"]);
        for takeover in &self.takeovers {
            table.add_row([
                takeover.victim.clone(),
                takeover.first_answer_ms.len().to_string(),
                takeover.p50_ms.to_string(),
                takeover.p99_ms.to_string(),
                takeover.max_ms.to_string(),
                takeover.resolution_ms.to_string(),
                takeover.calls.to_string(),
                takeover.lost.to_string(),
            ]);
        }
        writeln!(text, "{}", right(table))
    }
}

fn cells(times: Option<Times>) -> [String; 4] {
    times.map_or(["–"; 4].map(str::to_owned), |times| {
        [times.p50_ms, times.p95_ms, times.p99_ms, times.max_ms].map(short)
    })
}

/// An empty table with a head.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(head);
    table
}

/// All columns but the first hold numbers.
fn right(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

const NOTES_ON_COST: &str = "\
CPU: of all server processes, from the first INVITE to the last BYE, the idle cost included. later CPU: what finished
calls cost in the 36 s after, beyond the idle cost (once). MiB: shared memory counted once. disk: write_bytes of the
processes. wire: loopback bytes with IP headers, SIP of both legs and what nodes say to one another. node–node: TCP payload
between nodes (ss). commit and sync: from the buckets of the nodes' histograms. Callers call one node, which does not lead.";
