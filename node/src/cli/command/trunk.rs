//! `holdline trunk list`, `show`, `disable` and `enable`.

use std::process::ExitCode;

use crate::admin::view::{PageView, TrunkServerView, TrunkView};
use crate::cli::args::{Format, Target, TrunkCommand};
use crate::cli::client::{Client, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn run(
    target: &Target,
    command: &TrunkCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        TrunkCommand::List => list(target, output)?,
        TrunkCommand::Show { name } => show(target, name, output)?,
        TrunkCommand::Disable { name } => set(target, name, false, output)?,
        TrunkCommand::Enable { name } => set(target, name, true, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(target: &Target, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).get("/v1/trunks", &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let page: PageView<TrunkView> = answer.read()?;
    let header = ["NAME", "ADDRESS", "STATE", "STANDING", "PROBER", "LATENCY", "CALLS"];
    output.table(&header, &[4, 5, 6], page.items.iter().map(row).collect())?;
    Ok(())
}

fn row(trunk: &TrunkView) -> Vec<String> {
    vec![
        trunk.name.clone(),
        trunk.address.clone(),
        trunk.state.clone(),
        trunk.standing.clone(),
        human::dash(trunk.prober),
        human::dash(trunk.latency_ms.map(|ms| format!("{ms} ms"))),
        trunk.calls.to_string(),
    ]
}

fn show(target: &Target, name: &str, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).get(&format!("/v1/trunks/{}", encoded(name)), &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let trunk: TrunkView = answer.read()?;
    let until =
        trunk.shut_until.as_deref().map(|at| format!(", on trial from {}", human::time(at)));
    let since = trunk.disabled_since.as_deref().map(|at| format!(" since {}", human::time(at)));
    let probes = match (trunk.probed, trunk.prober) {
        (true, Some(node)) => format!("{}, asked by node {node}", trunk.standing),
        (true, None) => format!("{}, asked by no node at the moment", trunk.standing),
        (false, _) => "not probed".to_owned(),
    };
    let state = [trunk.state, until.unwrap_or_default(), since.unwrap_or_default()].concat();
    for (fact, value) in [
        ("trunk", trunk.name),
        ("address", trunk.address),
        ("tenant", trunk.tenant),
        ("state", state),
        ("probes", probes),
        ("latency", human::dash(trunk.latency_ms.map(|ms| format!("{ms} ms")))),
        ("calls", trunk.calls.to_string()),
    ] {
        output.line(&format!("{fact:<10} {value}"))?;
    }
    for TrunkServerView { server, transport, addresses, rank, weight } in trunk.leads_to {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(", ");
        output.line(&format!(
            "leads to   {transport} {addresses} ({server}, rank {rank}, weight {weight})"
        ))?;
    }
    if let Some(why) = trunk.lookup_error {
        output.line(&format!("leads to   nowhere: {why}"))?;
    }
    Ok(())
}

fn set(target: &Target, name: &str, enabled: bool, output: &mut Output) -> Result<(), CliError> {
    let client = Client::new(target);
    let path = format!("/v1/trunks/{}/disable", encoded(name));
    let answer = if enabled { client.delete(&path)? } else { client.post(&path)? };
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let trunk: TrunkView = answer.read()?;
    let line = if enabled {
        format!("calls are sent to trunk {name} again")
    } else {
        format!("no call is sent to trunk {name} from now on; its {} calls stay up", trunk.calls)
    };
    output.line(&line)?;
    Ok(())
}
