//! The Raft log and hard state of one group, behind one flusher thread.
//!
//! It knows indices and bytes; what the bytes mean is up to the Raft glue. Every change is queued
//! in order and written by the flusher, which takes everything that waits at once: one batch, one
//! sync, then all callbacks in order (group commit). Reads see a change as soon as it is queued.
//!
//! Keys: table `log`: group, index (u64); table `vote`: group and `0x00` vote, `0x01` committed
//! mark, `0x02` purge mark ([`Purged`]), `0x03` the mark of a running installation (`snapshot`), `0x04`
//! the number of the last synced write (u64, big endian; `synced`).
//!
//! Invariant: callbacks run in the order of the calls, each after its change is durable.
//! Invariant: after a failed write nothing is written any more: what a failed sync left behind is
//! unknown, and a second sync that succeeds proves nothing.
//! Invariant: a log that knows of fewer synced writes than its [`SyncMark`] is not opened.
//! Invariant: the log is not purged beyond what the state has flushed.

mod error;
mod flusher;
mod job;
mod keys;
mod options;
mod store;
mod synced;
mod window;

pub use error::LogError;
pub use flusher::Wake;
pub use job::OnDurable;
pub use keys::Purged;
pub use options::LogOptions;
pub use store::LogStore;
pub use synced::SyncMark;

pub(crate) use keys::installing_key;

#[cfg(test)]
mod tests;
