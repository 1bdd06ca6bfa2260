//! Bytes of everything that is stored or sent: one format version byte, then bincode.
//!
//! The only module that names `bincode`. It does not know which types exist: the persisted records
//! and commands are listed, with their golden bytes, in this module's tests.
//!
//! Invariant: decoding hostile bytes neither panics nor allocates more than a fixed multiple
//! ([`AMPLIFICATION`]) of the size class of the input ([`SIZE_CLASSES`]).
//! Invariant: what [`encode`] accepts, [`decode`] reads back.
#![deny(clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod error;
mod prefix;
mod scratch;

use bincode::config;
use holdline_model::{Command, Format};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::CodecError;
pub use prefix::decode_prefix;

/// The format in front of every value that can be said in the oldest one, which is nearly all of them. A
/// type that has changed since names its own when it is encoded ([`encode_as`]).
pub const FORMAT_VERSION: u8 = Format::OLDEST.0;

/// Largest encoded command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 512 << 10;

/// Largest encoded record, in bytes. A record is made of what a handful of commands brought: a
/// command that could be decoded never leads to a record that cannot be encoded.
pub const MAX_RECORD_BYTES: usize = 4 << 20;

/// Largest encoded message between nodes or log entry, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 32 << 20;

/// A decoder may claim this many bytes of memory per byte of its input's size class: a small
/// number takes one byte when encoded and counts as eight when decoded.
pub const AMPLIFICATION: usize = 16;

/// Inputs are classed by size, because the decoder's limit is a constant of its type.
pub const SIZE_CLASSES: [usize; 4] = [SMALL, MEDIUM, MAX_RECORD_BYTES, MAX_MESSAGE_BYTES];

const SMALL: usize = 4 << 10;
const MEDIUM: usize = 64 << 10;

/// Encodes a command.
///
/// # Errors
/// As [`encode`], beyond [`MAX_COMMAND_BYTES`].
pub fn encode_command(command: &Command) -> Result<Vec<u8>, CodecError> {
    encode_within(command, MAX_COMMAND_BYTES)
}

/// Decodes a command, whole: bytes left over are an error.
///
/// # Errors
/// As [`decode`].
pub fn decode_command(bytes: &[u8]) -> Result<Command, CodecError> {
    decode_within(bytes, MAX_COMMAND_BYTES)
}

/// Encodes a record.
///
/// # Errors
/// [`CodecError::TooLarge`] beyond [`MAX_RECORD_BYTES`]; [`CodecError::Unencodable`] for a type
/// that has no encoding.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    encode_within(value, MAX_RECORD_BYTES)
}

/// Encodes a record in a format of its own.
///
/// # Errors
/// As [`encode`].
pub fn encode_as<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Vec<u8>, CodecError> {
    encode_in(format.0, value, MAX_RECORD_BYTES)
}

/// Decodes a record that was encoded in this format, whole: bytes left over are an error.
///
/// # Errors
/// As [`decode`].
pub fn decode_as<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, CodecError> {
    decode_in(format.0, bytes, MAX_RECORD_BYTES)
}

/// The format in which a value was encoded.
#[must_use]
pub fn format_of(bytes: &[u8]) -> Option<Format> {
    bytes.first().copied().map(Format)
}

/// Encodes a message between nodes, or a log entry.
///
/// # Errors
/// As [`encode`], beyond [`MAX_MESSAGE_BYTES`].
pub fn encode_message<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    encode_within(value, MAX_MESSAGE_BYTES)
}

/// Decodes a record, whole: bytes left over are an error.
///
/// # Errors
/// Every variant of [`CodecError`] except `Unencodable`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_within(bytes, MAX_RECORD_BYTES)
}

/// Decodes a message between nodes, or a log entry, whole: bytes left over are an error.
///
/// # Errors
/// As [`decode`].
pub fn decode_message<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_within(bytes, MAX_MESSAGE_BYTES)
}

fn encode_within<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Vec<u8>, CodecError> {
    encode_in(FORMAT_VERSION, value, limit)
}

fn encode_in<T: Serialize + ?Sized>(
    format: u8,
    value: &T,
    limit: usize,
) -> Result<Vec<u8>, CodecError> {
    scratch::encode(|out| {
        // The version is a byte of the same encoding, so that the value is written only once.
        bincode::serde::encode_into_writer((format, value), &mut *out, base())
            .map_err(CodecError::Unencodable)?;
        if out.len() > limit {
            return Err(CodecError::TooLarge { bytes: out.len(), limit });
        }
        Ok(())
    })
}

fn decode_within<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, CodecError> {
    decode_in(FORMAT_VERSION, bytes, limit)
}

fn decode_in<T: DeserializeOwned>(format: u8, bytes: &[u8], limit: usize) -> Result<T, CodecError> {
    let payload = payload(format, bytes, limit)?;
    let (value, read) = decode_payload(payload)?;
    match payload.len().checked_sub(read) {
        Some(0) => Ok(value),
        left => Err(CodecError::Trailing { bytes: left.unwrap_or(0) }),
    }
}

/// What follows the version.
fn payload(format: u8, bytes: &[u8], limit: usize) -> Result<&[u8], CodecError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLarge { bytes: bytes.len(), limit });
    }
    match bytes.split_first() {
        None => Err(CodecError::Empty),
        Some((&found, payload)) if found == format => Ok(payload),
        Some((&found, _)) => Err(CodecError::UnknownVersion { found, known: format }),
    }
}

fn decode_payload<T: DeserializeOwned>(payload: &[u8]) -> Result<(T, usize), CodecError> {
    let len = payload.len();
    if len <= SMALL {
        with_limit::<T, { AMPLIFICATION * SMALL }>(payload)
    } else if len <= MEDIUM {
        with_limit::<T, { AMPLIFICATION * MEDIUM }>(payload)
    } else if len <= MAX_RECORD_BYTES {
        with_limit::<T, { AMPLIFICATION * MAX_RECORD_BYTES }>(payload)
    } else {
        with_limit::<T, { AMPLIFICATION * MAX_MESSAGE_BYTES }>(payload)
    }
}

fn with_limit<T: DeserializeOwned, const LIMIT: usize>(
    payload: &[u8],
) -> Result<(T, usize), CodecError> {
    bincode::serde::decode_from_slice(payload, base().with_limit::<LIMIT>())
        .map_err(CodecError::Malformed)
}

/// Little endian, numbers of variable length. Part of the format.
const fn base() -> config::Configuration {
    config::standard()
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod samples;
