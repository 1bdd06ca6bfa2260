//! The log: text or JSON lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogConfig, LogFormat};

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level cannot be read.
    #[error("log.level: \"{level}\" is not a level or filter: {source}")]
    Level {
        /// As configured.
        level: String,
        /// Why not.
        source: ParseError,
    },
    /// The process has a log already.
    #[error("the log was set up before: {0}")]
    Twice(#[from] TryInitError),
}

/// Sets up the process's log. Once per process.
///
/// # Errors
/// The level cannot be read, or there is a log already.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let filter = EnvFilter::builder()
        .parse(directives(&config.level))
        .map_err(|source| LogError::Level { level: config.level.clone(), source })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?,
    }
    Ok(())
}

/// What is logged at a configured level. openraft warns of every heartbeat that took longer than its
/// own share of the interval, which on a busy host is noise: at `info` and `warn` only its errors are
/// shown. Whoever names a filter, or asks for `debug`, gets what it says.
fn directives(level: &str) -> String {
    match level.trim() {
        plain @ ("info" | "warn") => format!("{plain},openraft=error"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_levels_quieten_openraft() {
        assert_eq!(directives("info"), "info,openraft=error");
        assert_eq!(directives("debug"), "debug");
        assert_eq!(directives("info,openraft=warn"), "info,openraft=warn");
    }
}
