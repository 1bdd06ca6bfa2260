//! `holdline config check FILE` and `holdline config example`.

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::args::ConfigCommand;
use crate::cli::output::Output;
use crate::config::{Config, EXAMPLE};

pub(in crate::cli) fn run(
    command: &ConfigCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        ConfigCommand::Example => output.line(EXAMPLE.trim_end())?,
        ConfigCommand::Check { file } => {
            let config = Config::load(file)?;
            for warning in &config.warnings {
                output.error(&format!("{}: warning: {warning}", file.display()));
            }
            let (node, cluster) = (config.node.id, &config.cluster);
            output.line(&format!(
                "{}: good: node {node} of {} in cluster \"{}\", {} trunks, {} routes",
                file.display(),
                cluster.members.len(),
                cluster.name,
                config.trunks.len(),
                config.routes.len()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
