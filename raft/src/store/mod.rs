//! openraft's storage traits over `holdline-storage`.
//!
//! | file | what |
//! |---|---|
//! | `log` | entries, vote and marks as bytes of the log store |
//! | `machine` | applies entries to the state |
//! | `snapshot` | builds and names snapshots |
//! | `replay` | applies entries outside Raft, for checkers |
//! | `mark` | the applied mark and the membership as bytes |
//!
//! It decides nothing and stores nothing by itself.

mod log;
mod machine;
pub(crate) mod mark;
mod replay;
mod snapshot;

pub(crate) use log::LogStorage;
pub use machine::Applied;
pub(crate) use machine::StateMachine;
pub use mark::applied_index;
pub use replay::{Replay, Replayed};
pub(crate) use snapshot::{Arriving, Receiving, SnapshotData, Snapshots};
