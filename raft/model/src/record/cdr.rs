//! The call detail record: written by the very entry that ends the call, named by its place in the
//! log, never changed afterwards.

use serde::{Deserialize, Serialize};

use crate::record::OwnerSpan;
use crate::{CallId, CdrId, Millis, Name};

/// One finished call, as it is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cdr {
    /// Its place in the log.
    pub id: CdrId,
    /// The call.
    pub call: CallId,
    /// Whose call it was.
    pub tenant: Name,
    /// The trunk it came from.
    pub trunk_in: Name,
    /// The trunk it went to, or was last tried at; `None` if no target was tried.
    pub trunk_out: Option<Name>,
    /// The caller's URI.
    pub from: String,
    /// The dialled URI.
    pub to: String,
    /// Call-ID of the caller's leg.
    pub caller_call_id: String,
    /// Call-ID of the callee's leg.
    pub callee_call_id: String,
    /// When the INVITE was admitted.
    pub started_at: Millis,
    /// When it was answered.
    pub answered_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Millis,
    /// From answer to end, in milliseconds; 0 for a call that was not answered.
    pub duration_ms: u64,
    /// How it went.
    pub disposition: Disposition,
    /// Why it ended.
    pub cause: Cause,
    /// Who ended it.
    pub hangup_by: HangupBy,
    /// Every owner of the call's slot during the call, in order.
    pub owners: Vec<OwnerSpan>,
    /// How often the call changed owner.
    pub takeovers: u32,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Disposition {
    /// Answered.
    Answered,
    /// Nobody answered in time.
    NoAnswer,
    /// The callee was busy or declined (486, 600, 603).
    Busy,
    /// Any other failure.
    Failed,
    /// The caller gave up.
    Canceled,
}

impl Disposition {
    /// The word that billing systems expect.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ANSWERED",
            Self::NoAnswer => "NO ANSWER",
            Self::Busy => "BUSY",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }
}

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The SIP status code that says it best: 200 for an answered call that was hung up.
    pub status: u16,
    /// A short text for people.
    pub text: Name,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HangupBy {
    /// The caller: BYE or CANCEL.
    Caller,
    /// The callee: BYE or a final failure.
    Callee,
    /// An administrator.
    Admin,
    /// A deadline: no answer, no ACK, maximum duration.
    Timer,
    /// The switch: no route, no target left.
    Switch,
}

impl HangupBy {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Admin => "admin",
            Self::Timer => "timer",
            Self::Switch => "switch",
        }
    }
}
