//! What the limits say to a request.

use serde::{Deserialize, Serialize};

use crate::Name;

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Admitted(Passage),
    /// It may not; nothing was taken.
    Refused(LimitRefusal),
}

/// How a request passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Header fields that the outgoing INVITE gets, each `Name: value`: one for each class that was
    /// over its limit and marks.
    pub marks: Vec<Name>,
    /// How long the outgoing INVITE is held back so that a shaped class is not passed, in
    /// milliseconds from the admission's time.
    pub hold_ms: u64,
    /// The first target that may have the call: those before it have too many already.
    pub first: u16,
    /// How much later than its time the admission was decided, in milliseconds, by the limits' clock:
    /// it was on its way, or waited for a leader.
    pub late_ms: u64,
}

impl Passage {
    /// Whether it passes like a request without limits: its proposer need not be told more.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.marks.is_empty() && self.hold_ms == 0 && self.first == 0 && self.late_ms == 0
    }
}

/// Why a request is refused, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRefusal {
    /// The class, bucket set or cap that refused.
    pub class: Name,
    /// What it is short of.
    pub shortage: Shortage,
    /// The status of the answer: 429 or 503.
    pub status: u16,
    /// When the bucket will have what was asked for, if nobody else asks, in milliseconds; at least 1.
    pub retry_after_ms: u64,
}

/// What a class is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shortage {
    /// Its own tokens are spent, and nobody lends any.
    Tokens,
    /// Its ceiling is reached.
    Ceiling,
    /// Too many calls are up.
    Calls,
    /// Its queue is full: the request would be held longer than it may be.
    Queue,
}

impl Shortage {
    /// The word used in metrics and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Ceiling => "ceiling",
            Self::Calls => "calls",
            Self::Queue => "queue",
        }
    }
}
