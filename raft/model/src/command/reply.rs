//! What apply answers to the proposer of a command.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::limit::{LimitFault, LimitRefusal, Passage, TokenGrant};
use crate::record::Phase;
use crate::{CallId, CdrId, Epoch, Name, NodeId, SlotId, Step};

/// The outcome of a command. The same on every replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It took effect, now or when it was first applied.
    Done,
    /// It ended a call, which is billed with this record.
    Ended(CdrId),
    /// How many slots moved, or tombstones went.
    Count(u32),
    /// It took no effect.
    Rejected(Rejection),
    /// An administrator's write took effect as this entry of the log.
    At(u64),
    /// A call is admitted, or may be held or marked.
    Admitted(Passage),
    /// A limit refuses a call, or its next target. Nothing of it is kept but this answer.
    Refused(LimitRefusal),
    /// Tokens are leased.
    Leased(TokenGrant),
    /// A node has this number.
    Node(NodeId),
}

impl Reply {
    /// The entry of an administrator's write, or why it took no effect; `None`: this is no reply to one.
    #[must_use]
    pub fn entry(self) -> Option<Result<u64, Rejection>> {
        match self {
            Self::At(index) => Some(Ok(index)),
            Self::Rejected(rejection) => Some(Err(rejection)),
            Self::Done
            | Self::Ended(_)
            | Self::Count(_)
            | Self::Admitted(_)
            | Self::Refused(_)
            | Self::Leased(_)
            | Self::Node(_) => None,
        }
    }
}

/// Why a command took no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// The proposer no longer owns the slot.
    #[error(
        "slot {slot} is owned by node {owner} in epoch {current}; the proposal named epoch {named}"
    )]
    StaleEpoch {
        /// Which slot.
        slot: SlotId,
        /// The epoch in the command.
        named: Epoch,
        /// The epoch in the table.
        current: Epoch,
        /// Who owns it now.
        owner: NodeId,
    },
    /// The slot does not exist.
    #[error("there is no slot {slot}")]
    UnknownSlot {
        /// Which slot.
        slot: SlotId,
    },
    /// The call does not exist, or its tombstone is gone.
    #[error("there is no call {call}")]
    UnknownCall {
        /// Which call.
        call: CallId,
    },
    /// The command is not the call's next one.
    #[error("call {call} is at step {committed}; step {named} does not follow")]
    StepGap {
        /// Which call.
        call: CallId,
        /// The last committed step.
        committed: Step,
        /// The step in the command.
        named: Step,
    },
    /// The call is not in a phase in which this can happen.
    #[error("call {call} is in phase {phase:?}, in which this cannot happen")]
    WrongPhase {
        /// Which call.
        call: CallId,
        /// Its phase.
        phase: Phase,
    },
    /// A bound of [`crate::limits`] is passed, or a number is out of range.
    #[error("{what} is out of bounds")]
    OutOfBounds {
        /// What.
        what: String,
    },
    /// The node does not exist.
    #[error("there is no node {node}")]
    UnknownNode {
        /// Which node.
        node: NodeId,
    },
    /// The cluster was formed before, with another id.
    #[error("the cluster was formed before, with another id")]
    AlreadyFormed,
    /// The cluster was not formed yet.
    #[error("the cluster was not formed yet")]
    NotFormed,
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// There is a user of that name, and it was not to be replaced.
    #[error("there is a user of that name")]
    UserExists,
    /// A REGISTER with the Call-ID of a binding whose CSeq is not higher (RFC 3261 section 10.3).
    #[error("the binding was changed by CSeq {committed}; {named} does not follow")]
    OldCSeq {
        /// Of the REGISTER that changed the binding last.
        committed: u32,
        /// Of this one.
        named: u32,
    },
    /// The address of record would have too many bindings.
    #[error("{limit} bindings are as many as the address of record may have")]
    TooManyBindings {
        /// How many it may have.
        limit: u16,
    },
    /// There are as many users or bindings as the cluster may have.
    #[error("the cluster may have {limit} {what}, and has")]
    RegistrarFull {
        /// Of what.
        what: String,
        /// How many.
        limit: u64,
    },
    /// Somebody else has changed the limits meanwhile.
    #[error(
        "the limits are at version {current}, the change was made for version {expected}: look at them again"
    )]
    LimitVersion {
        /// The version in the command.
        expected: u64,
        /// The present one.
        current: u64,
    },
    /// A fault of the limits' configuration, or of a name in it.
    #[error(transparent)]
    Limits(Box<LimitFault>),
    /// Tokens cannot be leased to a run of a process that is not the node's last.
    #[error("node {node} runs as another process now")]
    StaleIncarnation {
        /// The node.
        node: NodeId,
    },
    /// The number was used before, or is below one that was.
    #[error("number {node} was used before: nodes get numbers above {highest}")]
    NodeUsed {
        /// The number that was asked for.
        node: NodeId,
        /// The highest one that was ever used.
        highest: NodeId,
    },
    /// Another node is at that address.
    #[error("{rpc} is the address of node {node}")]
    AddressTaken {
        /// The address.
        rpc: SocketAddr,
        /// Whose it is.
        node: NodeId,
    },
    /// The node was removed.
    #[error("node {node} was removed from the cluster")]
    NodeRemoved {
        /// Which node.
        node: NodeId,
    },
    /// The node still owns slots.
    #[error("node {node} still owns {slots} slots")]
    StillOwner {
        /// Which node.
        node: NodeId,
        /// How many.
        slots: u32,
    },
    /// How call detail records are kept was changed meanwhile.
    #[error(
        "the retention of CDRs is at version {current}, the change was made for version \
         {expected}: look at it again"
    )]
    CdrRetention {
        /// The version in the command.
        expected: u64,
        /// The present one.
        current: u64,
    },
    /// A consumer has not dealt with call detail records that were to be purged.
    #[error("sink \"{sink}\" has come to CDR {cursor} only: what follows is kept for it")]
    CdrHeld {
        /// Which.
        sink: Name,
        /// How far it has come.
        cursor: CdrId,
    },
    /// A consumer's cursor was to go back.
    #[error("sink \"{sink}\" has come to CDR {committed}: its cursor does not go back to {named}")]
    CursorGoesBack {
        /// Which.
        sink: Name,
        /// How far it had come.
        committed: CdrId,
        /// The cursor in the command.
        named: CdrId,
    },
    /// A purge was decided by a state that is no more: the next one is decided anew.
    #[error("CDRs were purged up to {floor} meanwhile")]
    CdrsPurged {
        /// The first that is left.
        floor: CdrId,
    },
}
