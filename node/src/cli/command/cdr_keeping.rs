//! `holdline cdr retention`, `purge` and `sink`: how long call detail records are kept, and for whom.

use std::process::ExitCode;

use crate::admin::view::{CdrKeepingView, CdrSinkView, PurgedView};
use crate::cli::args::{Format, RetentionCommand, SinkCommand, Target};
use crate::cli::client::{Client, ClientError, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn retention(
    target: &Target,
    command: &RetentionCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let client = Client::new(target);
    let answer = match command {
        RetentionCommand::Show => client.get("/v1/cdrs/retention", &[])?,
        RetentionCommand::Set { keep, version } => {
            let version = version.map(|version| format!("&version={version}")).unwrap_or_default();
            client.put(&format!("/v1/cdrs/retention?keep_s={keep}{version}"), "")?
        }
    };
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let keeping: CdrKeepingView = answer.read()?;
    let kept = match keeping.keep_s {
        0 => "for ever".to_owned(),
        seconds => format!("for {} after the call's end", human::long(seconds)),
    };
    for (fact, value) in [
        ("kept", kept),
        ("purged", format!("{}, all before {}", keeping.purged, keeping.purged_before)),
        ("held by", human::dash(keeping.held_by)),
        ("version", keeping.version.to_string()),
    ] {
        output.line(&format!("{fact:<10} {value}"))?;
    }
    if !keeping.sinks.is_empty() {
        output.table(&["SINK", "CURSOR", "AT"], &[], keeping.sinks.iter().map(row).collect())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(in crate::cli) fn purge(
    target: &Target,
    before: &str,
    force: bool,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let path = format!("/v1/cdrs/purge?before={}&force={force}", encoded(before));
    let answer = Client::new(target).post(&path)?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let PurgedView { purged } = answer.read()?;
    output.line(&format!("{purged} call detail records are purged"))?;
    Ok(ExitCode::SUCCESS)
}

pub(in crate::cli) fn sink(
    target: &Target,
    command: &SinkCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let client = Client::new(target);
    let answer = match command {
        SinkCommand::Show { name } => client.get(&path(name), &[])?,
        SinkCommand::Commit { name, id } => client.put(&cursor_path(name, id), "")?,
        SinkCommand::Remove { name } => {
            client.delete(&path(name))?;
            output.line(&format!("nothing is kept for sink {name} any more"))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let sink: CdrSinkView = answer.read()?;
    let at = human::time(&sink.at);
    output.line(&format!("sink {} has come to {}, as of {at}", sink.name, sink.cursor))?;
    Ok(ExitCode::SUCCESS)
}

/// How far a sink has come; `None` for one that is not known yet.
pub(in crate::cli) fn cursor(client: &Client, sink: &str) -> Result<Option<String>, ClientError> {
    match client.get(&path(sink), &[]) {
        Ok(answer) => Ok(Some(answer.read::<CdrSinkView>()?.cursor)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Says that a sink has dealt with a record and all before it.
pub(in crate::cli) fn commit(client: &Client, sink: &str, id: &str) -> Result<(), ClientError> {
    client.put(&cursor_path(sink, id), "").map(|_| ())
}

fn row(sink: &CdrSinkView) -> Vec<String> {
    vec![sink.name.clone(), sink.cursor.clone(), human::time(&sink.at)]
}

fn path(name: &str) -> String {
    format!("/v1/cdrs/sinks/{}", encoded(name))
}

fn cursor_path(name: &str, id: &str) -> String {
    format!("{}?cursor={}", path(name), encoded(id))
}
