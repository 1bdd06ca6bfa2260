//! `Admit`: the call's record is made; everything another node needs to go on is in it.

use holdline_model::{Admit, CallCommand, CallRecord, Rejection, Reply, State, Step, limits};

use crate::Outcome;

pub(crate) fn apply<S: State>(
    state: &mut S,
    command: &CallCommand,
    admit: &Admit,
    existing: Option<&CallRecord>,
) -> Result<Outcome, S::Error> {
    if let Some(existing) = existing {
        return Ok(repeated(existing, command, admit));
    }
    if command.step != Step(1) {
        return Ok(Err(Rejection::StepGap {
            call: command.call,
            committed: Step(0),
            named: command.step,
        }));
    }
    if let Some(what) = out_of_bounds(admit) {
        return Ok(Err(Rejection::OutOfBounds { what: what.to_owned() }));
    }
    let record = CallRecord::admitted(command.call, command.step, command.epoch, command.at, admit);
    state.put_call(record)?;
    Ok(Ok(Reply::Done))
}

/// The same admission again is answered as before; another call under the same id is refused.
fn repeated(existing: &CallRecord, command: &CallCommand, admit: &Admit) -> Outcome {
    let same = existing.admission.call_id == admit.call_id
        && existing.admission.from_tag == admit.from_tag
        && existing.admission.cseq == admit.cseq;
    if same {
        Ok(Reply::Done)
    } else {
        Err(Rejection::WrongPhase { call: command.call, phase: existing.phase })
    }
}

const fn out_of_bounds(admit: &Admit) -> Option<&'static str> {
    if admit.targets.len() > limits::MAX_TARGETS {
        return Some("number of targets");
    }
    if admit.invite.len() > limits::MAX_MESSAGE_BYTES {
        return Some("size of the INVITE");
    }
    None
}
