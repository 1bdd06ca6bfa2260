//! What an engine is fed with.

use std::sync::Arc;

use holdline_model::{CallId, CallRecord, Epoch, Hop, Reply, SlotId, Step};
use holdline_sip::message::{Message, ParseError};

use crate::TrunkView;

/// One input of a [`crate::CallEngine`].
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one input at a time, consumed at once: a box would cost an allocation per message"
)]
pub enum Input {
    /// A message arrived.
    Sip {
        /// How it came.
        hop: Hop,
        /// The message.
        message: Message,
        /// The slot that the dispatcher found for it.
        slot: SlotId,
    },
    /// Bytes arrived that are not a message we can act on.
    Malformed {
        /// How it came.
        hop: Hop,
        /// What is wrong with it.
        error: ParseError,
    },
    /// A request of ours could not be sent: its connection cannot be opened.
    Unsent {
        /// The request.
        message: Message,
    },
    /// A proposal was decided, or will not be by this attempt.
    Decided {
        /// The call.
        call: CallId,
        /// The step that was proposed.
        step: Step,
        /// What became of it.
        outcome: Result<Reply, Undecided>,
    },
    /// The commit of a REGISTER was decided, or will not be by this attempt.
    Registered {
        /// Which, as it was asked for.
        ticket: u64,
        /// What became of it.
        outcome: Result<Reply, Undecided>,
    },
    /// This node has caught up with what was committed when a request came, or does not get to it.
    CaughtUp {
        /// Which, as it was asked for.
        ticket: u64,
        /// Its state holds all of it.
        is_current: bool,
    },
    /// We own a slot, with these calls: everything committed in it by the moment we became owner.
    Gained {
        /// Which slot.
        slot: SlotId,
        /// In which epoch; it goes into every proposal.
        epoch: Epoch,
        /// Its calls, tombstones included.
        calls: Vec<CallRecord>,
    },
    /// We no longer own a slot.
    Lost {
        /// Which slot.
        slot: SlotId,
    },
    /// An administrator wants a call ended.
    HangUp {
        /// Which call.
        call: CallId,
    },
    /// What is known of the trunks now, for calls that come from now on.
    Trunks(Arc<TrunkView>),
    /// Time has passed: look at what is due.
    Tick,
    /// The lease was lost (`true`) or is held again (`false`). Without a lease the engine sends
    /// nothing, proposes nothing and drops what arrives.
    Suspended(bool),
}

/// The outcome of a proposal is not known: it may have been committed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the outcome of the proposal is not known")]
pub struct Undecided;
