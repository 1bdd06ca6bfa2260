//! A call that the callee has not answered yet: what each event leads to (RFC 3261 section 13, and
//! section 9 for CANCEL). Every branch either proposes or needs no proposal.

use bytes::Bytes;
use holdline_model::{
    Answer, Attempt, CallChange, Cancel, CancelCause, Cause, Dialog, Disposition, Early, Fail,
    HangupBy, Side, Target, limits,
};
use holdline_sip::message::{Message, Method};

use super::work::{Request, Work};
use super::{Call, Ctx};
use crate::dialogs;
use crate::messages::{self, Refuse, status_of};
use crate::{DropReason, Refusal};

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
            // Section 12.2.1.2 is about confirmed dialogs; the INVITE tells what becomes of this.
            | Work::Gone { .. } => {}
        }
    }

    fn early_media(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: Message) {
        if attempt != self.record.attempt || self.record.cancel.is_some() {
            return;
        }
        let response = message.bytes().clone();
        if let Some((_, reliable)) = self.record.reliable(&response) {
            // The callee repeats it until the caller's PRACK comes through.
            if !reliable.acked {
                self.relay_provisional(ctx, &message);
            }
            return;
        }
        if self.record.early.as_ref().is_some_and(|early| early.response == response) {
            // Committed before; the callee repeats it to keep the call from timing out (13.3.1.1).
            self.relay_provisional(ctx, &message);
            return;
        }
        let rseq = self.rseq_of(&message);
        let known = self.record.session.as_ref().map_or(0, |state| state.reliable.len());
        if rseq.is_some() && known >= limits::MAX_RELIABLE {
            ctx.dropped(DropReason::QueueFull);
            return;
        }
        let early = Early { status: status_of(&message), response, rseq };
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
        if attempt != self.record.attempt {
            // This target was given up for the next one.
            self.hang_up_fork(ctx, attempt, callee);
            return;
        }
        let trigger = Some(Work::Success { attempt, message: message.clone() });
        if let Some(cause) = self.record.cancel {
            let fail = Fail { late_answer: Some(Box::new(callee)), ..given_up(cause) };
            self.propose(ctx, CallChange::Fail(Box::new(fail)), trigger);
            return;
        }
        if let Some(answer) = self.answer(ctx, callee, &message) {
            self.propose(ctx, CallChange::Answer(Box::new(answer)), trigger);
        }
    }

    fn answer(&self, ctx: &Ctx<'_>, callee: Dialog, message: &Message) -> Option<Answer> {
        let mut caller = dialogs::caller(&self.record, self.invite.as_deref()?);
        locate(ctx, &mut caller);
        let end_by = ctx.options.max_call_duration.map(|limit| ctx.now + limit);
        let session_by = messages::through::session_by(ctx.now, message);
        Some(Answer { response: message.bytes().clone(), caller, callee, end_by, session_by })
    }

    fn target_failed(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: Message) {
        if attempt != self.record.attempt {
            // What followed from it is committed: it may be acknowledged.
            self.ack_failure(ctx, attempt, &message);
            return;
        }
        let status = status_of(&message);
        let trigger = Some(Work::Failure { attempt, message: message.clone() });
        if let Some(cause) = self.record.cancel {
            self.propose(ctx, CallChange::Fail(Box::new(given_up(cause))), trigger);
        } else if let Some(index) = self.next_target(ctx, status) {
            self.propose(ctx, CallChange::Attempt(Attempt { index }), trigger);
        } else {
            let fail = Fail {
                by: HangupBy::Callee,
                cause: Cause { status, text: messages::reason_of(&message).into() },
                disposition: disposition(status),
                response: message.bytes().clone(),
                late_answer: None,
            };
            self.propose(ctx, CallChange::Fail(Box::new(fail)), trigger);
        }
    }

    fn target_silent(&mut self, ctx: &mut Ctx<'_>, attempt: u16) {
        if attempt != self.record.attempt {
            return;
        }
        // Also if the caller gave up before: that is what callers do at a trunk that is silent.
        self.trunk_silent(ctx);
        let change = if let Some(cause) = self.record.cancel {
            CallChange::Fail(Box::new(given_up(cause)))
        } else if let Some(index) = self.next_target(ctx, REQUEST_TIMEOUT) {
            CallChange::Attempt(Attempt { index })
        } else {
            CallChange::Fail(Box::new(Fail {
                by: HangupBy::Timer,
                cause: Cause { status: REQUEST_TIMEOUT, text: "no target answered".into() },
                disposition: Disposition::NoAnswer,
                response: Bytes::new(),
                late_answer: None,
            }))
        };
        self.propose(ctx, change, Some(Work::Silent { attempt }));
    }

    /// The target to try after a failure, if one is left and the failure is of the kind that
    /// another target may not have. RFC 3261 section 16.7: a 6xx is the callee's last word.
    fn next_target(&self, ctx: &Ctx<'_>, status: u16) -> Option<u16> {
        if status >= 600 || !ctx.options.failover_statuses.contains(&status) {
            return None;
        }
        let next = usize::from(self.record.attempt).checked_add(1)?;
        let later = self.record.targets.iter().enumerate().skip(next);
        // RFC 3263 section 4.3: another address of the same name may help against silence and 503.
        let of_place = matches!(status, REQUEST_TIMEOUT | UNAVAILABLE);
        let failed = self.record.targets.get(usize::from(self.record.attempt))?;
        let is_other =
            |target: &Target| of_place || target.trunk != failed.trunk || target.uri != failed.uri;
        let index = later.into_iter().find(|(_, target)| is_other(target))?.0;
        u16::try_from(index).ok()
    }

    /// Whether the call goes on to another address of the trunk that is tried.
    pub(super) fn has_other_place(&self) -> bool {
        let index = usize::from(self.record.attempt);
        let target = |index: usize| self.record.targets.get(index);
        let next = index.checked_add(1).and_then(target);
        target(index).zip(next).is_some_and(|(this, next)| {
            this.trunk == next.trunk && this.uri == next.uri && this.trunk.as_str() != crate::USERS
        })
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
        let Some(status) = self.ringing.take() else { return false };
        if self.record.early.is_some() || self.record.cancel.is_some() {
            return false;
        }
        self.propose(
            ctx,
            CallChange::Early(Early { status, response: Bytes::new(), rseq: None }),
            None,
        );
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
pub(super) fn given_up(cause: CancelCause) -> Fail {
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
        by,
        cause: Cause { status, text: text.into() },
        disposition,
        response: Bytes::new(),
        late_answer: None,
    }
}

/// How a failure of the callee's is billed.
const fn disposition(status: u16) -> Disposition {
    match status {
        486 | 600 | 603 => Disposition::Busy,
        480 | 408 => Disposition::NoAnswer,
        _ => Disposition::Failed,
    }
}

const REQUEST_TIMEOUT: u16 = 408;
const UNAVAILABLE: u16 = 503;
