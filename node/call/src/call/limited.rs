//! What the limits have said: a call that is refused, held back, or may not go to a target.

use bytes::Bytes;
use holdline_model::limit::LimitRefusal;
use holdline_model::{
    Attempt, CallChange, CancelCause, Cause, Disposition, Fail, HangupBy, Millis,
};

use super::{Call, Ctx, Fate};
use crate::messages::{self, Refuse};
use crate::{Event, Refusal};

impl Call {
    /// A limit refuses the call, or its next target. That is committed: nobody else will answer
    /// otherwise.
    pub(super) fn limited(&mut self, ctx: &mut Ctx<'_>, refusal: LimitRefusal) -> Fate {
        let Some(proposal) = self.proposal.take() else { return Fate::Keep };
        if let CallChange::Attempt(attempt) = &proposal.command.change {
            let change = self.after_full_target(attempt);
            ctx.event(limit_event(&refusal));
            self.propose(ctx, change, proposal.trigger);
            return Fate::Keep;
        }
        if let Some(invite) = &self.invite {
            let LimitRefusal { status, retry_after_ms, .. } = refusal;
            let refuse = Refuse::Limited { status, retry_after_ms };
            let bytes = messages::refuse(invite, self.record.admission.hop, refuse);
            ctx.event(limit_event(&refusal));
            ctx.event(Event::Refused { reason: Refusal::Limited });
            ctx.respond(self.reply_to, "INVITE", status, bytes);
        }
        Fate::Forget
    }

    /// The target's trunk has too many calls: the one after it is tried, or the call has failed.
    fn after_full_target(&self, full: &Attempt) -> CallChange {
        // Targets that it would have added are not there.
        let is_added = !full.targets.is_empty();
        let index = if is_added { full.index } else { self.record.round_from(full.index).end };
        if usize::from(index) < self.record.targets.len() {
            let best = full.best.clone();
            return CallChange::Attempt(Box::new(Attempt { index, targets: Vec::new(), best }));
        }
        CallChange::Fail(Box::new(Fail {
            attempt: self.record.attempt,
            by: HangupBy::Switch,
            cause: Cause { status: 503, text: "too many calls at the last target".into() },
            disposition: Disposition::Failed,
            response: Bytes::new(),
            late_answer: None,
        }))
    }

    /// Until when the INVITE to the first target is held back; `None` if it is not.
    pub(super) fn held_until(&self, now: Millis) -> Option<Millis> {
        let admission = &self.record.admission;
        let until = admission.at.plus_ms(admission.passage.hold_ms);
        let is_first = self.record.attempt == admission.passage.first;
        let is_silent = self.record.early.is_empty();
        (is_first && is_silent && until > now).then_some(until)
    }

    /// The call was given up while it was held back: its target has heard nothing of it.
    pub(super) fn given_up_while_held(&mut self, ctx: &mut Ctx<'_>, cause: CancelCause) {
        self.release_at = None;
        self.propose(
            ctx,
            CallChange::Fail(Box::new(super::inviting::given_up(cause, self.record.attempt))),
            None,
        );
    }
}

fn limit_event(refusal: &LimitRefusal) -> Event {
    let LimitRefusal { class, shortage, status, .. } = refusal;
    Event::Limited { class: class.clone(), shortage: *shortage, status: *status }
}
