//! Reading the first fields of a record without the rest: for counting and filtering many.

use serde::de::DeserializeOwned;

use crate::codec::{CodecError, FORMAT_VERSION, MAX_RECORD_BYTES, decode_payload, payload};

/// Decodes a `T` that the encoding of a larger record begins with. What follows is not looked at.
///
/// # Errors
/// As [`crate::codec::decode`], except `Trailing`.
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, _) = decode_payload(payload(FORMAT_VERSION, bytes, MAX_RECORD_BYTES)?)?;
    Ok(value)
}
