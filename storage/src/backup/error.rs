//! Why a backup could not be written, read or put in place.

use std::io;

use crate::codec::CodecError;
use crate::engine::EngineError;
use crate::seal::KeyId;

/// A failure around a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It cannot be read or written.
    #[error("the backup cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// It is no backup at all.
    #[error("this is not a backup of holdline")]
    NotABackup,
    /// It has a format that this version does not know.
    #[error(
        "the backup has format {found}; this version reads formats up to {known}: restore it with the version that saved it"
    )]
    OtherFormat {
        /// The format of the file.
        found: u32,
        /// The one that is known.
        known: u32,
    },
    /// It ends too early.
    #[error("the backup ends too early, at byte {at}: it was cut off or is still being written")]
    Short {
        /// Where.
        at: u64,
    },
    /// It is not what was written.
    #[error("the backup is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the damaged frame begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It is sealed, and no key was given.
    #[error("the backup is sealed with key {id}: give that key")]
    KeyNeeded {
        /// Which.
        id: KeyId,
    },
    /// It is sealed with another key.
    #[error("the backup is sealed with key {needed}; the key that was given is {given}")]
    WrongKey {
        /// The key it is sealed with.
        needed: KeyId,
        /// The key that was given.
        given: KeyId,
    },
    /// There is nothing to back up.
    #[error("the cluster was not formed yet: there is nothing to back up")]
    NoState,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was committed last cannot be written.
    #[error("the newest part of the state cannot be written")]
    Unwritten {
        /// Why.
        #[source]
        cause: Box<crate::tables::StateError>,
    },
    /// A value cannot be encoded or decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
}
