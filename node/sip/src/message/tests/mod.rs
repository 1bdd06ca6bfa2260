//! Tests of whole messages.

mod answers;
mod builder;
mod properties;
mod samples;
mod second_opinion;
mod smuggling;
mod speed;
mod torture;
mod views;

use bytes::Bytes;

use super::{Message, ParseErrorKind};

/// Reads a message that must be sound.
fn taken(text: impl AsRef<[u8]>) -> Message {
    let text = text.as_ref();
    Message::parse(Bytes::copy_from_slice(text))
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

/// Reads a message that must be refused.
fn refused(text: impl AsRef<[u8]>) -> ParseErrorKind {
    let text = text.as_ref();
    match Message::parse(Bytes::copy_from_slice(text)) {
        Ok(_) => panic!("taken: {}", String::from_utf8_lossy(text)),
        Err(error) => error.kind,
    }
}
