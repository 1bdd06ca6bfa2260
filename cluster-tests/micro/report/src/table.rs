//! The results as text.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use crate::baseline::Baseline;
use crate::measured::Case;
use crate::verdict::{Row, Verdicts, Worse};

/// The table, what one call adds up to, and what has become worse.
pub(crate) fn render(verdicts: &Verdicts, baseline: Option<&Baseline>) -> String {
    let mut text = format!("{}\n", table(verdicts));
    text.push_str(
        "time ratio: against the baseline, after division by the group's calibration, which makes up for \
         a faster or busier machine\n",
    );
    if let Some(sum) = one_call(verdicts) {
        let _ = writeln!(text, "{sum}");
    }
    match baseline {
        None => text.push_str("there is no baseline: make this one with ARGS=--accept\n"),
        Some(baseline) => {
            let of = &baseline.measured;
            let _ = writeln!(
                text,
                "baseline: {}, {}, {}, {} × {}",
                of.commit, of.date, of.rustc, of.processors, of.processor
            );
            missing(&mut text, verdicts, baseline);
        }
    }
    regressions(&mut text, verdicts);
    text
}

fn table(verdicts: &Verdicts) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "case",
        "ns",
        "baseline",
        "time ratio",
        "instructions",
        "ratio",
        "allocations",
        "baseline",
        "bytes",
    ]);
    for row in &verdicts.rows {
        let count = |case: &Case| case.count;
        let (now, before) = (row.now.count, row.before.as_ref().and_then(count));
        table.add_row([
            row.name.clone(),
            number(Some(row.now.ns)),
            number(row.before.map(|before| before.ns)),
            ratio(row.time_ratio()),
            number(now.and_then(|count| count.instructions)),
            ratio(row.instruction_ratio()),
            tenths(now.map(|count| count.allocations)),
            tenths(before.map(|count| count.allocations)),
            number(now.map(|count| count.allocated_bytes)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What a call that is answered and hung up costs by these numbers.
fn one_call(verdicts: &Verdicts) -> Option<String> {
    let of = |name: &str| verdicts.rows.iter().find(|row| row.name == name).map(|row| row.now.ns);
    let sum = |prefix: &str| {
        let rows = verdicts.rows.iter().filter(|row| row.name.starts_with(prefix));
        // The same again, one by one; and what is done once a second.
        let parts = rows.filter(|row| !OTHERS.contains(&row.name.as_str()));
        parts.map(|row| row.now.ns / 1000.0).sum::<f64>()
    };
    let parse = of("sip/parse_whole_call")? / 1000.0;
    let engine = of("call/whole")? / 1000.0;
    of("apply-rocks/end")?;
    let apply = sum("apply-rocks/");
    Some(format!(
        "one call, answered and hung up, in µs: its owner parses for {parse:.1}, decides for {engine:.1}; \
         each replica applies for {apply:.1}. Not in it: sockets, Raft, \
         the log, metrics"
    ))
}

/// Cases of `apply-rocks` that are not part of a call's cost.
const OTHERS: [&str; 3] = ["apply-rocks/alone", "apply-rocks/due", "apply-rocks/due_after_restart"];

fn missing(text: &mut String, verdicts: &Verdicts, baseline: &Baseline) {
    let is_missing = |name: &&String| !verdicts.rows.iter().any(|row| row.name == **name);
    let names: Vec<&str> = baseline.cases.keys().filter(is_missing).map(String::as_str).collect();
    if !names.is_empty() {
        let _ = writeln!(text, "not measured this time: {}", names.join(", "));
    }
}

fn regressions(text: &mut String, verdicts: &Verdicts) {
    let worse: Vec<(&Row, Vec<Worse>)> = verdicts
        .rows
        .iter()
        .map(|row| (row, row.worse()))
        .filter(|(_, all)| !all.is_empty())
        .collect();
    if worse.is_empty() {
        text.push_str("no regression of more than 10 %, and no allocation more");
        return;
    }
    text.push_str("REGRESSIONS:\n");
    for (row, all) in worse {
        for one in all {
            let what = match one {
                Worse::Slower(ratio) => format!("time × {ratio:.2}"),
                Worse::SlowerWithSameInstructions(ratio) => format!(
                    "time × {ratio:.2} with the same instructions: caches, kernel or a busy machine; \
                     measure again"
                ),
                Worse::MoreInstructions(ratio) => {
                    format!("instructions × {ratio:.2}, though the time does not show it")
                }
                Worse::MoreAllocations(more) => format!("{more:.1} allocations more"),
            };
            let _ = writeln!(text, "  {}: {what}", row.name);
        }
    }
    text.push_str("if they are meant: make bench-micro ARGS=--accept");
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
}

fn tenths(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "new".to_owned(), |value| format!("{value:.2}"))
}
