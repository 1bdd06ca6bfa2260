//! Table `locations`: key group, address of record as text; value
//! [`holdline_model::LocationRecord`].
//!
//! | format | value |
//! |---|---|
//! | 2 | [`Since2`]: without former contacts |
//! | 3 | the record |
//!
//! A record is written in the oldest format that can say it, so that a program that reads no newer one can
//! go on with the table as long as it holds nothing new.

use std::borrow::Cow;

use holdline_model::{Aor, Binding, Format, GroupId, LocationRecord};
use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::engine::Table;
use crate::tables::{StateError, users};

/// The key of an address's bindings.
pub(super) fn key(group: GroupId, aor: &Aor) -> Vec<u8> {
    users::key(group, aor)
}

/// The record in format 2.
#[derive(Serialize, Deserialize)]
struct Since2<'a> {
    aor: Cow<'a, Aor>,
    bindings: Cow<'a, [Binding]>,
    requests: Cow<'a, [u128]>,
}

impl<'a> Since2<'a> {
    fn of(record: &'a LocationRecord) -> Self {
        let LocationRecord { aor, bindings, requests, former: _ } = record;
        Self { aor: Cow::Borrowed(aor), bindings: bindings.into(), requests: requests.into() }
    }
}

impl From<Since2<'_>> for LocationRecord {
    fn from(Since2 { aor, bindings, requests }: Since2<'_>) -> Self {
        let (bindings, requests) = (bindings.into_owned(), requests.into_owned());
        Self { aor: aor.into_owned(), bindings, requests, former: Vec::new() }
    }
}

pub(crate) fn encode(record: &LocationRecord) -> Result<Vec<u8>, StateError> {
    let bytes = if record.former.is_empty() {
        codec::encode_as(Format(2), &Since2::of(record))
    } else {
        codec::encode_as(Format(3), record)
    };
    bytes.map_err(|cause| StateError::Encode { table: Table::Locations, cause })
}

pub(crate) fn decode(key: &[u8], bytes: &[u8]) -> Result<LocationRecord, StateError> {
    let record = match codec::format_of(bytes) {
        Some(Format(3)) => codec::decode_as(Format(3), bytes),
        Some(Format(2)) => codec::decode_as::<Since2<'static>>(Format(2), bytes).map(Into::into),
        Some(Format(found)) => Err(CodecError::UnknownVersion { found, known: Format::NEWEST.0 }),
        None => Err(CodecError::Empty),
    };
    let table = Table::Locations;
    record.map_err(|cause| StateError::Corrupt { table, key: key.to_vec(), cause })
}

#[cfg(test)]
mod tests {
    use holdline_model::FormerContact;

    use super::*;
    use crate::codec::samples;

    #[test]
    fn a_record_is_written_in_the_oldest_format_that_can_say_it() {
        let plain = samples::location();
        let bytes = encode(&plain).unwrap();
        assert_eq!(codec::format_of(&bytes), Some(Format(2)));
        assert_eq!(decode(b"k", &bytes).unwrap(), plain);
        let former = FormerContact { key: "k".to_owned(), contact: "sip:b@h".to_owned() };
        let moved = LocationRecord { former: vec![former], ..plain };
        let newer = encode(&moved).unwrap();
        assert_eq!(codec::format_of(&newer), Some(Format(3)));
        assert_eq!(decode(b"k", &newer).unwrap(), moved);
        let as_older = [&[2], &newer[1..]].concat();
        assert!(decode(b"k", &as_older).is_err(), "what follows is not passed over");
    }

    #[test]
    fn a_later_format_is_named() {
        let error = decode(b"k", &[4, 0]).unwrap_err();
        let StateError::Corrupt { cause, .. } = error else { panic!("{error}") };
        assert!(matches!(cause, CodecError::UnknownVersion { found: 4, known: 3 }));
        assert!(decode(b"k", &[]).is_err());
    }
}
