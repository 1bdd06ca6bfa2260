//! What an engine tells the node for logs, metrics and tests. No personal data: no numbers, no
//! addresses, no Call-IDs of peers.

use std::fmt;
use std::net::IpAddr;

use holdline_model::limit::{Operation, Shortage};
use holdline_model::{CallId, CdrId, Disposition, HangupBy, Name};

use crate::TrunkNews;

/// Something worth counting or logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was received.
    Request {
        /// Its method; `OTHER` for one that we do not know.
        method: &'static str,
    },
    /// An answer was received from a peer.
    ResponseReceived {
        /// The method it answers; `OTHER` for one that we do not know.
        method: &'static str,
        /// The first digit of its status.
        class: u16,
    },
    /// An answer was sent to a peer for the first time or again.
    ResponseSent {
        /// The method it answers; `OTHER` for one that we do not know.
        method: &'static str,
        /// The first digit of its status.
        class: u16,
    },
    /// A call was admitted, and that is committed.
    Admitted {
        /// Which.
        call: CallId,
        /// The trunk it came from.
        trunk: Name,
    },
    /// A limit refused a call, or its next target, and that is committed.
    Limited {
        /// The class, set of buckets or cap.
        class: Name,
        /// What it is short of.
        shortage: Shortage,
        /// The status of the answer.
        status: u16,
    },
    /// A request that is no call was refused, because the cluster has no tokens for it.
    Throttled {
        /// The class.
        class: Name,
        /// What was asked for.
        operation: Operation,
        /// The status of the answer.
        status: u16,
    },
    /// A call was admitted over a limit that marks.
    Marked {
        /// Which.
        call: CallId,
    },
    /// The next target of a call is tried, and that is committed.
    Attempted {
        /// Which call.
        call: CallId,
        /// The trunk that is tried.
        trunk: Name,
    },
    /// A call was answered, and that is committed.
    Answered {
        /// Which.
        call: CallId,
        /// From admission to answer, in milliseconds.
        setup_ms: u64,
    },
    /// A call ended, and that is committed.
    Ended {
        /// Which.
        call: CallId,
        /// How it is billed.
        disposition: Disposition,
        /// Who ended it.
        by: HangupBy,
        /// Its call detail record; `None` if the reply did not name it.
        cdr: Option<CdrId>,
    },
    /// A call was taken over from another owner, rebuilt, and is in our hands.
    Recovered {
        /// Which.
        call: CallId,
        /// Whether something committed had to be sent again.
        resent: bool,
    },
    /// The sender of a request was asked who it is, or said so.
    Authenticated {
        /// What came of it.
        outcome: Authentication,
        /// Where the request came from: for whoever counts failures by source, not for logs.
        source: IpAddr,
    },
    /// A REGISTER with the right password was handled.
    Registered {
        /// What came of it.
        outcome: Registration,
    },
    /// A request was answered with a refusal, without state.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// Something was not acted upon.
    Dropped {
        /// Why.
        reason: DropReason,
    },
    /// The outcome of a proposal is unknown; it will be made again.
    Undecided {
        /// Which call.
        call: CallId,
    },
    /// A proposal was refused for a reason that no correct owner meets. A human must look.
    Rejected {
        /// Which call.
        call: CallId,
        /// Why, as the replicated state says.
        reason: String,
    },
    /// A peer never confirmed a message of ours, and it was given up.
    GaveUp {
        /// Which call.
        call: CallId,
        /// What was sent in vain.
        what: Unconfirmed,
    },
    /// A call found out something about a trunk.
    Trunk(TrunkNews),
}

/// Why a request was refused without state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its source belongs to no trunk: 403.
    UnknownSource,
    /// Too many calls, or too many finished ones: 503.
    TooManyCalls,
    /// Max-Forwards is used up: 483.
    TooManyHops,
    /// It requires an extension that we do not have: 420.
    BadExtension,
    /// A header that this method needs is missing or wrong: 400.
    BadRequest,
    /// It could not be parsed: 400 or 505.
    Malformed,
    /// It names a dialog or transaction that is not there: 481.
    NoDialog,
    /// The same INVITE came another way: 482.
    Merged,
    /// Its method is not allowed: 405, or 501 if it is not known.
    Method,
    /// A change of the session that crosses one of the other side's: 491.
    Glare,
    /// A change of the session before the last one was answered: 500 with Retry-After.
    Overlapping,
    /// More requests go through a call than it may have at a time: 500 with Retry-After.
    TooManyRequests,
    /// Its CSeq is lower than one seen before: 500.
    OldCSeq,
    /// The node is overloaded: 503.
    Overload,
    /// The admission was rejected by the replicated state: 500.
    NotAdmitted,
    /// A REGISTER for a domain that is not ours: 404.
    UnknownDomain,
    /// A call to a user that does not exist: 404.
    UnknownUser,
    /// A call to a user who is not registered: 480.
    Absent,
    /// Whether the user it calls is there, or its password right, cannot be known now: 503.
    NotCurrent,
    /// The password is another user's: 403.
    OtherUser,
    /// A session timer that is too short: 422.
    SessionTimer,
    /// A REGISTER for too short a time: 423.
    TooBrief,
    /// More bindings than the address, or the cluster, may have: 403, 503.
    TooManyBindings,
    /// A limit is reached: 429 or 503.
    Limited,
    /// No trunk of its route is usable, and its group is not to be tried all the same: 503.
    TrunksDown,
}

/// Why something was not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The slot is not ours.
    NotOwner,
    /// No lease: whatever we did might be done twice.
    Suspended,
    /// An answer that matches nothing of ours.
    StrayResponse,
    /// An ACK that matches nothing of ours.
    StrayAck,
    /// A message that could not be parsed, and cannot be answered.
    Unanswerable,
    /// The call's queue is full; the peer sends it again.
    QueueFull,
    /// A call that somebody else owns now: our machine for it is gone.
    Deposed,
    /// The call is not known here.
    UnknownCall,
    /// A decision that no proposal of ours waits for.
    StrayDecision,
    /// The admission is already being committed.
    Absorbed,
    /// A record that should be rebuilt cannot be: a stored message does not parse.
    BadRecord,
    /// Slots gained in an epoch older than the one we know.
    OldEpoch,
    /// More forks answered than one call hangs up.
    TooManyForks,
    /// The replicated state could not be read.
    Unreadable,
    /// A contact of a redirection that no route leads to.
    Redirection,
    /// The request waits until this node has caught up; the peer sends it again.
    Waiting,
}

/// What came of asking who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// It brought no credentials, and was challenged.
    Challenged,
    /// It proved that it knows the password.
    Proved,
    /// It did not: a wrong password, or no such user.
    Wrong,
    /// The password is right, the nonce is over: challenged again.
    Stale,
    /// The nonce was used with this count before: challenged again.
    Replayed,
}

impl Authentication {
    /// The word used as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenged => "challenged",
            Self::Proved => "proved",
            Self::Wrong => "wrong",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
        }
    }
}

/// What came of a REGISTER with the right password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Registration {
    /// Bindings changed, and that is committed.
    Committed,
    /// What is committed covers it.
    Refreshed,
    /// It only asked.
    Queried,
    /// It was answered before.
    Repeated,
    /// It is not known whether it was committed; the device says it again.
    Undecided,
}

impl Registration {
    /// The word used as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Refreshed => "refreshed",
            Self::Queried => "queried",
            Self::Repeated => "repeated",
            Self::Undecided => "undecided",
        }
    }
}

/// A message that was never confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unconfirmed {
    /// A BYE.
    Bye,
    /// A CANCEL.
    Cancel,
    /// A final failure to the caller, whose ACK never came.
    Failure,
    /// An answer, whose ACK never came.
    Answer,
    /// A request of one side that went through to the other.
    Request,
}

impl Refusal {
    /// The word used as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::TooManyCalls => "too_many_calls",
            Self::TooManyHops => "too_many_hops",
            Self::BadExtension => "bad_extension",
            Self::BadRequest => "bad_request",
            Self::Malformed => "malformed",
            Self::NoDialog => "no_dialog",
            Self::Merged => "merged",
            Self::Method => "method",
            Self::Glare => "glare",
            Self::Overlapping => "overlapping",
            Self::TooManyRequests => "too_many_requests",
            Self::OldCSeq => "old_cseq",
            Self::Overload => "overload",
            Self::NotAdmitted => "not_admitted",
            Self::SessionTimer => "session_timer",
            Self::UnknownDomain => "unknown_domain",
            Self::UnknownUser => "unknown_user",
            Self::Absent => "absent",
            Self::NotCurrent => "not_current",
            Self::OtherUser => "other_user",
            Self::TooBrief => "too_brief",
            Self::TooManyBindings => "too_many_bindings",
            Self::Limited => "limited",
            Self::TrunksDown => "trunks_down",
        }
    }
}

impl DropReason {
    /// The word used as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOwner => "not_owner",
            Self::Suspended => "suspended",
            Self::StrayResponse => "stray_response",
            Self::StrayAck => "stray_ack",
            Self::Unanswerable => "unanswerable",
            Self::QueueFull => "queue_full",
            Self::Deposed => "deposed",
            Self::UnknownCall => "unknown_call",
            Self::StrayDecision => "stray_decision",
            Self::Absorbed => "absorbed",
            Self::BadRecord => "bad_record",
            Self::OldEpoch => "old_epoch",
            Self::TooManyForks => "too_many_forks",
            Self::Unreadable => "unreadable",
            Self::Redirection => "redirection",
            Self::Waiting => "waiting",
        }
    }
}

impl Unconfirmed {
    /// The word used as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bye => "bye",
            Self::Cancel => "cancel",
            Self::Failure => "failure",
            Self::Answer => "answer",
            Self::Request => "request",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
