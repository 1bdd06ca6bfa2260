//! Why a data folder is refused. Each names the folder, both values and what to do.

use std::io;
use std::path::PathBuf;

use holdline_model::{Format, NodeId};

use crate::engine::EngineError;

/// A data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It belongs to another cluster.
    #[error(
        "data folder {} belongs to cluster \"{found}\", not to cluster \"{expected}\": \
         correct the cluster's name in the configuration, or use another folder",
        path.display()
    )]
    OtherCluster {
        /// The folder.
        path: PathBuf,
        /// The cluster in the folder.
        found: String,
        /// The cluster in the configuration.
        expected: String,
    },
    /// It belongs to another node.
    #[error(
        "data folder {} belongs to node {found}, not to node {expected}: \
         correct the node's id in the configuration, or use another folder",
        path.display()
    )]
    OtherNode {
        /// The folder.
        path: PathBuf,
        /// The node in the folder.
        found: NodeId,
        /// The node in the configuration.
        expected: NodeId,
    },
    /// It was written by a version with another format.
    #[error(
        "data folder {} has format {found}, but this version reads formats {} to {}: \
         run the version that wrote it, or use another folder and let the node fetch its state",
        path.display(), Format::OLDEST, Format::NEWEST
    )]
    OtherFormat {
        /// The folder.
        path: PathBuf,
        /// The format in the folder.
        found: u32,
    },
    /// Another process uses it.
    #[error(
        "data folder {} is in use by another process{}: stop that one, or use another folder",
        path.display(),
        holder.map_or(String::new(), |pid| format!(" (pid {pid})"))
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process that uses it, if it said so.
        holder: Option<u32>,
    },
    /// It has files, but no identity.
    #[error(
        "data folder {} is not empty and has no IDENTITY file (there is \"{found}\"): \
         use an empty folder, or put the IDENTITY file back",
        path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        found: String,
    },
    /// A backup was to be put into it, and it is not empty.
    #[error(
        "{} is not empty (there is \"{found}\"): a backup is put into a new folder only; nothing was \
         changed",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        found: String,
    },
    /// A backup was put into it, but not to the end.
    #[error(
        "a restoration into {} was interrupted: run holdline snapshot restore again, or empty it",
        path.display()
    )]
    HalfRestored {
        /// The folder.
        path: PathBuf,
    },
    /// Its identity cannot be read.
    #[error(
        "{} is malformed at \"{line}\": put back the file that the node wrote, \
         or use another folder and let the node fetch its state",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line that was not understood.
        line: String,
    },
    /// The cluster's name cannot be written into the identity.
    #[error("the cluster's name {name:?} is empty, longer than 255 bytes or has a line break")]
    BadName {
        /// The name.
        name: String,
    },
    /// The file system failed.
    #[error("{} cannot be used: check that it exists, is writable and has room", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
