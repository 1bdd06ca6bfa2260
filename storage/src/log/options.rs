//! The bounds of the log's memory.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

/// How much the log keeps in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// Written entries kept for replication, at most.
    pub tail_entries: usize,
    /// Written entries kept for replication, in bytes at most.
    pub tail_bytes: usize,
    /// Changes waiting for the flusher, at most. A caller beyond that waits.
    pub queue_jobs: NonZeroUsize,
    /// Bytes waiting for the flusher, at most. A caller beyond that waits.
    pub queue_bytes: NonZeroUsize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            tail_entries: 8192,
            tail_bytes: 32 << 20,
            queue_jobs: NonZeroUsize::new(4096).unwrap_or(NonZeroUsize::MIN),
            queue_bytes: NonZeroUsize::new(64 << 20).unwrap_or(NonZeroUsize::MIN),
        }
    }
}
