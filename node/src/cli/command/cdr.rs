//! `holdline cdr`: `list`, and what [`super::cdr_export`] does.

use std::process::ExitCode;

use crate::admin::view::{CdrView, PageView};
use crate::cli::args::{CdrCommand, CdrListArgs, Format, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn run(
    target: &Target,
    command: &CdrCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        CdrCommand::List(args) => list(target, args, output),
        CdrCommand::Export(args) => super::cdr_export::run(target, args, output),
        CdrCommand::Retention { command } => super::cdr_keeping::retention(target, command, output),
        CdrCommand::Purge { before, force } => {
            super::cdr_keeping::purge(target, before, *force, output)
        }
        CdrCommand::Sink { command } => super::cdr_keeping::sink(target, command, output),
    }
}

fn list(target: &Target, args: &CdrListArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let page = [
        ("call_id", args.call_id.clone()),
        ("limit", args.limit.map(|limit| limit.to_string())),
        ("cursor", args.cursor.clone()),
    ];
    let query = [args.filter.query().as_slice(), &page].concat();
    let answer = Client::new(target).get("/v1/cdrs", &query)?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let page: PageView<CdrView> = answer.read()?;
    let header = ["ID", "ENDED", "TENANT", "FROM", "TO", "DISPOSITION", "DURATION", "OWNERS"];
    output.table(&header, &[6], page.items.iter().map(row).collect())?;
    if let Some(next) = page.next {
        output.line(&format!("more: --cursor {next}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(cdr: &CdrView) -> Vec<String> {
    let owners: Vec<_> = cdr.owners.iter().map(|owner| owner.node.to_string()).collect();
    vec![
        cdr.id.clone(),
        human::clock(&cdr.ended_at),
        cdr.tenant.clone(),
        human::user(&cdr.from),
        human::user(&cdr.to),
        cdr.disposition.clone(),
        human::duration(cdr.duration_ms),
        owners.join(">"),
    ]
}
