//! A change waiting for the flusher.

use bytes::Bytes;
use holdline_model::GroupId;

use crate::engine::{Batch, Table};
use crate::log::LogError;
use crate::log::keys::{committed_key, entry_key, purged_key, vote_key};

/// Called once, on the flusher thread, when a change is durable or was lost. It must not block,
/// nor call the log.
pub type OnDurable = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// A change, and who wants to know.
pub(super) struct Job {
    pub(super) change: Change,
    pub(super) on_durable: Option<OnDurable>,
}

/// What changes.
pub(super) enum Change {
    /// Entries with consecutive indices, not empty, and the window's generation.
    Append { entries: Vec<(u64, Bytes)>, generation: u64 },
    /// Entries from this index to the end of the log, exclusive, go.
    Truncate { from: u64, to: u64 },
    /// Entries from one index to another, exclusive, go; the purge mark.
    Purge { from: u64, to: u64, mark: Bytes },
    /// The vote.
    Vote(Bytes),
    /// The committed mark.
    Committed(Bytes),
}

impl Change {
    /// Whether somebody relies on it when it is reported: purges and committed marks are only
    /// hints, and a crash that takes them back does no harm.
    pub(super) const fn needs_sync(&self) -> bool {
        match self {
            Self::Append { .. } | Self::Truncate { .. } | Self::Vote(_) => true,
            Self::Purge { .. } | Self::Committed(_) => false,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append { entries, .. } => entries.iter().map(|(_, bytes)| bytes.len()).sum(),
            Self::Purge { mark: bytes, .. } | Self::Vote(bytes) | Self::Committed(bytes) => {
                bytes.len()
            }
            Self::Truncate { .. } => 0,
        }
    }

    pub(super) fn entries(&self) -> usize {
        match self {
            Self::Append { entries, .. } => entries.len(),
            Self::Truncate { .. } | Self::Purge { .. } | Self::Vote(_) | Self::Committed(_) => 0,
        }
    }

    pub(super) fn write_to(&self, group: GroupId, batch: &mut Batch) {
        let key = |index| entry_key(group, index);
        match self {
            Self::Append { entries, .. } => {
                for (index, bytes) in entries {
                    batch.put(Table::Log, key(*index), bytes.clone());
                }
            }
            Self::Truncate { from, to } => batch.delete_range(Table::Log, key(*from), key(*to)),
            Self::Purge { from, to, mark } => {
                batch.delete_range(Table::Log, key(*from), key(*to));
                batch.put(Table::Vote, purged_key(group), mark.clone());
            }
            Self::Vote(bytes) => batch.put(Table::Vote, vote_key(group), bytes.clone()),
            Self::Committed(bytes) => batch.put(Table::Vote, committed_key(group), bytes.clone()),
        }
    }
}
