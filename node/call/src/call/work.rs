//! What happened to a call and may need a proposal. One proposal is in flight per call; what happens
//! meanwhile waits here, in order, so that the order of proposals is the order of events.

use std::collections::VecDeque;

use holdline_model::{Hop, Side};
use holdline_sip::message::Message;

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// How it came, and how its answer goes.
    pub(crate) hop: Hop,
    /// The request.
    pub(crate) message: Message,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// A provisional answer with SDP to the INVITE to a target.
    Provisional {
        /// Which target.
        attempt: u16,
        /// The answer.
        message: Message,
    },
    /// A 2xx to the INVITE to a target.
    Success {
        /// Which target.
        attempt: u16,
        /// The answer.
        message: Message,
    },
    /// A failure of the INVITE to a target.
    Failure {
        /// Which target.
        attempt: u16,
        /// The answer.
        message: Message,
    },
    /// A target said nothing in time, or nothing final after a CANCEL.
    Silent {
        /// Which target.
        attempt: u16,
    },
    /// The caller's CANCEL.
    Cancel(Request),
    /// The caller's ACK of the 2xx.
    Ack(Request),
    /// The caller's ACK never came.
    NoAck,
    /// A BYE.
    Bye(Side, Request),
    /// An administrator hangs up.
    HangUp,
    /// A request to be passed on once its number is committed.
    Through(Side, Request),
    /// A 2xx to an UPDATE that was passed on.
    Updated {
        /// Who sent the UPDATE.
        from: Side,
        /// Its CSeq number.
        number: u32,
        /// The answer.
        message: Message,
    },
    /// A 2xx to a PRACK that was passed on.
    Pracked {
        /// The PRACK's CSeq number.
        number: u32,
        /// The answer.
        message: Message,
    },
    /// A provisional answer to an INVITE that was passed on.
    ReinviteProgress {
        /// Who sent the INVITE.
        from: Side,
        /// Its CSeq number.
        number: u32,
        /// The answer.
        message: Message,
    },
    /// A final answer to an INVITE that was passed on.
    Reinvited {
        /// Who sent the INVITE.
        from: Side,
        /// Its CSeq number.
        number: u32,
        /// The answer.
        message: Message,
    },
    /// The ACK of a 2xx that carried the offer.
    ReinviteAck(Request),
    /// The ACK of the answer to an INVITE that was passed on never came.
    ReinviteNoAck,
    /// A side has answered our refresh of the session.
    Refreshed {
        /// Which.
        side: Side,
        /// The answer.
        message: Message,
    },
    /// A side knows the dialog no longer, or does not answer.
    Gone {
        /// Which.
        side: Side,
        /// 481 or 408.
        status: u16,
    },
}

impl Work {
    /// Whether this is the same thing again, as far as a proposal is concerned: a retransmission.
    fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Provisional { attempt, message },
                Self::Provisional { attempt: other_attempt, message: other },
            ) => attempt == other_attempt && message.bytes() == other.bytes(),
            (
                Self::Success { attempt, message },
                Self::Success { attempt: other_attempt, message: other },
            ) => attempt == other_attempt && message.to().tag == other.to().tag,
            (Self::Failure { attempt, .. }, Self::Failure { attempt: other, .. })
            | (Self::Silent { attempt }, Self::Silent { attempt: other }) => attempt == other,
            (Self::Bye(side, request), Self::Bye(other_side, other)) => {
                side == other_side && request.message.cseq().number == other.message.cseq().number
            }
            (Self::Through(side, request), Self::Through(other_side, other)) => {
                side == other_side && request.message.cseq().number == other.message.cseq().number
            }
            (
                Self::Updated { from, number, .. },
                Self::Updated { from: other_from, number: other, .. },
            )
            | (
                Self::Reinvited { from, number, .. },
                Self::Reinvited { from: other_from, number: other, .. },
            ) => from == other_from && number == other,
            (Self::Refreshed { side, .. }, Self::Refreshed { side: other, .. }) => side == other,
            (Self::Pracked { number, .. }, Self::Pracked { number: other, .. }) => number == other,
            (
                Self::ReinviteProgress { message, .. },
                Self::ReinviteProgress { message: other, .. },
            ) => message.bytes() == other.bytes(),
            (Self::ReinviteAck(_), Self::ReinviteAck(_))
            | (Self::ReinviteNoAck, Self::ReinviteNoAck)
            | (Self::Gone { .. }, Self::Gone { .. })
            | (Self::Cancel(_), Self::Cancel(_))
            | (Self::Ack(_), Self::Ack(_))
            | (Self::NoAck, Self::NoAck)
            | (Self::HangUp, Self::HangUp) => true,
            (
                Self::Provisional { .. }
                | Self::Success { .. }
                | Self::Failure { .. }
                | Self::Silent { .. }
                | Self::Cancel(_)
                | Self::Ack(_)
                | Self::NoAck
                | Self::Bye(..)
                | Self::Through(..)
                | Self::Updated { .. }
                | Self::Pracked { .. }
                | Self::ReinviteProgress { .. }
                | Self::Reinvited { .. }
                | Self::ReinviteAck(_)
                | Self::ReinviteNoAck
                | Self::Refreshed { .. }
                | Self::Gone { .. }
                | Self::HangUp,
                _,
            ) => false,
        }
    }

    /// Whether it comes from the call itself, once at most, rather than from a peer.
    const fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::Silent { .. }
                | Self::NoAck
                | Self::ReinviteNoAck
                | Self::Gone { .. }
                | Self::HangUp
        )
    }
}

/// What became of something put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// It waits its turn.
    Waiting,
    /// It waits already.
    Repeated,
    /// There is no room for it.
    Full,
}

/// Work in order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    work: VecDeque<Work>,
}

impl Queue {
    /// Adds work, unless it is there already, is what is being decided, or there is no room.
    pub(crate) fn push(&mut self, work: Work, deciding: Option<&Work>, limit: usize) -> Queued {
        if deciding.into_iter().chain(&self.work).any(|other| other.repeats(&work)) {
            return Queued::Repeated;
        }
        if self.work.len() >= limit && !work.is_internal() {
            return Queued::Full;
        }
        self.work.push_back(work);
        Queued::Waiting
    }

    /// The work that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<Work> {
        let work = self.work.pop_front();
        if self.work.is_empty() {
            // An idle call keeps no buffer.
            self.work = VecDeque::new();
        }
        work
    }
}
