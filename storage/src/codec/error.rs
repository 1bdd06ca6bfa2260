//! Why bytes could not be read, or a value not be written.

/// A failure of the codec.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// There is not even a version.
    #[error("there are no bytes to decode")]
    Empty,
    /// Written by another version of the software.
    #[error("format version {found} is unknown; this version reads {known}")]
    UnknownVersion {
        /// The version in front of the value.
        found: u8,
        /// The version that can be read.
        known: u8,
    },
    /// Larger than such a value may be.
    #[error("{bytes} bytes are more than the limit of {limit}")]
    TooLarge {
        /// The size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not an encoding of the type asked for.
    #[error("the bytes are malformed")]
    Malformed(#[source] bincode::error::DecodeError),
    /// There is more than the value.
    #[error("{bytes} bytes follow the value")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The type has no encoding.
    #[error("the value cannot be encoded")]
    Unencodable(#[source] bincode::error::EncodeError),
}
