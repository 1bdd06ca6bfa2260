//! `[log]`: what is logged, and in which form.

use serde::Deserialize;
use toml::Spanned;
use tracing_subscriber::EnvFilter;

use super::error::Fault;
use super::locate::Checker;

/// What is logged, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// A level, or a filter such as `info,holdline_raft=debug`; it was read once, so it is valid.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    format: Option<LogFormat>,
    level: Option<Spanned<String>>,
}

impl RawLog {
    pub(super) fn build(self, check: &mut Checker<'_>) -> LogConfig {
        let default = LogConfig::default();
        if let Some(level) = &self.level {
            filter(check, level);
        }
        LogConfig {
            format: self.format.unwrap_or(default.format),
            level: self.level.map_or(default.level, Spanned::into_inner),
        }
    }
}

/// A bare word that is no level would be taken for the name of a module and switch everything off.
fn filter(check: &mut Checker<'_>, level: &Spanned<String>) {
    let text = level.get_ref();
    let cause = match EnvFilter::builder().parse(text) {
        Err(error) => error.to_string(),
        Ok(_) if text.trim().is_empty() => "it is empty".to_owned(),
        Ok(_) => {
            let levels = ["off", "error", "warn", "info", "debug", "trace"];
            let word = text.split(',').map(str::trim).find(|directive| {
                !directive.contains(['=', '['])
                    && !levels.contains(&directive.to_lowercase().as_str())
            });
            match word {
                Some(word) => format!("\"{word}\" is not a level"),
                None => return,
            }
        }
    };
    check.fault("log.level", level.span(), Fault::BadLevel { found: text.clone(), cause });
}
