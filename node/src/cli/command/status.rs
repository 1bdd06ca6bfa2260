//! `holdline status`: how the cluster is, why, and each node.

use std::process::ExitCode;

use crate::admin::health::Status;
use crate::admin::view::{ClusterHealthView, NodeView};
use crate::cli::args::{Format, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;
use crate::cli::{CliError, RED, human};

pub(in crate::cli) fn run(target: &Target, output: &mut Output) -> Result<ExitCode, CliError> {
    let answer = Client::new(target).get("/v1/cluster/health", &[])?;
    let health: ClusterHealthView = answer.read()?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
    } else {
        show(&health, output)?;
    }
    Ok(if health.status == Status::Red { ExitCode::from(RED) } else { ExitCode::SUCCESS })
}

fn show(health: &ClusterHealthView, output: &mut Output) -> Result<(), CliError> {
    let light = output.light(word(health.status));
    output.line(&format!("cluster {} is {light}", health.cluster))?;
    let leader = human::dash(health.leader);
    output.line(&format!(
        "leader {leader}, term {}, {} calls, {} more {} may fail",
        health.term,
        health.calls,
        health.may_fail,
        if health.may_fail == 1 { "node" } else { "nodes" }
    ))?;
    if let Some(line) = format_line(health) {
        output.line(&line)?;
    }
    for reason in &health.reasons {
        let light = output.light(word(reason.status));
        output.line(&format!("  {light}: {}", reason.detail))?;
        output.line(&format!("    {}", reason.next_step))?;
    }
    output.line("")?;
    let header = ["NODE", "POP", "STATE", "SLOTS", "HOME", "CALLS", "LAG", "VERSION", "SIP"];
    output.table(&header, &[0, 3, 4, 5, 6], health.members.iter().map(row).collect())?;
    Ok(())
}

/// Which nodes keep the cluster from going on in a newer format, if any do.
fn format_line(health: &ClusterHealthView) -> Option<String> {
    let newest = health.members.iter().filter_map(|node| node.reads_format).max()?;
    let behind =
        health.members.iter().filter(|node| node.reads_format.is_none_or(|it| it < newest));
    let behind: Vec<_> = behind.map(|node| node.id.to_string()).collect();
    (newest > health.format && !behind.is_empty()).then(|| {
        format!(
            "format {}; it is raised to {newest} when {} {} it, too (a newer program, without format_at_most)",
            health.format,
            if behind.len() == 1 { "node" } else { "nodes" },
            match behind.as_slice() {
                [one] => format!("{one} reads"),
                several => format!("{} read", several.join(", ")),
            }
        )
    })
}

fn row(node: &NodeView) -> Vec<String> {
    let state = match (node.alive, node.draining, node.leader) {
        (false, _, _) => "down",
        (true, true, _) => "draining",
        (true, false, true) => "leader",
        (true, false, false) => "up",
    };
    vec![
        node.id.to_string(),
        node.pop.clone(),
        state.to_owned(),
        node.slots_owned.to_string(),
        node.slots_home.to_string(),
        node.calls.to_string(),
        human::dash(node.lag),
        human::dash(node.version.as_ref()),
        human::dash(node.sip.first()),
    ]
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Green => "green",
        Status::Yellow => "yellow",
        Status::Red => "red",
    }
}
