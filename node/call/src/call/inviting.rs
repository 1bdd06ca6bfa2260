//! A call that the callee has not answered yet: what each event leads to (RFC 3261 section 13, and
//! section 9 for CANCEL). Every branch either proposes or needs no proposal.

use bytes::Bytes;
use holdline_model::{
    Answer, Attempt, BranchFailure, CallChange, Cancel, CancelCause, Cause, Dialog, Disposition,
    Early, Fail, HangupBy, Side, Target, limits,
};
use holdline_sip::message::{Message, Method};

use super::challenged::is_challenge;
use super::work::{Request, Work};
use super::{Call, Ctx};
use crate::dialogs;
use crate::messages::{self, Refuse, status_of};
use crate::redirect::is_redirection;
use crate::{DropReason, Refusal, session_timer};

impl Call {
    pub(super) fn work_inviting(&mut self, ctx: &mut Ctx<'_>, work: Work) {
        match work {
            Work::Provisional { attempt, message } => self.early_media(ctx, attempt, message),
            Work::Success { attempt, message } => self.picked_up(ctx, attempt, message),
            Work::Failure { attempt, message } => self.target_failed(ctx, attempt, message),
            Work::Silent { attempt } => self.target_silent(ctx, attempt),
            Work::Cancel(request) => self.given_up_by_caller(ctx, Work::Cancel(request)),
            // Section 15: the caller may end an early dialog with BYE; it is a CANCEL with a 200.
            Work::Bye(Side::Caller, request) => {
                self.given_up_by_caller(ctx, Work::Bye(Side::Caller, request));
            }
            // Section 15: the callee cannot; an early dialog is ended with a failure.
            Work::Bye(Side::Callee, request) => {
                self.refuse_request(ctx, &request, Refuse::NoDialog, Refusal::NoDialog);
            }
            Work::HangUp => self.give_up(ctx, CancelCause::Admin, None),
            // Section 13.2.2.4: there is no 2xx yet that it could be for.
            Work::Ack(_) => ctx.dropped(DropReason::StrayAck),
            Work::Through(side, request) => self.count(ctx, side, request),
            Work::Updated { from, number, message } => {
                self.update_answered(ctx, from, number, message);
            }
            Work::Pracked { number, message } => self.prack_answered(ctx, number, message),
            // Within an answered call only.
            Work::NoAck
            | Work::ReinviteProgress { .. }
            | Work::Reinvited { .. }
            | Work::ReinviteAck(_)
            | Work::ReinviteNoAck
            | Work::Refreshed { .. }
            // Section 12.2.1.2 is about confirmed dialogs; the INVITE tells what becomes of this.
            | Work::Gone { .. } => {}
        }
    }

    fn early_media(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: Message) {
        if !self.is_pending(attempt) || self.is_given_up() {
            return;
        }
        let response = message.bytes().clone();
        if let Some((_, reliable)) = self.record.reliable(&response) {
            // The callee repeats it until the caller's PRACK comes through.
            if !reliable.acked {
                self.relay_provisional(ctx, attempt, &message);
            }
            return;
        }
        if self.record.early_of(attempt).is_some_and(|early| early.response == response) {
            // Committed before; the callee repeats it to keep the call from timing out (13.3.1.1).
            self.relay_provisional(ctx, attempt, &message);
            return;
        }
        let rseq = self.rseq_of(attempt, &message);
        let known = self.record.session.as_ref().map_or(0, |state| state.reliable.len());
        if rseq.is_some() && known >= limits::MAX_RELIABLE {
            ctx.dropped(DropReason::QueueFull);
            return;
        }
        let early = Early { attempt, status: status_of(&message), response, rseq };
        let trigger = Work::Provisional { attempt, message };
        self.propose(ctx, CallChange::Early(early), Some(trigger));
    }

    fn picked_up(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: Message) {
        let Some(mut callee) =
            dialogs::callee(&self.record, self.invite.as_deref(), attempt, &message)
        else {
            return;
        };
        locate(ctx, &mut callee);
        if !self.is_pending(attempt) {
            // This target was given up for the next one.
            self.hang_up_fork(ctx, attempt, callee);
            return;
        }
        let trigger = Some(Work::Success { attempt, message: message.clone() });
        if let Some(cause) = self.record.cancel {
            let fail = Fail { late_answer: Some(Box::new(callee)), ..given_up(cause, attempt) };
            self.propose(ctx, CallChange::Fail(Box::new(fail)), trigger);
            return;
        }
        if let Some(answer) = self.answer(ctx, attempt, callee, &message) {
            self.propose(ctx, CallChange::Answer(Box::new(answer)), trigger);
        }
    }

    fn answer(
        &self,
        ctx: &Ctx<'_>,
        attempt: u16,
        callee: Dialog,
        message: &Message,
    ) -> Option<Answer> {
        let mut caller = dialogs::caller(&self.record, self.invite.as_deref()?, attempt);
        locate(ctx, &mut caller);
        let end_by = ctx.options.max_call_duration.map(|limit| ctx.now + limit);
        let invite = self.invite.as_deref()?;
        let timer = session_timer::to_caller(&self.record, invite, message);
        let session_by = messages::through::session_by(&self.record, ctx.now, timer, message);
        let response = message.bytes().clone();
        Some(Answer { attempt, response, caller, callee, end_by, session_by })
    }

    fn target_failed(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: Message) {
        if !self.is_pending(attempt) {
            // What followed from it is committed: it may be acknowledged.
            self.ack_failure(ctx, attempt, &message);
            return;
        }
        let targets = self.led_to(ctx, attempt, &message);
        if !targets.is_empty() {
            let change = Attempt { index: self.record.round().end, targets, best: None };
            let trigger = Work::Failure { attempt, message };
            self.propose(ctx, CallChange::Attempt(Box::new(change)), Some(trigger));
            return;
        }
        let status = match status_of(&message) {
            // The caller has nothing to do with who we are to a trunk.
            status if is_challenge(status) => 500,
            status => status,
        };
        let failure = BranchFailure { attempt, status, response: message.bytes().clone() };
        self.branch_failed(ctx, failure, Work::Failure { attempt, message });
    }

    /// The targets that a failure itself leads to: those of a redirection, or the same once more with what
    /// it asks for.
    fn led_to(&mut self, ctx: &Ctx<'_>, attempt: u16, message: &Message) -> Vec<Target> {
        if self.is_forking() || self.is_given_up() {
            return Vec::new();
        }
        if is_redirection(message) {
            let redirected = self.redirected.take().filter(|(other, _)| *other == attempt);
            return redirected.map(|(_, targets)| targets).unwrap_or_default();
        }
        let again = match status_of(message) {
            422 => self.with_longer_timer(attempt, message),
            status if is_challenge(status) => self.challenged(ctx, attempt, message),
            _ => None,
        };
        again.into_iter().collect()
    }

    /// A target with the session timer that it wants; `None` if it was not ours that it refused.
    fn with_longer_timer(&self, attempt: u16, message: &Message) -> Option<Target> {
        if self.record.targets.len() >= limits::MAX_TARGETS {
            return None;
        }
        let target = self.record.targets.get(usize::from(attempt))?;
        let fields = session_timer::longer(target, message)?;
        Some(Target { fields, together: false, ..target.clone() })
    }

    fn target_silent(&mut self, ctx: &mut Ctx<'_>, attempt: u16) {
        if !self.is_pending(attempt) {
            return;
        }
        // Also if the caller gave up before: that is what callers do at a trunk that is silent.
        self.trunk_silent(ctx, attempt);
        let failure = BranchFailure { attempt, status: REQUEST_TIMEOUT, response: Bytes::new() };
        self.branch_failed(ctx, failure, Work::Silent { attempt });
    }

    fn given_up_by_caller(&mut self, ctx: &mut Ctx<'_>, trigger: Work) {
        if self.record.cancel.is_some() {
            // Committed before: a retransmission, or the caller gives up what we gave up already.
            self.confirm_request(ctx, &trigger);
            return;
        }
        self.give_up(ctx, CancelCause::Caller, Some(trigger));
    }

    pub(super) fn give_up(&mut self, ctx: &mut Ctx<'_>, cause: CancelCause, trigger: Option<Work>) {
        if self.record.cancel.is_none() {
            let trigger = trigger.or(match cause {
                CancelCause::Admin => Some(Work::HangUp),
                CancelCause::Caller | CancelCause::NoAnswer => None,
            });
            self.propose(ctx, CallChange::Cancel(Cancel { cause }), trigger);
        }
    }

    /// No route leads to the dialled number.
    pub(super) fn fail_without_route(&mut self, ctx: &mut Ctx<'_>) {
        let fail = Fail {
            attempt: 0,
            by: HangupBy::Switch,
            cause: Cause { status: 404, text: "no route to the dialled number".into() },
            disposition: Disposition::Failed,
            response: Bytes::new(),
            late_answer: None,
        };
        self.propose(ctx, CallChange::Fail(Box::new(fail)), None);
    }

    /// Tells the record that a provisional answer came: asynchronously, when there is nothing else
    /// to propose, so that it never holds up anything that matters more.
    pub(super) fn propose_ringing(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if !self.is_note_due(ctx.now) {
            return false;
        }
        self.note_at = None;
        let Some((attempt, status)) = self.ringing.take() else { return false };
        let is_known = self.record.early_of(attempt).is_some();
        if is_known || !self.is_pending(attempt) || self.record.cancel.is_some() {
            return false;
        }
        let early = Early { attempt, status, response: Bytes::new(), rseq: None };
        self.propose(ctx, CallChange::Early(early), None);
        true
    }

    /// The 200 to a CANCEL or BYE whose effect is committed.
    pub(super) fn confirm_request(&self, ctx: &mut Ctx<'_>, trigger: &Work) {
        match trigger {
            Work::Cancel(request) | Work::Bye(_, request) => self.reply_ok(ctx, request),
            Work::Provisional { .. }
            | Work::Success { .. }
            | Work::Failure { .. }
            | Work::Silent { .. }
            | Work::Ack(_)
            | Work::NoAck
            | Work::Through(..)
            | Work::Updated { .. }
            | Work::Pracked { .. }
            | Work::ReinviteProgress { .. }
            | Work::Reinvited { .. }
            | Work::ReinviteAck(_)
            | Work::ReinviteNoAck
            | Work::Refreshed { .. }
            | Work::Gone { .. }
            | Work::HangUp => {}
        }
    }

    pub(super) fn reply_ok(&self, ctx: &mut Ctx<'_>, request: &Request) {
        let tag = self.tag_for(&request.message);
        let bytes = messages::ok(&request.message, request.hop, &tag);
        let to = messages::reply_hop(&request.message, request.hop);
        let method = messages::label(request.message.cseq().method);
        ctx.respond(to, method, 200, bytes);
    }

    /// The To tag of an answer to a request that may have none: a CANCEL's answer carries the same
    /// tag as the answers to its INVITE (section 9.2).
    fn tag_for(&self, request: &Message) -> String {
        debug_assert!(
            request.to().tag.is_some() || *request.cseq().method == Method::Cancel,
            "only a CANCEL comes without our tag"
        );
        holdline_model::Token::caller_tag(self.record.call)
    }
}

/// Where the dialog's next hop is, if that is a name: written down with the answer, it is the same for
/// whoever owns the call later.
fn locate(ctx: &Ctx<'_>, dialog: &mut Dialog) {
    let Dialog { route_set, remote_target, hop, .. } = dialog;
    *hop = dialogs::located(route_set, remote_target, *hop, ctx.names);
}

/// How a call ends that was given up before an answer. The final answer is ours.
pub(super) fn given_up(cause: CancelCause, attempt: u16) -> Fail {
    let (by, status, text, disposition) = match cause {
        CancelCause::Caller => (HangupBy::Caller, 487, "canceled", Disposition::Canceled),
        CancelCause::NoAnswer => {
            (HangupBy::Timer, REQUEST_TIMEOUT, "no answer in time", Disposition::NoAnswer)
        }
        CancelCause::Admin => {
            (HangupBy::Admin, 480, "hung up by an administrator", Disposition::Failed)
        }
    };
    Fail {
        attempt,
        by,
        cause: Cause { status, text: text.into() },
        disposition,
        response: Bytes::new(),
        late_answer: None,
    }
}

/// How a failure of the callee's is billed.
pub(super) const fn disposition(status: u16) -> Disposition {
    match status {
        486 | 600 | 603 => Disposition::Busy,
        480 | 408 => Disposition::NoAnswer,
        _ => Disposition::Failed,
    }
}

pub(super) const REQUEST_TIMEOUT: u16 = 408;
