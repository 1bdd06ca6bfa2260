//! How call detail records are kept.

use holdline_model::{CdrKeeping, CdrSink};
use serde::{Deserialize, Serialize};

use super::time;

/// How call detail records are kept, and how far each consumer has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrKeepingView {
    /// How often it was set: what a change names as `version`.
    pub version: u64,
    /// How long a record is kept after its call's end, in seconds; 0: for ever.
    pub keep_s: u64,
    /// Records before this id are purged.
    pub purged_before: String,
    /// How many were purged so far.
    pub purged: u64,
    /// The sink that is furthest behind: nothing after its cursor is purged.
    pub held_by: Option<String>,
    /// The consumers.
    pub sinks: Vec<CdrSinkView>,
}

/// How far a consumer has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrSinkView {
    /// Its name.
    pub name: String,
    /// It has dealt with this record and all before it.
    pub cursor: String,
    /// When it said so.
    pub at: String,
}

/// What a purge took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgedView {
    /// How many records.
    pub purged: u64,
}

impl From<&CdrKeeping> for CdrKeepingView {
    fn from(keeping: &CdrKeeping) -> Self {
        Self {
            version: keeping.version,
            keep_s: keeping.keep_ms / 1_000,
            purged_before: keeping.floor.to_string(),
            purged: keeping.purged,
            held_by: keeping.slowest().map(|sink| sink.name.to_string()),
            sinks: keeping.sinks.iter().map(CdrSinkView::from).collect(),
        }
    }
}

impl From<&CdrSink> for CdrSinkView {
    fn from(sink: &CdrSink) -> Self {
        let (name, cursor) = (sink.name.to_string(), sink.cursor.to_string());
        Self { name, cursor, at: time::format(sink.at) }
    }
}
