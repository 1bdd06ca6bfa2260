//! A run as one HTML file, without anything from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::summary::word;
use super::svg::{escape, timeline};
use crate::checker::{self, Opinion, Verdict};
use crate::fact::{Effect, Inject, Run};
use crate::history::{History, Op, edn};

/// Lines of the history that are shown with a finding.
const LINES: usize = 12;
/// Findings of one checker that are shown.
const FINDINGS: usize = 50;
/// Characters of a line that are shown.
const LINE_CHARS: usize = 1500;

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:24px auto;max-width:1160px;\
padding:0 16px;color:#1c1c1c}h1{font-size:22px}h2{font-size:17px;margin-top:28px}\
table{border-collapse:collapse}td,th{padding:3px 10px;border-bottom:1px solid #e2e2e2;text-align:left;\
vertical-align:top}td.n{text-align:right}code,pre{font:12px/1.4 ui-monospace,monospace}\
pre{background:#f6f6f6;padding:8px;overflow-x:auto;white-space:pre-wrap;word-break:break-all}\
.valid{color:#1a7f37}.invalid,.unknown{color:#c00000;font-weight:600}.idle{color:#777}\
.banner{padding:8px 14px;border-radius:6px;color:#fff;display:inline-block}\
.ok{background:#1a7f37}.bad{background:#c00000}summary{cursor:pointer}td.lost{background:#ffd9d4}";

/// The report.
#[must_use]
pub fn html(history: &History, opinions: &[Opinion]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _infallible = write(&mut out, history, opinions);
    out
}

fn write(out: &mut String, history: &History, opinions: &[Opinion]) -> std::fmt::Result {
    let run = Run::of(history).unwrap_or_default();
    let (class, verdict) =
        if checker::passed(opinions) { ("ok", "passed") } else { ("bad", "not passed") };
    writeln!(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">")?;
    writeln!(out, "<title>Jepsen run, seed {}</title><style>{STYLE}</style>", run.seed)?;
    writeln!(
        out,
        "<h1>{}, {} <span class=\"banner {class}\">{verdict}</span></h1>",
        escape(&run.system),
        escape(&run.workloads.join(", "))
    )?;
    writeln!(
        out,
        "<p>{}, commit <code>{}</code>, world {}, {}, {} nodes, {} lines of history<br><code>{}</code></p>",
        escape(&run.started),
        escape(&run.commit),
        escape(&run.world),
        escape(&run.transport),
        run.nodes,
        history.ops.len(),
        escape(&run.command)
    )?;
    if let Some(mutant) = &run.mutant {
        writeln!(out, "<p class=\"invalid\">With a bug put in on purpose: {}</p>", escape(mutant))?;
    }
    writeln!(
        out,
        "<h2>Time line</h2><p>Red: a fault lasts; grey: the cluster comes back. Bars: who owns how many slots. Dots: when a call was placed, and how long its final answer took; red dots are calls that a checker names.</p>"
    )?;
    out.push_str(&timeline(history, opinions));
    faults(out, history)?;
    losses(out, history)?;
    verdicts(out, history, opinions)?;
    writeln!(out, "<h2>Left out</h2><ul>")?;
    for what in &run.left_out {
        writeln!(out, "<li>{}</li>", escape(what))?;
    }
    for (what, why) in crate::fault::LEFT_OUT {
        writeln!(out, "<li>{}: {}</li>", escape(what), escape(why))?;
    }
    writeln!(out, "</ul></html>")
}

fn faults(out: &mut String, history: &History) -> std::fmt::Result {
    let effects: BTreeMap<u64, Effect> =
        history.facts("effect").map(|(_, effect): (_, Effect)| (effect.id, effect)).collect();
    writeln!(
        out,
        "<h2>Faults</h2><table><tr><th>#</th><th>fault</th><th>node</th><th>leader</th><th>at</th><th>evidence</th></tr>"
    )?;
    for (op, inject) in history.facts::<Inject>("inject") {
        let effect = effects.get(&inject.id);
        let class = if effect.is_some_and(|it| it.took_effect) { "valid" } else { "invalid" };
        let evidence = effect.map_or("nobody looked", |it| it.evidence.as_str());
        writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td>{}</td><td>{:?}</td><td>{}</td><td class=\"n\">{} ms</td><td class=\"{class}\">{}</td></tr>",
            inject.id,
            escape(&inject.fault),
            inject.targets,
            inject.leader.unwrap_or(0),
            super::ms(op.time),
            escape(evidence)
        )?;
    }
    writeln!(out, "</table>")
}

fn losses(out: &mut String, history: &History) -> std::fmt::Result {
    writeln!(
        out,
        "<h2>Losses by fault, phase and transport</h2><table><tr><th>fault</th><th>phase</th><th>transport</th><th>calls</th><th>lost</th><th>how</th></tr>"
    )?;
    for ((fault, phase), cell) in checker::losses(history) {
        let why: Vec<String> = cell.why.iter().map(|(why, n)| format!("{n} × {why}")).collect();
        let class = if cell.lost > 0 { "n lost" } else { "n" };
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>udp</td><td class=\"n\">{}</td><td class=\"{class}\">{}</td><td>{}</td></tr>",
            escape(&fault),
            escape(&phase),
            cell.calls,
            cell.lost,
            escape(&why.join("; "))
        )?;
    }
    writeln!(out, "</table>")
}

fn verdicts(out: &mut String, history: &History, opinions: &[Opinion]) -> std::fmt::Result {
    writeln!(out, "<h2>Checkers</h2><table>")?;
    for opinion in opinions {
        let word = word(opinion.verdict).to_lowercase();
        writeln!(
            out,
            "<tr><td><b>{}</b></td><td class=\"{word}\">{word}</td><td>{}",
            opinion.checker,
            escape(&opinion.summary)
        )?;
        if opinion.verdict != Verdict::Valid {
            for finding in opinion.findings.iter().take(FINDINGS) {
                writeln!(out, "<details><summary>{}</summary><pre>", escape(&finding.what))?;
                for op in
                    finding.lines.iter().take(LINES).filter_map(|line| line_of(history, *line))
                {
                    let text: String = edn::text(&op.to_edn()).chars().take(LINE_CHARS).collect();
                    writeln!(out, "{}", escape(&text))?;
                }
                writeln!(out, "</pre></details>")?;
            }
            if opinion.findings.len() > FINDINGS {
                writeln!(out, "<p>… and {} more</p>", opinion.findings.len() - FINDINGS)?;
            }
        }
        writeln!(out, "</td></tr>")?;
    }
    writeln!(out, "</table>")
}

fn line_of(history: &History, index: u64) -> Option<&Op> {
    history.ops.iter().find(|op| op.index == index)
}
