//! `holdline call list`, `show` and `hangup`; `cap` has a file of its own.

use std::process::ExitCode;

use super::call_cap;
use crate::admin::view::{CallDetailView, CallView, LegView, PageView};
use crate::cli::args::{CallCommand, CallListArgs, Format, Target};
use crate::cli::client::{Client, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn run(
    target: &Target,
    command: &CallCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        CallCommand::List(args) => list(target, args, output)?,
        CallCommand::Show { id } => show(target, id, output)?,
        CallCommand::Cap { command } => call_cap::run(target, command, output)?,
        CallCommand::Hangup { id } => hang_up(target, id, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(target: &Target, args: &CallListArgs, output: &mut Output) -> Result<(), CliError> {
    let query = [
        ("state", args.state.clone()),
        ("trunk", args.trunk.clone()),
        ("tenant", args.tenant.clone()),
        ("limit", args.limit.map(|limit| limit.to_string())),
        ("cursor", args.cursor.clone()),
    ];
    let answer = Client::new(target).get("/v1/calls", &query)?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let page: PageView<CallView> = answer.read()?;
    let header = ["ID", "PHASE", "NODE", "FROM", "TO", "TRUNKS", "STARTED"];
    output.table(&header, &[2], page.items.iter().map(row).collect())?;
    if let Some(next) = page.next {
        output.line(&format!("more: --cursor {next}"))?;
    }
    Ok(())
}

fn row(call: &CallView) -> Vec<String> {
    vec![
        call.id.clone(),
        call.phase.clone(),
        human::dash(call.owner),
        human::user(&call.from),
        human::user(&call.to),
        format!("{}>{}", call.trunk_in, human::dash(call.trunk_out.as_ref())),
        human::clock(&call.started_at),
    ]
}

fn show(target: &Target, id: &str, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).get(&format!("/v1/calls/{}", encoded(id)), &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let detail: CallDetailView = answer.read()?;
    for (name, value) in facts(&detail) {
        output.line(&format!("{name:<10} {value}"))?;
    }
    Ok(())
}

fn facts(detail: &CallDetailView) -> Vec<(&'static str, String)> {
    let call = &detail.call;
    let owners = detail.owners.iter().map(|owner| {
        format!("node {} since {} ({})", owner.node, human::clock(&owner.since), owner.reason)
    });
    let mut facts = vec![
        ("call", call.id.clone()),
        ("phase", format!("{}, step {}", call.phase, detail.step)),
        ("tenant", call.tenant.clone()),
        ("from", call.from.clone()),
        ("to", call.to.clone()),
        ("started", human::time(&call.started_at)),
        ("answered", human::dash(call.answered_at.as_deref().map(human::time))),
        ("caller", leg(&call.trunk_in, &detail.caller)),
        ("callee", leg(call.trunk_out.as_deref().unwrap_or("-"), &detail.callee)),
    ];
    facts.extend(owners.map(|owner| ("owner", owner)));
    match &detail.end {
        Some(end) => {
            let at = human::time(&end.at);
            facts.push(("ended", format!("{at} by {}: {} {}", end.by, end.status, end.cause)));
            facts.push(("cdr", end.cdr.clone()));
        }
        None if call.answered_at.is_none() => {
            facts.push(("deadline", format!("{} if not answered", human::time(&detail.answer_by))));
        }
        None => {
            let limit = detail.end_by.as_deref().map_or("no limit".to_owned(), human::time);
            facts.push(("deadline", limit));
        }
    }
    facts
}

fn leg(trunk: &str, leg: &LegView) -> String {
    format!("{trunk} at {}, Call-ID {}", human::dash(leg.peer), leg.call_id)
}

fn hang_up(target: &Target, id: &str, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).delete(&format!("/v1/calls/{}", encoded(id)))?;
    if target.output == Format::Json {
        return Ok(());
    }
    let done = answer.status.as_u16() == 204;
    output.line(&if done {
        format!("call {id} was over already")
    } else {
        format!("call {id} is being hung up on both sides")
    })?;
    Ok(())
}
