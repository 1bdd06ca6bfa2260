//! What was measured, side by side.

use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde::Serialize;

use crate::Engine;
use crate::writers::{Measured, Times};

/// What some writers reached, and what that cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Reached {
    pub(crate) measured: Measured,
    /// CPU seconds of all three processes, the warming up and the writers themselves included.
    pub(crate) cpu_s: f64,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) run: u32,
    pub(crate) engine: Engine,
    pub(crate) writers: u32,
    pub(crate) measured: Reached,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        let Self { run, engine, writers, measured: Reached { measured, .. } } = self;
        let Times { p50_us, p99_us, .. } = measured.times;
        format!(
            "run {run}: {}, {writers} writers: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
            engine.name(),
            measured.per_second(),
            p50_us / 1e3,
            p99_us / 1e3,
        )
    }
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The disk's own syncs, one measurement for each run.
    pub(crate) syncs: Vec<Times>,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// The medians of all runs as a table, with the lowest and highest rate, and the goals.
    pub(crate) fn text(&self, bytes: u32) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_BORDERS_ONLY);
        table.set_header([
            "store",
            "writers",
            "proposals/s",
            "lowest",
            "highest",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "max ms",
            "CPU µs each",
        ]);
        let mut cases: Vec<(Engine, u32)> = Vec::new();
        for row in &self.rows {
            if !cases.contains(&(row.engine, row.writers)) {
                cases.push((row.engine, row.writers));
            }
        }
        for case in &cases {
            let rates = self.sorted(*case, |row| row.measured.measured.per_second());
            let time = |of: fn(&Times) -> f64| {
                let times = self.sorted(*case, |row| of(&row.measured.measured.times));
                format!("{:.2}", median(&times) / 1e3)
            };
            let each = self.sorted(*case, |row| {
                let Reached { measured, cpu_s } = row.measured;
                // The writers are warm for two seconds before they are counted.
                let share = measured.seconds / (measured.seconds + 2.0);
                cpu_s * share * 1e6 / measured.proposals as f64
            });
            table.add_row([
                case.0.name().to_owned(),
                case.1.to_string(),
                format!("{:.0}", median(&rates)),
                format!("{:.0}", rates.first().copied().unwrap_or(0.0)),
                format!("{:.0}", rates.last().copied().unwrap_or(0.0)),
                time(|times| times.p50_us),
                time(|times| times.p95_us),
                time(|times| times.p99_us),
                time(|times| times.max_us),
                format!("{:.0}", median(&each)),
            ]);
        }
        let mut syncs: Vec<f64> = self.syncs.iter().map(|times| times.p50_us).collect();
        syncs.sort_by(f64::total_cmp);
        let sync = median(&syncs);
        let mut text = format!(
            "\nProposals of {bytes} bytes, three processes, writers at the leader\n{table}\n\
             The disk's own fdatasync after {bytes} bytes: p50 {:.2} ms\n",
            sync / 1e3
        );
        text.push_str(&self.goals(sync));
        text
    }

    /// What is to be reached, and whether it was. `sync`: the disk's own, in microseconds.
    fn goals(&self, sync: f64) -> String {
        let mut text = String::new();
        for engine in [Engine::Disk, Engine::Prompt] {
            let name = engine.name();
            let rate = self.sorted((engine, 256), |row| row.measured.measured.per_second());
            if !rate.is_empty() {
                let reached = median(&rate);
                let verdict = verdict(reached >= RATE_GOAL);
                text.push_str(&format!(
                    "{name}, 256 writers: {reached:.0}/s, goal {RATE_GOAL}: {verdict}\n"
                ));
            }
            let alone = self.sorted((engine, 1), |row| row.measured.measured.times.p50_us);
            if !alone.is_empty() && sync > 0.0 {
                let times = median(&alone) / sync;
                let verdict = verdict(times <= SYNC_GOAL);
                text.push_str(&format!(
                    "{name}, one writer's p50: {times:.1} × the disk's fdatasync, goal {SYNC_GOAL}: {verdict}\n"
                ));
            }
        }
        text
    }

    fn sorted(&self, (engine, writers): (Engine, u32), of: impl Fn(&Row) -> f64) -> Vec<f64> {
        let rows = self.rows.iter().filter(|row| (row.engine, row.writers) == (engine, writers));
        let mut all: Vec<f64> = rows.map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

const fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "not reached" }
}

/// Proposals per second of 256 writers.
const RATE_GOAL: f64 = 20_000.0;

/// One writer's median, in syncs of the disk.
const SYNC_GOAL: f64 = 3.0;
