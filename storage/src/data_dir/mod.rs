//! The data folder: whose it is, that only one process uses it, how much room it has.
//!
//! | name | what |
//! |---|---|
//! | `IDENTITY` | format, cluster, node: written once, and again when the cluster's format is raised |
//! | `RESTORING` | a backup is being put in place: there is no identity yet |
//! | `LOCK` | locked by the process that uses the folder |
//! | `db/` | the engine |
//! | `snapshots/` | snapshot files |
//! | `SYNCED` | how many writes of the log were synced ([`crate::log`]) |
//! | `LEASE` | the longest lease that may still be held of this node or a leader it followed, in ms ([`Kept`]) |
//! | `ROUND_TRIP` | the round trip that the times of the next start are to fit, in ms |
//! | `RESERVE` | room that is given back when the disk is full |
//! | `DAMAGED` | what was found to be damaged; the store is set aside before anything is opened |
//! | `damaged/` | a store that was set aside |
//!
//! Invariant: nothing in the folder is touched before identity and lock are known to be right.

mod damage;
mod error;
mod folder;
mod identity;
mod kept;
mod new_folder;
mod space;

pub use damage::note_damage;
pub use error::DataDirError;
pub use folder::DataDir;
pub use identity::Identity;
pub use kept::Kept;
pub use new_folder::NewFolder;
pub use space::{Room, Space};

#[cfg(test)]
mod tests;
