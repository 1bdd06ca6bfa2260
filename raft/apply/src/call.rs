//! The fence in front of every call command: slot, epoch, call, step, phase.

use holdline_limit::LimitState;
use holdline_model::{
    CallChange, CallCommand, CallRecord, Phase, Rejection, Reply, SlotRecord, mutant,
};

use crate::{Action, Outcome, Position};
use crate::{ack_seen, admit, answer, attempt, branch_over, cancel, early, end, fail, session};

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    position: Position,
    command: &CallCommand,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    let Some(slot) = state.slot(command.call.slot)? else {
        return Ok(Err(Rejection::UnknownSlot { slot: command.call.slot }));
    };
    if let Some(rejection) = stale(&slot, command) {
        return Ok(Err(rejection));
    }
    let record = state.call(command.call)?;
    if let CallChange::Admit(admission) = &command.change {
        return admit::apply(state, slot.owner, command, admission, record.as_ref());
    }
    let Some(mut record) = record else {
        return Ok(Err(Rejection::UnknownCall { call: command.call }));
    };
    if let Some(outcome) = repeated_or_gap(&record, command) {
        return Ok(outcome);
    }
    if !possible(record.phase, &command.change) {
        return Ok(Err(Rejection::WrongPhase { call: command.call, phase: record.phase }));
    }
    record.step = command.step;
    record.epoch = command.epoch;
    let outcome = match &command.change {
        CallChange::Admit(_) => Ok(Reply::Done),
        CallChange::Attempt(change) => attempt::apply(state, &mut record, change)?,
        CallChange::Early(change) => early::apply(&mut record, change),
        CallChange::Cancel(change) => cancel::apply(&mut record, *change),
        CallChange::Answer(change) => answer::apply(&mut record, change, command.at),
        CallChange::AckSeen(change) => ack_seen::apply(&mut record, change),
        CallChange::Reinviting(change) => session::reinviting(&mut record, change),
        CallChange::Reinvited(change) => session::reinvited(&mut record, change, command.at),
        CallChange::ReinviteAcked(change) => session::reinvite_acked(&mut record, change),
        CallChange::Updated(change) => session::updated(&mut record, change),
        CallChange::Counted(change) => session::counted(&mut record, *change),
        CallChange::Pracked(change) => session::pracked(&mut record, *change),
        CallChange::BranchOver(change) => branch_over::apply(&mut record, change),
        CallChange::Settled => branch_over::settled(&mut record),
        CallChange::Asked(change) => session::asked(&mut record, *change),
        CallChange::Fail(change) => {
            return fail::apply(state, position, record, &slot, command.at, change, actions);
        }
        CallChange::End(change) => {
            return end::apply(state, position, record, &slot, command.at, change, actions);
        }
    };
    if outcome.as_ref().is_ok_and(|reply| !matches!(reply, Reply::Refused(_))) {
        state.put_call(record)?;
    }
    Ok(outcome)
}

fn stale(slot: &SlotRecord, command: &CallCommand) -> Option<Rejection> {
    (slot.epoch != command.epoch && !mutant::is("no-epoch-check")).then_some(
        Rejection::StaleEpoch {
            slot: slot.slot,
            named: command.epoch,
            current: slot.epoch,
            owner: slot.owner,
        },
    )
}

fn repeated_or_gap(record: &CallRecord, command: &CallCommand) -> Option<Outcome> {
    if command.step == record.step {
        return Some(Ok(first_reply(record)));
    }
    (command.step != record.step.next()).then_some(Err(Rejection::StepGap {
        call: record.call,
        committed: record.step,
        named: command.step,
    }))
}

/// What the last committed step was answered with.
fn first_reply(record: &CallRecord) -> Reply {
    record.end.as_ref().map_or(Reply::Done, |end| Reply::Ended(end.cdr))
}

/// Whether a change can happen in a phase.
const fn possible(phase: Phase, change: &CallChange) -> bool {
    match change {
        CallChange::Admit(_) => false,
        CallChange::Attempt(_)
        | CallChange::Early(_)
        | CallChange::BranchOver(_)
        | CallChange::Cancel(_)
        | CallChange::Answer(_)
        | CallChange::Fail(_) => matches!(phase, Phase::Inviting),
        CallChange::AckSeen(_) => matches!(phase, Phase::Answered),
        CallChange::End(_)
        | CallChange::Reinviting(_)
        | CallChange::Reinvited(_)
        | CallChange::ReinviteAcked(_)
        | CallChange::Settled
        | CallChange::Asked(_)
        | CallChange::Counted(_) => matches!(phase, Phase::Answered | Phase::Confirmed),
        CallChange::Updated(_) | CallChange::Pracked(_) => !matches!(phase, Phase::Finished),
    }
}
