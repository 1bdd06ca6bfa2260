//! A backup: the replicated state of a group as one stream, taken from a consistent view of a live
//! node, and put into a new data folder.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `HLBKUP`, zero, the format's version |
//! | frames | kind (u8), length (u32), CRC-32 of kind, length and payload (u32), payload; little endian |
//!
//! The first frame is the header ([`BackupHeader`]), in clear: it says of what cluster, as of when,
//! and with which key the rest is sealed, if it is. Records follow as they lie in snapshots, and a
//! footer that counts them. Sealed payloads are bound to the header and to their place: a frame that
//! was changed, left out, exchanged or taken from another backup is refused.
//!
//! A node streams it in clear, over its admin API, and whoever asked seals it: nodes do not know the
//! keys of backups.
//!
//! Invariant: a stream without its footer is no backup, whatever else it holds.

mod error;
mod frame;
mod header;
mod load;
mod save;
#[cfg(test)]
mod tests;

pub use error::BackupError;
pub use frame::{Frame, FrameReader, FrameWriter};
pub use header::{BackupHeader, Facts, Sealed};
pub use load::{Contents, load, read_through};
pub(crate) use save::save;
