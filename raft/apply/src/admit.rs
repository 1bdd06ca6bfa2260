//! `Admit`: the limits say their verdict, and the call's record is made; everything another node needs
//! to go on is in it. A refused call leaves no record and no CDR: it is counted by the class that
//! refused it, and its INVITE is remembered for a while, so that it is refused again.

use holdline_limit::LimitState;
use holdline_model::limit::{Passage, Verdict};
use holdline_model::{Admit, CallCommand, CallRecord, NodeId, Rejection, Reply, Step, limits};

use crate::Outcome;

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    proposer: NodeId,
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
    let mut record =
        CallRecord::admitted(command.call, command.step, command.epoch, command.at, admit);
    let verdict = state.limits(|table| {
        let verdict = table.admit(proposer, command.at, command.call, admit);
        if let Verdict::Admitted(passage) = &verdict {
            record.pass(passage);
            table.call_up(&record);
        }
        verdict
    })?;
    match verdict {
        Verdict::Refused(refusal) => Ok(Ok(Reply::Refused(refusal))),
        Verdict::Admitted(passage) => {
            state.put_call(record)?;
            Ok(Ok(admitted(&passage)))
        }
    }
}

/// The reply to an admission; the plain one says nothing about limits.
fn admitted(passage: &Passage) -> Reply {
    if passage.is_plain() { Reply::Done } else { Reply::Admitted(passage.clone()) }
}

/// The same admission again is answered as before; another call under the same id is refused.
fn repeated(existing: &CallRecord, command: &CallCommand, admit: &Admit) -> Outcome {
    let same = existing.admission.call_id == admit.call_id
        && existing.admission.from_tag == admit.from_tag
        && existing.admission.cseq == admit.cseq;
    if same {
        Ok(admitted(&existing.admission.passage))
    } else {
        Err(Rejection::WrongPhase { call: command.call, phase: existing.phase })
    }
}

fn out_of_bounds(admit: &Admit) -> Option<&'static str> {
    if admit.targets.len() > limits::MAX_TARGETS {
        return Some("number of targets");
    }
    if admit.targets.iter().any(|target| target.fields.len() > limits::MAX_TARGET_FIELDS) {
        return Some("number of header fields of a target");
    }
    if admit.advertised.len() > limits::MAX_ADVERTISED {
        return Some("number of listeners");
    }
    if admit.invite.len() > limits::MAX_MESSAGE_BYTES {
        return Some("size of the INVITE");
    }
    let demand = &admit.demand;
    if demand.caller.len() > limits::MAX_LIMIT_TEXT || demand.called.len() > limits::MAX_LIMIT_TEXT
    {
        return Some("length of a number");
    }
    None
}
