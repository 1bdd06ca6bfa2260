//! The phases of a call in which its owner is killed.

use crate::reconcile::Expect;

/// A phase of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The INVITE was received, but no majority has it: the owner was cut off.
    Received,
    /// The INVITE is committed: the caller has its 100, the callee does not ring yet.
    Committed,
    /// The callee rings.
    Ringing,
    /// The caller has the 200; its ACK is not sent yet.
    Answered,
    /// The call is up.
    Talking,
    /// The caller's BYE is on its way.
    HangingUp,
    /// The caller's CANCEL is on its way.
    Canceling,
}

impl Phase {
    /// All phases, in the order of a call.
    pub const ALL: [Self; 7] = [
        Self::Received,
        Self::Committed,
        Self::Ringing,
        Self::Answered,
        Self::Talking,
        Self::HangingUp,
        Self::Canceling,
    ];

    /// A few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Received => "INVITE received",
            Self::Committed => "INVITE committed",
            Self::Ringing => "ringing",
            Self::Answered => "between 200 and ACK",
            Self::Talking => "during the call",
            Self::HangingUp => "BYE in flight",
            Self::Canceling => "CANCEL in flight",
        }
    }

    /// What is the case when the owner dies.
    #[must_use]
    pub const fn moment(self) -> &'static str {
        match self {
            Self::Received => {
                "the owner has the INVITE, but no other node has: it must say nothing"
            }
            Self::Committed => "the caller has its 100 Trying, the callee does not ring yet",
            Self::Ringing => "the caller hears ringing, nobody has answered",
            Self::Answered => "the caller has the 200 OK, its ACK is not sent yet",
            Self::Talking => "both sides talk; they hang up right after the kill",
            Self::HangingUp => "the callers' BYEs are being sent",
            Self::Canceling => "the callers' CANCELs are being sent",
        }
    }

    /// What is to become of the calls.
    #[must_use]
    pub const fn expect(self) -> Expect {
        match self {
            Self::Canceling => Expect::Canceled,
            Self::Received
            | Self::Committed
            | Self::Ringing
            | Self::Answered
            | Self::Talking
            | Self::HangingUp => Expect::Answered,
        }
    }
}
