//! Moving slots between nodes. The leader proposes it: for a dead owner, for a drain, for a
//! hand-back. However many calls the slots hold, it is one entry.

use serde::{Deserialize, Serialize};

use crate::record::TransferReason;
use crate::{Epoch, Millis, NodeId, SlotId};

/// Moves slots to new owners. Each move takes effect only if the slot is still in the epoch that
/// the leader saw when it decided, so a repeated or late command does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferSlots {
    /// Which slots, and where to.
    pub moves: Vec<SlotMove>,
    /// Why.
    pub reason: TransferReason,
    /// The proposer's time.
    pub at: Millis,
}

/// The move of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotMove {
    /// Which slot.
    pub slot: SlotId,
    /// Its epoch when the move was decided.
    pub expected: Epoch,
    /// The new owner.
    pub to: NodeId,
}
