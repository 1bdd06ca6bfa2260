//! Why the state could not be read or written. Each is fatal to the node.

use std::path::PathBuf;

use crate::codec::CodecError;
use crate::engine::{EngineError, Table};

/// A failure of the state's tables.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A stored record cannot be read.
    #[error("table {table:?} holds a record that cannot be read, under key {key:02x?}")]
    Corrupt {
        /// The table.
        table: Table,
        /// The record's key.
        key: Vec<u8>,
        /// What is wrong with it.
        #[source]
        cause: CodecError,
    },
    /// A key has another length than the table's keys have.
    #[error("table {table:?} holds a key of another form: {key:02x?}")]
    ForeignKey {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
    },
    /// A record cannot be written.
    #[error("a record for table {table:?} cannot be encoded")]
    Encode {
        /// The table.
        table: Table,
        /// Why.
        #[source]
        cause: CodecError,
    },
    /// An earlier write has failed, so that nothing may be committed any more.
    #[error("an earlier write of the state has failed: look for it in the log before this")]
    Abandoned,
    /// The stored limits are faulty: another version of the software has other rules.
    #[error("the stored limits are faulty")]
    Limits {
        /// What is wrong with them.
        #[source]
        cause: Box<holdline_model::limit::LimitFault>,
    },
    /// The installation of a snapshot was interrupted, and cannot be finished.
    #[error(
        "the installation of snapshot {} was interrupted and cannot be finished: \
         remove the data folder and let the node fetch its state from the others",
        path.display()
    )]
    HalfInstalled {
        /// The snapshot's file.
        path: PathBuf,
        /// Why it cannot be finished.
        #[source]
        cause: Box<crate::snapshot::SnapshotError>,
    },
}
