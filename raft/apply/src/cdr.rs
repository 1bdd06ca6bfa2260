//! The call detail record, composed from the call's record when it ends.

use holdline_model::{
    CallRecord, Cause, Cdr, CdrId, Disposition, Epoch, HangupBy, Millis, OwnerSpan, SlotRecord,
    Token,
};

use crate::Position;

/// How a call ends.
pub(crate) struct Ending<'a> {
    pub(crate) at: Millis,
    pub(crate) by: HangupBy,
    pub(crate) cause: &'a Cause,
    pub(crate) disposition: Disposition,
}

pub(crate) fn compose(
    position: Position,
    record: &CallRecord,
    slot: &SlotRecord,
    ending: &Ending<'_>,
) -> Cdr {
    let answered_at = record.answer.as_ref().map(|answer| answer.at);
    let owners = owners_since(slot, record.admit_epoch);
    Cdr {
        id: CdrId { index: position.index, position: position.position },
        call: record.call,
        tenant: record.admission.tenant.clone(),
        trunk_in: record.admission.trunk.clone(),
        trunk_out: record
            .targets
            .get(usize::from(record.attempt))
            .map(|target| target.trunk.clone()),
        from: record.admission.from.clone(),
        to: record.admission.to.clone(),
        caller_call_id: record.admission.call_id.clone(),
        callee_call_id: Token::callee_call_id(record.call),
        started_at: record.admission.at,
        admitted_at: record.admission.at.plus_ms(record.admission.passage.late_ms),
        answered_at,
        ended_at: ending.at,
        duration_ms: answered_at.map_or(0, |answered| ending.at.since(answered)),
        disposition: ending.disposition,
        cause: ending.cause.clone(),
        hangup_by: ending.by,
        takeovers: takeovers(slot, record.admit_epoch),
        owners,
    }
}

/// The owners of the slot from the one that admitted the call to the present one. When the slot
/// has changed owner more often than its history is long, the oldest are missing here, but
/// [`takeovers`] still counts them.
fn owners_since(slot: &SlotRecord, admitted: Epoch) -> Vec<OwnerSpan> {
    slot.history.iter().filter(|span| span.epoch >= admitted).copied().collect()
}

/// Every change of epoch since the admission is a takeover: a failure, a drain, a hand-back, a
/// restart.
fn takeovers(slot: &SlotRecord, admitted: Epoch) -> u32 {
    u32::try_from(slot.epoch.0.saturating_sub(admitted.0)).unwrap_or(u32::MAX)
}
