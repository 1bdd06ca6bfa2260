//! Where values are encoded: one buffer per thread, kept, so that an encoding is one allocation of
//! the right size instead of a buffer that grows step by step.

use std::cell::Cell;

use bincode::enc::write::Writer;
use bincode::error::EncodeError;

use crate::codec::CodecError;

/// A buffer that has grown beyond this is not kept.
const KEPT_BYTES: usize = 256 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes of an encoding in the making.
pub(super) struct Scratch(Vec<u8>);

/// Copies what `write` writes.
pub(super) fn encode(
    write: impl FnOnce(&mut Scratch) -> Result<(), CodecError>,
) -> Result<Vec<u8>, CodecError> {
    // Taken, not borrowed: an encoding within an encoding would begin with an empty buffer.
    let mut scratch = Scratch(SCRATCH.take());
    scratch.0.clear();
    let written = write(&mut scratch);
    let bytes = written.map(|()| scratch.0.as_slice().to_vec());
    if scratch.0.capacity() <= KEPT_BYTES {
        SCRATCH.set(scratch.0);
    }
    bytes
}

impl Scratch {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Writer for Scratch {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let write = |out: &mut Scratch| out.write(bytes).map_err(CodecError::Unencodable);
        encode(write).unwrap()
    }

    #[test]
    fn nothing_is_left_of_the_value_before() {
        assert_eq!(encoded(b"a long one"), b"a long one");
        assert_eq!(encoded(b"short"), b"short");
        let failed = encode(|out| {
            out.write(b"half").map_err(CodecError::Unencodable)?;
            Err(CodecError::Empty)
        });
        assert!(failed.is_err());
        assert_eq!(encoded(b"next"), b"next");
    }

    #[test]
    fn an_encoding_within_an_encoding_has_a_buffer_of_its_own() {
        let outer = encode(|out| {
            out.write(b"outer").map_err(CodecError::Unencodable)?;
            assert_eq!(encoded(b"inner"), b"inner");
            Ok(())
        });
        assert_eq!(outer.unwrap(), b"outer");
    }

    #[test]
    fn a_very_large_buffer_is_not_kept() {
        encoded(&vec![7; KEPT_BYTES + 1]);
        let kept = SCRATCH.take();
        assert!(kept.capacity() <= KEPT_BYTES);
    }
}
