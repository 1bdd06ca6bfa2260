//! A run in a few lines, and as JSON.

use std::fmt::Write as _;

use serde_json::json;

use crate::checker::{self, Opinion, Verdict};
use crate::fact::Run;
use crate::history::History;

/// Findings of one checker that are shown.
const SHOWN: usize = 8;

/// A run in a few lines.
#[must_use]
pub fn text(history: &History, opinions: &[Opinion]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _infallible = write(&mut out, history, opinions);
    out
}

fn write(out: &mut String, history: &History, opinions: &[Opinion]) -> std::fmt::Result {
    for opinion in opinions {
        let (name, summary) = (opinion.checker, &opinion.summary);
        writeln!(out, "{:8} {name:13} {summary}", word(opinion.verdict))?;
        for finding in opinion.findings.iter().take(SHOWN) {
            writeln!(out, "           - {} (lines {:?})", finding.what, finding.lines)?;
        }
        if opinion.findings.len() > SHOWN {
            writeln!(out, "           - … and {} more", opinion.findings.len() - SHOWN)?;
        }
    }
    let run = Run::of(history).unwrap_or_default();
    for what in &run.left_out {
        writeln!(out, "LEFT OUT {what}")?;
    }
    let passed = if checker::passed(opinions) { "PASSED" } else { "NOT PASSED" };
    writeln!(out, "{passed}: {} lines, seed {}: {}", history.ops.len(), run.seed, run.command)
}

/// A verdict in a word.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid => "INVALID",
        Verdict::Unknown => "UNKNOWN",
        Verdict::Idle => "idle",
    }
}

/// A run for programs.
#[must_use]
pub fn json(history: &History, opinions: &[Opinion]) -> String {
    let opinion = |opinion: &Opinion| {
        let finding =
            |finding: &checker::Finding| json!({"what": finding.what, "lines": finding.lines});
        json!({
            "checker": opinion.checker,
            "verdict": word(opinion.verdict).to_lowercase(),
            "summary": opinion.summary,
            "findings": opinion.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    };
    let losses = checker::losses(history);
    let loss = |((fault, phase), cell): (&(String, String), &checker::Losses)| {
        json!({
            "fault": fault, "phase": phase, "transport": "udp",
            "calls": cell.calls, "lost": cell.lost, "why": cell.why,
        })
    };
    let document = json!({
        "passed": checker::passed(opinions),
        "run": Run::of(history),
        "opinions": opinions.iter().map(opinion).collect::<Vec<_>>(),
        "losses": losses.iter().map(loss).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}
