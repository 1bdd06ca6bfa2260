//! `holdline limit list`, `show`, `set` and `reset`; `simulate` has a file of its own.

use std::path::Path;
use std::process::ExitCode;

use holdline_model::limit::LimitConfig;

use super::limit_simulate;
use crate::admin::view::LimitsView;
use crate::cli::CliError;
use crate::cli::args::{Format, LimitCommand, Target};
use crate::cli::client::{Answer, Client, encoded};
use crate::cli::output::Output;

pub(in crate::cli) fn run(
    target: &Target,
    command: &LimitCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        LimitCommand::List => list(target, output)?,
        LimitCommand::Show => {
            let limits: LimitsView = Client::new(target).get(PATH, &[])?.read()?;
            let text = serde_json::to_string_pretty(&limits.config)
                .map_err(|error| CliError::Output(std::io::Error::other(error)))?;
            output.line(&text)?;
        }
        LimitCommand::Set { file, version } => set(target, file, *version, output)?,
        LimitCommand::Simulate(args) => limit_simulate::run(target, args, output)?,
        LimitCommand::Reset { class } => {
            let query = class.as_ref().map(|class| format!("?class={}", encoded(class)));
            let path = format!("{PATH}/reset{}", query.unwrap_or_default());
            let answer = Client::new(target).post(&path)?;
            let what = class.as_deref().unwrap_or("every class");
            told(target, &answer, &format!("the buckets of {what} are full"), output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends a file, TOML or JSON. Without a version it replaces what is in force now.
fn set(
    target: &Target,
    file: &Path,
    version: Option<u64>,
    output: &mut Output,
) -> Result<(), CliError> {
    let config = read(file)?;
    let body = serde_json::to_string(&config)
        .map_err(|error| CliError::Output(std::io::Error::other(error)))?;
    let query = version.map(|version| format!("?version={version}")).unwrap_or_default();
    let answer = Client::new(target).put(&format!("{PATH}{query}"), &body)?;
    let limits: LimitsView = answer.read()?;
    told(
        target,
        &answer,
        &format!("the limits are in force, as version {}", limits.version),
        output,
    )
}

fn told(target: &Target, answer: &Answer, line: &str, output: &mut Output) -> Result<(), CliError> {
    Ok(output.line(if target.output == Format::Json { &answer.body } else { line })?)
}

/// Reads a configuration of limits and checks it.
pub(super) fn read(file: &Path) -> Result<LimitConfig, CliError> {
    let fault = |error: String| CliError::Limits { file: file.display().to_string(), error };
    let text = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    let is_json = file.extension().is_some_and(|extension| extension == "json");
    let config: LimitConfig = match is_json {
        true => serde_json::from_str(&text).map_err(|error| fault(error.to_string()))?,
        false => toml::from_str(&text).map_err(|error| fault(error.to_string()))?,
    };
    holdline_limit::check(&config).map_err(|error| fault(error.to_string()))?;
    Ok(config)
}

fn list(target: &Target, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).get(PATH, &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let limits: LimitsView = answer.read()?;
    output.line(&format!("version {}, {} calls up", limits.version, limits.calls_up))?;
    let header =
        ["CLASS", "PARENT", "ASSURED", "CEILING", "TOKENS", "LEASED", "CALLS", "MARKED", "REFUSED"];
    let rows = limits.classes.iter().map(|class| {
        vec![
            class.name.clone(),
            class.parent.clone().unwrap_or_default(),
            class.assured.clone(),
            class.ceiling.clone().unwrap_or_default(),
            format!("{}/{}", whole(&class.tokens), whole(&class.size)),
            whole(&class.leased).to_owned(),
            class.admitted.to_string(),
            class.marked.to_string(),
            class.refused.to_string(),
        ]
    });
    output.table(&header, &[4, 5, 6, 7, 8], rows.collect())?;
    if !limits.each.is_empty() {
        let rows = limits.each.iter().map(|each| {
            let (name, by, rate) = (each.name.clone(), each.by.clone(), each.rate.clone());
            let worst = each.emptiest.first().map(|one| one.value.clone()).unwrap_or_default();
            vec![name, by, rate, each.size.clone(), each.count.to_string(), worst]
        });
        output.table(
            &["EACH", "BY", "RATE", "BURST", "NOT FULL", "EMPTIEST"],
            &[4],
            rows.collect(),
        )?;
    }
    if !limits.caps.is_empty() {
        let rows = limits.caps.iter().map(|cap| {
            let most = cap.fullest.first();
            let (value, calls) =
                most.map(|most| (most.value.clone(), most.calls)).unwrap_or_default();
            let by = cap.by.clone().unwrap_or_default();
            vec![cap.name.clone(), by, cap.calls.to_string(), calls.to_string(), value]
        });
        output.table(&["CAP", "BY", "CALLS", "UP", "FULLEST"], &[2, 3], rows.collect())?;
    }
    Ok(())
}

/// The whole part of an amount.
fn whole(tokens: &str) -> &str {
    tokens.split_once('.').map_or(tokens, |(whole, _)| whole)
}

const PATH: &str = "/v1/limits";
