//! Bytes that nobody encoded: they are refused, or mean something, but never do harm.
#![allow(clippy::indexing_slicing, reason = "a test: a failure is to end it")]

use holdline_model::{CallRecord, Cdr, Command, NodeRecord, Phase, SlotRecord};
use proptest::prelude::*;

use crate::codec::samples::{call, call_id, commands};
use crate::codec::{
    AMPLIFICATION, CodecError, decode, decode_command, decode_message, encode, encode_command,
};

/// The encoding of a number of eight bytes in the format.
fn long(number: u64) -> Vec<u8> {
    let mut bytes = vec![253];
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes
}

#[test]
fn a_length_that_the_input_cannot_hold_is_refused_before_it_is_allocated() {
    for claimed in
        [AMPLIFICATION as u64 * (4 << 10) + 1, u64::from(u32::MAX), u64::MAX / 2, u64::MAX]
    {
        let bytes = [vec![crate::codec::FORMAT_VERSION], long(claimed), vec![0; 16]].concat();
        assert!(matches!(decode::<String>(&bytes), Err(CodecError::Malformed(_))));
        assert!(matches!(decode_message::<Vec<Vec<u8>>>(&bytes), Err(CodecError::Malformed(_))));
        assert!(matches!(decode::<bytes::Bytes>(&bytes), Err(CodecError::Malformed(_))));
    }
}

#[test]
fn large_values_are_read_back_in_every_size_class() {
    for len in [0, 1, 4 << 10, (4 << 10) + 1, 64 << 10, 1 << 20, (4 << 20) - 8] {
        let numbers = vec![1_u64; len / 2];
        assert_eq!(decode::<Vec<u64>>(&encode(&numbers).unwrap()).unwrap(), numbers);
        let bytes = bytes::Bytes::from(vec![7; len]);
        assert_eq!(decode::<bytes::Bytes>(&encode(&bytes).unwrap()).unwrap(), bytes);
    }
}

proptest! {
    #[test]
    fn noise_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048), versioned: bool) {
        if let (true, Some(first)) = (versioned, bytes.first_mut()) {
            *first = crate::codec::FORMAT_VERSION;
        }
        let _ = decode_command(&bytes);
        let _ = decode::<CallRecord>(&bytes);
        let _ = decode::<Cdr>(&bytes);
        let _ = decode::<NodeRecord>(&bytes);
        let _ = decode::<SlotRecord>(&bytes);
        let _ = decode_message::<Vec<Command>>(&bytes);
    }

    #[test]
    fn damaged_encodings_never_panic_and_are_canonical(at: prop::sample::Index, value: u8, which: prop::sample::Index) {
        let commands = commands();
        let mut bytes = encode_command(&which.get(&commands).1).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(command) = decode_command(&bytes) {
            let again = encode_command(&command).unwrap();
            prop_assert_eq!(decode_command(&again).unwrap(), command);
        }
    }

    #[test]
    fn cut_encodings_are_refused(cut: prop::sample::Index) {
        let bytes = encode(&call(call_id(1, 2), Phase::Answered)).unwrap();
        let cut = cut.index(bytes.len());
        prop_assert!(decode::<CallRecord>(&bytes[..cut]).is_err());
    }
}
