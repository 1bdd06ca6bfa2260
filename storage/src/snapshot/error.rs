//! Why a snapshot could not be built, read, received or installed.

use std::io;
use std::path::PathBuf;

use holdline_model::GroupId;

use crate::codec::CodecError;
use crate::engine::EngineError;
use crate::tables::StateError;

/// A failure around a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file system failed.
    #[error("snapshot file {} cannot be read or written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// No room was left. The unfinished file is removed.
    #[error("there is no room for snapshot file {}: free some space", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file is not what was written.
    #[error("snapshot file {} is damaged at byte {at}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong.
        what: Damage,
    },
    /// The snapshot is of another group.
    #[error("snapshot file {} is of group {found}, not of group {expected}", path.display())]
    OtherGroup {
        /// The file.
        path: PathBuf,
        /// The group in its header.
        found: GroupId,
        /// The group that it was to be installed in.
        expected: GroupId,
    },
    /// A received piece does not follow the one before.
    #[error("a piece of a snapshot is for byte {offset}, but byte {expected} is next")]
    WrongOffset {
        /// Where the piece belongs.
        offset: u64,
        /// Where the next one must begin.
        expected: u64,
    },
    /// A received snapshot is larger than allowed.
    #[error("a snapshot has more than the {limit} bytes that may come, or that there is room for")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// What was committed last cannot be written.
    #[error("the newest part of the state cannot be written")]
    Unwritten {
        /// Why.
        #[source]
        cause: Box<crate::tables::StateError>,
    },
    /// A snapshot was installed while this one was built: the newest one is the installed one.
    #[error("a snapshot of group {group} was installed while this one was built")]
    Superseded {
        /// The group.
        group: GroupId,
    },
    /// There is nothing to build a snapshot of: no entry was applied yet.
    #[error("group {group} has no state yet")]
    NoState {
        /// The group.
        group: GroupId,
    },
    /// The header or the mark of an installation cannot be encoded or decoded.
    #[error("the header of a snapshot, or the mark of its installation, is malformed")]
    Codec(#[from] CodecError),
    /// The installed state cannot be read.
    #[error("the installed state cannot be read")]
    Reload {
        /// Why.
        #[source]
        cause: Box<StateError>,
    },
}

/// What is wrong with a snapshot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin as a snapshot does.
    #[error("it is not a snapshot of a known format")]
    Magic,
    /// It ends too early.
    #[error("it ends too early")]
    Short,
    /// A block's checksum is wrong.
    #[error("a checksum is wrong")]
    Checksum,
    /// A block is larger than any that is written.
    #[error("a block is too large")]
    BlockSize,
    /// A block is of another kind than belongs there.
    #[error("a block is out of place")]
    Order,
    /// A record is malformed or does not belong to the group.
    #[error("a record is malformed")]
    Record,
    /// The footer counts other records than there are.
    #[error("the footer counts other records")]
    Counts,
    /// Bytes follow the footer.
    #[error("bytes follow the footer")]
    Trailing,
}

impl SnapshotError {
    pub(super) fn io(path: &std::path::Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::DiskFull { path, cause };
        }
        Self::Io { path, cause }
    }
}
