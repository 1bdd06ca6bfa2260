//! Why an engine could not do what it was asked.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::{Durability, Table};

/// An engine's failure. Cheap to clone: one failed sync is reported to everybody who waited.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// No room was left. Nothing of the batch was written.
    #[error("the disk of {} is full: free some space and start the node again", path.display())]
    DiskFull {
        /// The database's folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// Another process has the database open.
    #[error("the database {} is in use by another process: stop that one first", path.display())]
    InUse {
        /// The database's folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// The stored bytes are not what was written.
    #[error(
        "the database {} is damaged: remove it and let the node fetch its state from the others",
        path.display()
    )]
    Corrupt {
        /// The database's folder.
        path: PathBuf,
        /// What was found.
        #[source]
        cause: Cause,
    },
    /// Any other failure of the disk or of the database.
    #[error("the database {} failed: see the system's log for the disk's health", path.display())]
    Io {
        /// The database's folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// An earlier write failed; what the database holds since is unknown.
    #[error("the database {} had failed before and takes no more writes", path.display())]
    Failed {
        /// The database's folder.
        path: PathBuf,
    },
    /// A batch had a table that its durability is not for.
    #[error("table {table:?} cannot be written as {durability:?}")]
    WrongTable {
        /// The table.
        table: Table,
        /// The durability asked for.
        durability: Durability,
    },
}

/// What lies beneath an [`EngineError`].
pub type Cause = Arc<dyn Error + Send + Sync>;
