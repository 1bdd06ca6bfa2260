//! The time line: faults, ownership, and what each call took, over one axis.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use holdline_cluster_tests::ua::Role;

use super::ms;
use crate::checker::Opinion;
use crate::fact::{Converged, Heal, Inject, Slots};
use crate::history::{EntryRecord, History, entries};

const WIDTH: u64 = 1120;
const LEFT: u64 = 70;
const PLOT: u64 = WIDTH - LEFT - 20;
const FAULTS_TOP: u64 = 30;
const OWNERS_TOP: u64 = 76;
const OWNER_HEIGHT: u64 = 18;
const CALLS_TOP: u64 = 158;
const CALLS_HEIGHT: u64 = 250;
const HEIGHT: u64 = CALLS_TOP + CALLS_HEIGHT + 40;
/// Times to answer are drawn from 1 ms to 100 s, by their logarithm.
const DECADES: u64 = 5;
/// Faults of which the names fit.
const NAMED: usize = 7;
/// Colours of nodes, light: their slots; of faults.
const NODES: [&str; 5] = ["#4269d0", "#efb118", "#3ca951", "#a463f2", "#9c6b4e"];
const FAULT: &str = "#ff725c";

/// A fault in time, in ms.
struct Span {
    name: String,
    from: u64,
    to: u64,
    back: u64,
}

/// The whole picture.
#[must_use]
pub(super) fn timeline(history: &History, opinions: &[Opinion]) -> String {
    let end = history.ops.iter().map(|op| ms(op.time)).max().unwrap_or(1).max(1);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _infallible = draw(&mut out, history, opinions, end);
    out
}

fn draw(out: &mut String, history: &History, opinions: &[Opinion], end: u64) -> std::fmt::Result {
    let x = |at: u64| LEFT + at * PLOT / end;
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"100%\" role=\"img\" font-size=\"11\">"
    )?;
    let spans = spans(history, end);
    for (place, span) in spans.iter().enumerate() {
        let (from, to, back) = (x(span.from), x(span.to).max(x(span.from) + 2), x(span.back));
        let name = escape(&span.name);
        // Names only if there is room for them; the table below has them all.
        let label = if spans.len() > NAMED { (place + 1).to_string() } else { name.clone() };
        let y = FAULTS_TOP + 14 * (place as u64 % 2);
        writeln!(
            out,
            "<rect x=\"{from}\" y=\"{FAULTS_TOP}\" width=\"{}\" height=\"{}\" fill=\"{FAULT}\" opacity=\"0.14\"/>",
            to - from,
            HEIGHT - FAULTS_TOP - 40
        )?;
        writeln!(
            out,
            "<rect x=\"{to}\" y=\"{FAULTS_TOP}\" width=\"{}\" height=\"{}\" fill=\"#888\" opacity=\"0.10\"><title>{name}: coming back</title></rect>",
            back.saturating_sub(to),
            HEIGHT - FAULTS_TOP - 40
        )?;
        writeln!(
            out,
            "<text x=\"{from}\" y=\"{}\" fill=\"#b3392a\">{label}<title>{name}, {} to {} ms</title></text>",
            y + 10,
            span.from,
            span.to
        )?;
    }
    owners(out, history, end, &x)?;
    calls(out, history, opinions, &x)?;
    for second in (0..=end / 1000).step_by(usize::try_from((end / 12_000).max(1)).unwrap_or(1)) {
        let at = x(second * 1000);
        let bottom = CALLS_TOP + CALLS_HEIGHT;
        writeln!(
            out,
            "<path d=\"M{at} {bottom}v5\" stroke=\"#666\"/><text x=\"{at}\" y=\"{}\" text-anchor=\"middle\" fill=\"#444\">{second} s</text>",
            bottom + 18
        )?;
    }
    writeln!(out, "</svg>")
}

fn spans(history: &History, end: u64) -> Vec<Span> {
    let healed: BTreeMap<u64, u64> =
        history.facts::<Heal>("healed").map(|(op, heal)| (heal.id, ms(op.time))).collect();
    let back: BTreeMap<u64, u64> = history
        .facts::<Converged>("converged")
        .filter_map(|(op, it)| Some((it.after?, ms(op.time))))
        .collect();
    let span = |(op, inject): (&crate::history::Op, Inject)| {
        let to = healed.get(&inject.id).copied().unwrap_or(end);
        let back = back.get(&inject.id).copied().unwrap_or(to);
        Span { name: inject.fault, from: ms(op.time), to, back }
    };
    history.facts::<Inject>("inject").map(span).collect()
}

/// How many slots each node owns, as that node which says something new says.
fn owners(
    out: &mut String,
    history: &History,
    end: u64,
    x: &impl Fn(u64) -> u64,
) -> std::fmt::Result {
    let seen: Vec<(u64, Slots)> =
        history.facts::<Slots>("slots").map(|(op, slots)| (ms(op.time), slots)).collect();
    let total = seen.iter().map(|(_, it)| it.slots.len() as u64).max().unwrap_or(1).max(1);
    let nodes: BTreeSet<u64> = seen.iter().map(|(_, it)| it.node).collect();
    for (place, node) in nodes.iter().enumerate() {
        let y = OWNERS_TOP + OWNER_HEIGHT * place as u64;
        let colour = NODES.get(place % NODES.len()).copied().unwrap_or("#888");
        writeln!(out, "<text x=\"4\" y=\"{}\" fill=\"#444\">node {node}</text>", y + 12)?;
        let mut newest = 0;
        let mut steps: Vec<(u64, u64)> = Vec::new();
        for (at, it) in &seen {
            // Epochs only rise: whoever shows lower ones lags behind.
            let epochs: u64 = it.slots.iter().map(|(_, _, epoch)| epoch).sum();
            if epochs >= newest {
                newest = epochs;
                let own = it.slots.iter().filter(|(_, owner, _)| owner == node).count() as u64;
                steps.push((*at, own));
            }
        }
        for (place, (from, own)) in steps.iter().enumerate() {
            let to = steps.get(place + 1).map_or(end, |next| next.0);
            let (left, width) = (x(*from), x(to).saturating_sub(x(*from)));
            if width > 0 && *own > 0 {
                let opacity = 20 + 80 * own / total;
                writeln!(
                    out,
                    "<rect x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{}\" fill=\"{colour}\" opacity=\"{}.{:02}\"><title>node {node}: {own} of {total} slots from {from} to {to} ms</title></rect>",
                    OWNER_HEIGHT - 4,
                    opacity / 100,
                    opacity % 100
                )?;
            }
        }
    }
    Ok(())
}

/// A dot for each call: when it was placed, how long the final answer took.
fn calls(
    out: &mut String,
    history: &History,
    opinions: &[Opinion],
    x: &impl Fn(u64) -> u64,
) -> std::fmt::Result {
    let blamed: BTreeSet<u64> = opinions
        .iter()
        .filter(|opinion| opinion.checker != "effect")
        .flat_map(|opinion| opinion.findings.iter().flat_map(|finding| finding.lines.clone()))
        .collect();
    let numbers: BTreeSet<String> = history
        .facts::<EntryRecord>("caller-call")
        .filter(|(op, _)| blamed.contains(&op.index))
        .map(|(_, entry)| entry.number)
        .collect();
    for decade in 0..=DECADES {
        let y = CALLS_TOP + CALLS_HEIGHT - CALLS_HEIGHT * decade / DECADES;
        let label = ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"];
        let label = usize::try_from(decade).ok().and_then(|place| label.get(place)).unwrap_or(&"");
        writeln!(
            out,
            "<path d=\"M{LEFT} {y}h{PLOT}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{}\" fill=\"#444\">{label}</text>",
            y + 4
        )?;
    }
    for entry in entries(history, Role::Caller) {
        let Some(placed) = entry.first(true, "INVITE") else { continue };
        let last = |event: &&crate::history::EventRecord| {
            !event.sent && event.kind.ends_with(" INVITE") && !event.kind.starts_with('1')
        };
        let answered = entry.events.iter().find(last).map(|event| event.at);
        let took = answered.map_or(100_000_000, |at| at.saturating_sub(placed) / 1000).max(1000);
        let y = CALLS_TOP + CALLS_HEIGHT - height(took);
        let bad = numbers.contains(&entry.number);
        let (radius, colour) = if bad { (5, "#d00000") } else { (2, "#30518c") };
        let number = escape(&entry.number);
        let words = answered.map_or("never".to_owned(), |_| format!("{} ms", took / 1000));
        writeln!(
            out,
            "<circle cx=\"{}\" cy=\"{y}\" r=\"{radius}\" fill=\"{colour}\" opacity=\"0.7\"><title>call {number}: {words}</title></circle>",
            x(ms(placed))
        )?;
    }
    Ok(())
}

/// The height of a time of so many microseconds, from 1 ms up.
fn height(us: u64) -> u64 {
    // The logarithm in integers: decades, and the way to the next one in 90 steps.
    let decade = u64::from((us / 1000).max(1).ilog10());
    let base = 1000 * 10_u64.pow(u32::try_from(decade).unwrap_or(0));
    let part = (us.saturating_sub(base)) * 90 / (base * 9);
    (CALLS_HEIGHT * (decade * 90 + part) / (DECADES * 90)).min(CALLS_HEIGHT)
}

/// Text in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_drawn_by_their_logarithm() {
        assert_eq!(height(1000), 0);
        assert_eq!(height(10_000), CALLS_HEIGHT / DECADES);
        assert_eq!(height(1_000_000), 3 * CALLS_HEIGHT / DECADES);
        assert_eq!(height(u64::MAX / 100), CALLS_HEIGHT);
        assert!(height(5000) > height(2000));
    }
}
