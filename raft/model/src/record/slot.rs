//! A slot: the unit of ownership. One replicated record tells who acts for its calls, and in which
//! epoch; there is no other source for that.

use serde::{Deserialize, Serialize};

use crate::{Epoch, Millis, NodeId, SlotId};

/// Who owns a slot, now and before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// Which slot.
    pub slot: SlotId,
    /// The node it belongs to when all is well; its floating addresses go with it.
    pub home: NodeId,
    /// Who acts for it.
    pub owner: NodeId,
    /// Counts the owners.
    pub epoch: Epoch,
    /// The last owners, oldest first, the present one last; at most [`crate::limits::SLOT_HISTORY`].
    pub history: Vec<OwnerSpan>,
    /// The node whose addresses bring calls to this slot: its first home, for ever. So where a call
    /// belongs that arrives at an address does not change when slots find other homes, and an
    /// INVITE's repetitions and its CANCEL go where it went.
    pub origin: NodeId,
}

/// An owner, from its first epoch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerSpan {
    /// Who.
    pub node: NodeId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Since when.
    pub since: Millis,
    /// Why it became owner.
    pub reason: TransferReason,
}

/// Why a slot changed its owner or epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TransferReason {
    /// The cluster was formed.
    Formed,
    /// The owner was dead or cut off.
    Failure,
    /// The owner was drained.
    Drain,
    /// The slot went back to its home.
    HandBack,
    /// The owner's process was started again.
    Restart,
}

impl TransferReason {
    /// The word used in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Formed => "formed",
            Self::Failure => "failure",
            Self::Drain => "drain",
            Self::HandBack => "hand_back",
            Self::Restart => "restart",
        }
    }
}
