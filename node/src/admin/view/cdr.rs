//! A call detail record.

use holdline_model::Cdr;
use serde::{Deserialize, Serialize};

use super::{OwnerView, time};

/// One finished call, as it is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrView {
    /// Its place in the log: the same on every node, and never used again.
    pub id: String,
    /// The call.
    pub call: String,
    /// Whose call it was: what `account` selects.
    pub tenant: String,
    /// The trunk it came from.
    pub trunk_in: String,
    /// The trunk it went to, or was last tried at.
    pub trunk_out: Option<String>,
    /// The caller's URI.
    pub from: String,
    /// The dialled URI.
    pub to: String,
    /// Call-ID of the caller's leg.
    pub caller_call_id: String,
    /// Call-ID of the callee's leg.
    pub callee_call_id: String,
    /// When the INVITE's admission was proposed.
    pub started_at: String,
    /// When it was decided, by the limits' clock; the same as `started_at` without limits.
    pub admitted_at: String,
    /// When it was answered.
    pub answered_at: Option<String>,
    /// When it ended.
    pub ended_at: String,
    /// From answer to end; 0 for a call that was not answered.
    pub duration_ms: u64,
    /// `ANSWERED`, `NO ANSWER`, `BUSY`, `FAILED` or `CANCELED`.
    pub disposition: String,
    /// The SIP status that says best why it ended: 200 for an answered call that was hung up.
    pub status: u16,
    /// The same in words.
    pub cause: String,
    /// `caller`, `callee`, `admin`, `timer` or `switch`.
    pub hangup_by: String,
    /// Every owner of the call, in order.
    pub owners: Vec<OwnerView>,
    /// How often it changed owner.
    pub takeovers: u32,
}

impl From<&Cdr> for CdrView {
    fn from(cdr: &Cdr) -> Self {
        Self {
            id: cdr.id.to_string(),
            call: cdr.call.to_string(),
            tenant: cdr.tenant.to_string(),
            trunk_in: cdr.trunk_in.to_string(),
            trunk_out: cdr.trunk_out.as_ref().map(ToString::to_string),
            from: cdr.from.clone(),
            to: cdr.to.clone(),
            caller_call_id: cdr.caller_call_id.clone(),
            callee_call_id: cdr.callee_call_id.clone(),
            started_at: time::format(cdr.started_at),
            admitted_at: time::format(cdr.admitted_at),
            answered_at: cdr.answered_at.map(time::format),
            ended_at: time::format(cdr.ended_at),
            duration_ms: cdr.duration_ms,
            disposition: cdr.disposition.as_str().to_owned(),
            status: cdr.cause.status,
            cause: cdr.cause.text.to_string(),
            hangup_by: cdr.hangup_by.as_str().to_owned(),
            owners: cdr.owners.iter().map(OwnerView::from).collect(),
            takeovers: cdr.takeovers,
        }
    }
}
