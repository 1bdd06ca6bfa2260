//! What a backup says of itself, in clear.

use bytes::Bytes;
use holdline_model::{ClusterId, GroupId, Millis, NodeId};
use serde::{Deserialize, Serialize};

use crate::seal::KeyId;

/// The header of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHeader {
    /// The format of the records: the cluster's when it was written.
    pub format: u32,
    /// The cluster.
    pub cluster: ClusterId,
    /// The group.
    pub group: GroupId,
    /// What the node knew besides.
    pub facts: Facts,
    /// The applied mark: bytes of the Raft glue.
    pub applied: Bytes,
    /// With which key the frames after this one are sealed; `None`: they are in clear.
    pub sealed: Option<Sealed>,
}

/// What the tables do not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The cluster's name.
    pub cluster: String,
    /// Index of the last entry in it, as the node knew it when the view was taken or before.
    pub applied_index: u64,
    /// When the view was taken.
    pub at: Millis,
    /// The node that was asked.
    pub node: NodeId,
    /// Its software.
    pub version: String,
    /// How many bytes the node expects it to have, about.
    pub about_bytes: u64,
}

/// How a backup is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The key.
    pub key: KeyId,
    /// What all nonces begin with: random, for each backup another.
    pub nonce: [u8; 16],
}
