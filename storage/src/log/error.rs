//! Why the log did not do what it was asked.

use crate::engine::EngineError;

/// A failure of the log. Cheap to clone: one failed sync is reported to everybody who waited.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// A write or sync failed, now or earlier. Fatal: the log takes no more changes.
    #[error("the log could not be written and takes no more entries")]
    Failed {
        /// The first failure.
        #[source]
        cause: EngineError,
    },
    /// Entries could not be read.
    #[error("the log could not be read")]
    Read {
        /// Why.
        #[source]
        cause: EngineError,
    },
    /// An entry does not follow the last one.
    #[error("entry {index} does not follow: the next entry is {next}")]
    Gap {
        /// The entry's index.
        index: u64,
        /// The index that would follow.
        next: u64,
    },
    /// Entries are to be removed that the state has not made durable yet: flush it first.
    #[error("cannot purge up to entry {asked}: the state is durable up to {flushed} only")]
    PurgeBeyondState {
        /// The last entry to be removed.
        asked: u64,
        /// The last entry whose effect is durable.
        flushed: u64,
    },
    /// The purge mark cannot be read or written.
    #[error("the purge mark of the log is damaged: {text}")]
    PurgeMark {
        /// What is wrong with it.
        text: String,
    },
    /// The database has lost what was synced: a part of its write-ahead log is damaged.
    #[error(
        "the log ends at synced write {found}, and {marked} were made: its write-ahead log is damaged"
    )]
    Lost {
        /// The last one that is there.
        found: u64,
        /// The last one that was made.
        marked: u64,
    },
    /// The flusher thread could not be started.
    #[error("the log's thread could not be started: {text}")]
    NoThread {
        /// What the system said.
        text: String,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}
