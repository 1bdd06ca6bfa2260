//! From byte offsets in the file to lines and columns, and from the TOML reader's errors to
//! [`Fault`]s. Collects faults, so that an operator sees all of them at once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::error::{ConfigError, Fault, LocatedFault};

/// The text being checked, and the faults found in it so far.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    text: &'a str,
    path: &'a Path,
    faults: Vec<LocatedFault>,
    warnings: Vec<String>,
}

impl<'a> Checker<'a> {
    pub(super) const fn new(text: &'a str, path: &'a Path) -> Self {
        Self { text, path, faults: Vec::new(), warnings: Vec::new() }
    }

    /// A path of the file's, relative to the file's folder.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }

    pub(super) fn fault(&mut self, key: impl Into<String>, span: Range<usize>, fault: Fault) {
        let (line, column) = position(self.text, span.start);
        let path = self.path.to_owned();
        self.faults.push(LocatedFault { path, line, column, key: key.into(), fault });
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Reports `value` if it is out of range; gives it back either way, so that checking goes on.
    pub(super) fn range(&mut self, key: &str, value: &Spanned<u64>, range: Range<u64>) -> u64 {
        let found = *value.get_ref();
        if !range.contains(&found) {
            let max = range.end.saturating_sub(1);
            self.fault(key, value.span(), Fault::OutOfRange { found, min: range.start, max });
        }
        found
    }

    /// Reports `value` if it is not a name.
    pub(super) fn name(&mut self, key: &str, value: &Spanned<String>) {
        if !is_name(value.get_ref()) {
            let found = value.get_ref().clone();
            self.fault(key, value.span(), Fault::NotAName { found });
        }
    }

    /// The warnings, if there was no fault.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigError> {
        if self.faults.is_empty() {
            Ok(self.warnings)
        } else {
            Err(ConfigError::Faults(self.faults))
        }
    }

    /// The faults found so far.
    pub(super) fn into_error(self) -> ConfigError {
        ConfigError::Faults(self.faults)
    }

    /// What the TOML reader objected to.
    pub(super) fn refused(text: &str, path: &Path, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let (line, column) = position(text, span.start);
        let fault = from_message(error.message());
        let key = match &fault {
            Fault::UnknownKey { .. } | Fault::MissingKey { .. } => section_at(text, span.start),
            _ => key_at(text, span.start),
        };
        let path = path.to_owned();
        ConfigError::Faults(vec![LocatedFault { path, line, column, key, fault }])
    }
}

/// Reads what serde says about keys; its wording is fixed by serde's `de::Error` defaults.
fn from_message(message: &str) -> Fault {
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
    if message.starts_with("unknown field `") {
        let found = quoted.next().unwrap_or_default();
        return Fault::UnknownKey { found, known: quoted.collect() };
    }
    if message.starts_with("missing field `") {
        return Fault::MissingKey { missing: quoted.next().unwrap_or_default() };
    }
    Fault::Malformed { message: message.trim().to_owned() }
}

/// Line and column, from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The last section header at or above an offset, as written; "top level" above the first.
fn section_at(text: &str, offset: usize) -> String {
    let end =
        text.get(offset..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| offset + n);
    let before = text.get(..end).unwrap_or(text);
    before
        .lines()
        .map(str::trim)
        .rfind(|line| line.starts_with('['))
        .and_then(|line| line.split_inclusive(']').next().map(|head| closed(line, head)))
        .unwrap_or_else(|| "top level".to_owned())
}

/// `[[trunk]]` splits after its first bracket: take the second one too.
fn closed(line: &str, head: &str) -> String {
    if line.starts_with("[[") { format!("{head}]") } else { head.to_owned() }
}

/// The key of the line that an offset is on, with its section.
fn key_at(text: &str, offset: usize) -> String {
    let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |n| n + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let section = section_at(text, start);
    match line.split_once('=') {
        Some((key, _)) if !key.trim().is_empty() => format!("{section} {}", key.trim()),
        _ => section,
    }
}

/// Whether a text can name a trunk, a tenant, a site or a cluster: it becomes part of metric
/// labels, addresses of the API and folder names.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.len() <= NAME_BYTES
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

const NAME_BYTES: usize = 64;
