//! How long call detail records are kept, what was purged, and how far their consumers have come.
//! One record, since every purge looks at all of it.

use serde::{Deserialize, Serialize};

use crate::{CdrId, Millis, Name};

/// How call detail records are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrKeeping {
    /// How often `keep_ms` was set; a purge names the version that it was decided by.
    pub version: u64,
    /// How long a record is kept after its call's end, in milliseconds; 0: for ever.
    pub keep_ms: u64,
    /// Records before this one are purged.
    pub floor: CdrId,
    /// How many were purged so far.
    pub purged: u64,
    /// How far each consumer has come, by name, each once; at most
    /// [`crate::limits::MAX_CDR_SINKS`].
    pub sinks: Vec<CdrSink>,
}

/// How far a consumer of call detail records has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrSink {
    /// Its name.
    pub name: Name,
    /// It has dealt with this record and all before it.
    pub cursor: CdrId,
    /// When it said so.
    pub at: Millis,
}

impl Default for CdrKeeping {
    fn default() -> Self {
        Self {
            version: 0,
            keep_ms: crate::limits::DEFAULT_CDR_KEEP_MS,
            floor: CdrId { index: 0, position: 0 },
            purged: 0,
            sinks: Vec::new(),
        }
    }
}

impl CdrKeeping {
    /// The consumer that is furthest behind, if there is any: records after its cursor are not
    /// purged, unless that is forced.
    #[must_use]
    pub fn slowest(&self) -> Option<&CdrSink> {
        self.sinks.iter().min_by_key(|sink| sink.cursor)
    }

    /// How far a consumer has come; `None` if there is none of that name.
    #[must_use]
    pub fn sink(&self, name: &str) -> Option<&CdrSink> {
        self.sinks.iter().find(|sink| sink.name.as_str() == name)
    }
}
