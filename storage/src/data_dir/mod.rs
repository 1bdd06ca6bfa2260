//! The data folder: whose it is, that only one process uses it, how much room it has.
//!
//! | name | what |
//! |---|---|
//! | `IDENTITY` | format version, cluster, node: written once |
//! | `LOCK` | locked by the process that uses the folder |
//! | `db/` | the engine |
//! | `snapshots/` | snapshot files |
//!
//! Invariant: nothing in the folder is touched before identity and lock are known to be right.

mod error;
mod folder;
mod identity;

pub use error::DataDirError;
pub use folder::DataDir;
pub use identity::Identity;

/// The format of the data folder. A change of any format in it raises it.
pub const DATA_FORMAT: u32 = 2;

#[cfg(test)]
mod tests;
