//! `holdline limit simulate`: a configuration against a pattern of requests or a file of call detail
//! records, without a cluster.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use holdline_model::Name;
use holdline_model::limit::{Dimension, LimitConfig, Match};

use super::limit;
use crate::admin::view::time;
use crate::cli::args::{Format, SimulateArgs, Target};
use crate::cli::output::Output;
use crate::cli::{CliError, human};
use crate::simulate::pattern::Pattern;
use crate::simulate::{ClassTally, Outcome, Victim, cdrs, simulate};

pub(super) fn run(
    target: &Target,
    args: &SimulateArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let config = limit::read(&args.file)?;
    let fault = |what: &str, error: String| CliError::Simulation { what: what.to_owned(), error };
    let refused = |rejection: holdline_model::Rejection| {
        fault(&args.file.display().to_string(), rejection.to_string())
    };
    let (outcome, notes) = match (&args.pattern, &args.pattern_file, &args.cdrs) {
        (Some(line), _, _) => {
            let pattern =
                Pattern::from_line(line).map_err(|error| fault("--pattern", error.to_string()))?;
            (simulate(&config, pattern.span_ms(), pattern.offers()).map_err(refused)?, Vec::new())
        }
        (None, Some(file), _) => {
            let name = file.display().to_string();
            let text =
                std::fs::read_to_string(file).map_err(|error| fault(&name, error.to_string()))?;
            let pattern =
                Pattern::from_toml(&text).map_err(|error| fault(&name, error.to_string()))?;
            (simulate(&config, pattern.span_ms(), pattern.offers()).map_err(refused)?, Vec::new())
        }
        (None, None, Some(file)) => {
            let calls = calls(file)?;
            let mut notes = unknown_to_cdrs(&config);
            let began = time::format(holdline_model::Millis(calls.began_ms));
            notes.insert(0, format!("the first call began at {}", human::time(&began)));
            let offers = calls.offers.into_iter();
            (simulate(&config, calls.span_ms, offers).map_err(refused)?, notes)
        }
        (None, None, None) => return Ok(()),
    };
    if target.output == Format::Json {
        let text = serde_json::to_string(&outcome)
            .map_err(|error| CliError::Output(std::io::Error::other(error)))?;
        return Ok(output.line(&text)?);
    }
    show(&outcome, &notes, output)
}

fn calls(file: &Path) -> Result<cdrs::Calls, CliError> {
    let fault = |error: String| CliError::Simulation { what: file.display().to_string(), error };
    let open = File::open(file).map_err(|error| fault(error.to_string()))?;
    cdrs::read(BufReader::new(open)).map_err(|error| fault(error.to_string()))
}

/// What a configuration looks at that no call detail record tells.
fn unknown_to_cdrs(config: &LimitConfig) -> Vec<String> {
    let looks = |matches: &Match| !matches.source.is_empty() || !matches.pop.is_empty();
    let by = |by: Dimension| matches!(by, Dimension::Source | Dimension::Pop);
    let classes = config.class.iter().filter(|class| looks(&class.matches)).map(|c| &c.name);
    let each = config.each.iter().filter(|each| looks(&each.matches) || by(each.by));
    let caps = config.cap.iter().filter(|cap| looks(&cap.matches) || cap.by.is_some_and(by));
    let names: Vec<&Name> =
        classes.chain(each.map(|e| &e.name)).chain(caps.map(|c| &c.name)).collect();
    let tell = |name: &&Name| format!("\"{name}\" looks at source or pop, which no record tells");
    names.iter().map(tell).collect()
}

fn show(outcome: &Outcome, notes: &[String], output: &mut Output) -> Result<(), CliError> {
    let Outcome { offered, admitted, refused, span_ms, .. } = outcome;
    output.line(&format!(
        "{offered} requests in {}: {admitted} admitted, {refused} refused ({})",
        human::duration(*span_ms),
        percent(*refused, *offered),
    ))?;
    for note in notes {
        output.line(&format!("note: {note}"))?;
    }
    output.line("")?;
    let header = ["CLASS", "OFFERED", "ADMITTED", "REFUSED", "DELAYED", "LONGEST", "MARKED"];
    let rows = outcome.classes.iter().map(|class| row(class, depth(class, outcome)));
    output.table(&header, &[1, 2, 3, 4, 5, 6], rows.collect())?;
    output.line("")?;
    chart(outcome, output)?;
    let Some(first) = &outcome.first_refused else {
        return Ok(output.line("nobody would have been refused")?);
    };
    output.line(&format!("the first to be refused: {}", victim(first)))?;
    for (by, count) in &outcome.refused_by {
        output.line(&format!("refused by {by}: {count}"))?;
    }
    let header = ["TENANT", "TRUNK", "OFFERED", "REFUSED", "PART"];
    let rows = outcome.most_refused.iter().map(|share| {
        let part = percent(share.refused, share.offered);
        let (offered, refused) = (share.offered.to_string(), share.refused.to_string());
        vec![dash(&share.tenant), dash(&share.trunk), offered, refused, part]
    });
    output.line("")?;
    Ok(output.table(&header, &[2, 3, 4], rows.collect())?)
}

fn depth(class: &ClassTally, outcome: &Outcome) -> usize {
    let parent_of = |name: &Name| outcome.classes.iter().find(|class| class.class == *name);
    std::iter::successors(Some(class), |class| class.parent.as_ref().and_then(parent_of)).count()
        - 1
}

fn row(class: &ClassTally, depth: usize) -> Vec<String> {
    vec![
        format!("{}{}", "  ".repeat(depth), class.class),
        class.offered.to_string(),
        class.admitted.to_string(),
        class.refused.to_string(),
        class.delayed.to_string(),
        human::duration(class.longest_delay_ms),
        class.marked.to_string(),
    ]
}

fn victim(first: &Victim) -> String {
    let Victim { operation, by, shortage, status, .. } = first;
    let who = [
        ("tenant", &first.tenant),
        ("trunk", &first.trunk),
        ("caller", &first.caller),
        ("called", &first.called),
    ];
    let who: Vec<String> = who
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    let who = if who.is_empty() { "nobody in particular".to_owned() } else { who.join(", ") };
    format!(
        "{operation} after {}\n  of {who}\n  {status} by {by}, short of {shortage}, to come again after {}",
        human::duration(first.at_ms),
        human::duration(first.retry_after_ms),
    )
}

/// Admitted requests as blocks, refused ones on top of them as shade.
fn chart(outcome: &Outcome, output: &mut Output) -> Result<(), CliError> {
    let most = outcome.bins.iter().map(|bin| bin.offered).max().unwrap_or(0);
    if most == 0 {
        return Ok(());
    }
    let bins = u64::try_from(outcome.bins.len()).unwrap_or(1).max(1);
    let per_second = |count: u64| count * 1_000 * bins / outcome.span_ms.max(1);
    output.line("requests per second: \u{2588} admitted, \u{2591} refused")?;
    for line in (0..HEIGHT).rev() {
        // A cell is filled when more than half of it is.
        let reaches = |count: u64| count * 2 * HEIGHT > most * (2 * line + 1);
        let cells: String = outcome
            .bins
            .iter()
            .map(|bin| match (reaches(bin.offered - bin.refused), reaches(bin.offered)) {
                (true, _) => '\u{2588}',
                (false, true) => '\u{2591}',
                (false, false) => ' ',
            })
            .collect();
        let label = match line {
            _ if line == HEIGHT - 1 => per_second(most).to_string(),
            0 => "0".to_owned(),
            _ => String::new(),
        };
        output.line(format!("{label:>9} \u{2502}{cells}").trim_end())?;
    }
    let width = outcome.bins.len();
    output.line(&format!("{:>9} \u{2514}{}", "", "\u{2500}".repeat(width)))?;
    let end = human::duration(outcome.span_ms);
    output.line(&format!("{:>9}  0{end:>rest$}", "", rest = width - 1))?;
    Ok(output.line("")?)
}

/// A part of a whole, to a tenth of a percent.
fn percent(part: u64, whole: u64) -> String {
    let thousandths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

fn dash(name: &Name) -> String {
    if name.is_empty() { "-".to_owned() } else { name.to_string() }
}

/// Lines of the chart.
const HEIGHT: u64 = 8;
