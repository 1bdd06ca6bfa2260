//! `holdline pop list`: the sites, and how far they are from each other.

use std::process::ExitCode;

use crate::admin::view::{PopView, PopsView};
use crate::cli::CliError;
use crate::cli::args::{Format, PopCommand, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;

pub(in crate::cli) fn run(
    target: &Target,
    command: &PopCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let PopCommand::List = command;
    let answer = Client::new(target).get("/v1/pops", &[])?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let view: PopsView = answer.read()?;
    for advice in &view.advice {
        output.line(advice)?;
    }
    let header = ["POP", "NODES", "ALIVE", "VOTERS", "WITNESSES", "LEADS", "ROUND TRIPS"];
    output.table(&header, &[2, 3, 4], view.pops.iter().map(row).collect())?;
    output.line("")?;
    let trips = view
        .round_trips
        .iter()
        .map(|it| vec![it.from.to_string(), it.to.to_string(), millis(it.round_trip_us)]);
    output.table(&["FROM", "TO", "ROUND TRIP"], &[0, 1, 2], trips.collect())?;
    output.line("")?;
    let fit = view.times_fit_ms;
    output.line(&format!(
        "This node's times of elections and leases fit round trips of up to {fit} ms."
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn row(pop: &PopView) -> Vec<String> {
    let nodes: Vec<_> = pop.nodes.iter().map(ToString::to_string).collect();
    let trips: Vec<_> =
        pop.round_trips_us.iter().map(|(to, us)| format!("{to} {}", millis(*us))).collect();
    vec![
        pop.pop.clone(),
        nodes.join(","),
        pop.alive.to_string(),
        pop.voters.to_string(),
        pop.witnesses.to_string(),
        if pop.leads { "yes" } else { "no" }.to_owned(),
        if trips.is_empty() { "-".to_owned() } else { trips.join(", ") },
    ]
}

/// In milliseconds, to a hundredth.
pub(super) fn millis(micros: u64) -> String {
    format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_shown_in_milliseconds() {
        assert_eq!(millis(0), "0.00 ms");
        assert_eq!(millis(87), "0.08 ms");
        assert_eq!(millis(12_345), "12.34 ms");
    }
}
