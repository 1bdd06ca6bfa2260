//! A slot and its owners.

use holdline_model::{Epoch, NodeId, OwnerSpan, SlotId, SlotRecord};
use serde::{Deserialize, Serialize};

use super::time;

/// A slot: who acts for its calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotView {
    /// Which slot.
    pub slot: SlotId,
    /// The node it belongs to when all is well.
    pub home: NodeId,
    /// Who acts for it.
    pub owner: NodeId,
    /// Counts the owners.
    pub epoch: Epoch,
    /// The last owners, oldest first.
    pub history: Vec<OwnerView>,
}

/// An owner, from its first epoch on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerView {
    /// Who.
    pub node: NodeId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Since when.
    pub since: String,
    /// `formed`, `failure`, `drain`, `hand_back` or `restart`.
    pub reason: String,
}

impl From<&SlotRecord> for SlotView {
    fn from(record: &SlotRecord) -> Self {
        Self {
            slot: record.slot,
            home: record.home,
            owner: record.owner,
            epoch: record.epoch,
            history: record.history.iter().map(OwnerView::from).collect(),
        }
    }
}

impl From<&OwnerSpan> for OwnerView {
    fn from(span: &OwnerSpan) -> Self {
        Self {
            node: span.node,
            epoch: span.epoch,
            since: time::format(span.since),
            reason: span.reason.as_str().to_owned(),
        }
    }
}
