//! What the storage keeps for us without looking at it: log ids, votes, memberships, entries.
//!
//! Every value begins with the codec's format version.

use std::io;

use bytes::Bytes;
use holdline_storage::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes one of openraft's values.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> io::Result<Bytes> {
    codec::encode_message(value).map(Bytes::from).map_err(io::Error::other)
}

/// Decodes one of openraft's values.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    codec::decode_message(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The index that an applied mark names.
///
/// # Errors
/// It is no such mark.
pub fn applied_index(mark: &[u8]) -> io::Result<u64> {
    from_bytes::<crate::types::LogId>(mark).map(|log_id| log_id.index)
}

#[cfg(test)]
mod tests {
    use holdline_model::NodeId;
    use openraft::EntryPayload;
    use openraft::entry::RaftEntry;
    use openraft::impls::leader_id_adv::LeaderId;

    use super::*;
    use crate::types::{Batch, Entry, LogId, Vote};

    fn log_id() -> LogId {
        LogId::new(LeaderId { term: 3, node_id: NodeId(2) }, 300)
    }

    /// Raising `codec::FORMAT_VERSION` or changing a type changes these bytes, and so the log.
    #[test]
    fn bytes_in_the_log_are_pinned() {
        let commands = vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        let entry = Entry::new(log_id(), EntryPayload::Normal(Batch { commands }));
        let bytes = to_bytes(&entry).unwrap();
        let golden = [2, 3, 2, 251, 44, 1, 1, 2, 2, b'a', b'b', 1, b'c'];
        assert_eq!(bytes.as_ref(), golden);
        assert_eq!(from_bytes::<Entry>(&golden).unwrap(), entry);
    }

    #[test]
    fn marks_and_votes_are_pinned() {
        assert_eq!(to_bytes(&log_id()).unwrap().as_ref(), [2, 3, 2, 251, 44, 1]);
        let vote = Vote::new_committed(3, NodeId(2));
        assert_eq!(to_bytes(&vote).unwrap().as_ref(), [2, 3, 2, 1]);
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert_eq!(from_bytes::<LogId>(&[2, 3]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            from_bytes::<LogId>(&[9, 3, 2, 1]).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
