//! The data folder: whose it is, that only one process uses it, how much room it has.
//!
//! | name | what |
//! |---|---|
//! | `IDENTITY` | format version, cluster, node: written once |
//! | `RESTORING` | a backup is being put in place: there is no identity yet |
//! | `LOCK` | locked by the process that uses the folder |
//! | `db/` | the engine |
//! | `snapshots/` | snapshot files |
//!
//! Invariant: nothing in the folder is touched before identity and lock are known to be right.

mod error;
mod folder;
mod identity;
mod space;
mod new_folder;

pub use error::DataDirError;
pub use folder::DataDir;
pub use identity::Identity;
pub use space::{Room, Space};
pub use new_folder::NewFolder;

/// The format of the data folder. A change of any format in it raises it.
pub const DATA_FORMAT: u32 = 2;

#[cfg(test)]
mod tests;
