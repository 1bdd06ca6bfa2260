//! What follows from a commit: the messages that rule one held back, sent at last, in order.

use holdline_model::{CallChange, CallCommand, CdrId, Disposition, HangupBy, Phase, Side};
use holdline_sip::message::Message;
use holdline_sip::transaction::InviteServerInput;

use super::work::Work;
use super::{Call, Ctx};
use crate::messages;
use crate::{Event, mirror};

impl Call {
    pub(super) fn committed(
        &mut self,
        ctx: &mut Ctx<'_>,
        command: &CallCommand,
        trigger: Option<Work>,
        cdr: Option<CdrId>,
    ) {
        let before = self.record.phase;
        let was_late_offer = self.is_late_offer();
        mirror::apply(&mut self.record, command, cdr);
        match &command.change {
            CallChange::Admit(_) => self.on_admitted(ctx),
            CallChange::Attempt(_) => self.on_attempt(ctx, trigger),
            CallChange::Early(_) => {
                if let Some(Work::Provisional { attempt, message }) = trigger {
                    self.ringing = self.ringing.filter(|(other, _)| *other != attempt);
                    self.relay_provisional(ctx, attempt, &message);
                }
            }
            CallChange::BranchOver(over) => self.on_branch_over(ctx, over.attempt, trigger),
            CallChange::Settled => {}
            CallChange::Asked(asked) => self.on_asked(ctx, *asked),
            CallChange::Cancel(_) => self.on_cancel(ctx, trigger),
            CallChange::Answer(answer) => {
                let setup_ms = command.at.since(self.record.admission.at);
                ctx.event(Event::Answered { call: self.record.call, setup_ms });
                self.on_answer(ctx, &answer.response, trigger);
            }
            CallChange::AckSeen(_) => self.on_ack_seen(ctx, was_late_offer),
            CallChange::Reinviting(_) => self.on_reinviting(ctx, trigger),
            CallChange::Reinvited(_) => {
                self.on_reinvited(ctx, trigger);
                self.session_changed(ctx);
            }
            CallChange::ReinviteAcked(_) => self.on_reinvite_acked(ctx, trigger),
            CallChange::Updated(_) => {
                if let Some(Work::Updated { from, number, message }) = trigger {
                    self.answer_through(ctx, from, number, &message);
                }
                self.session_changed(ctx);
            }
            CallChange::Pracked(_) => {
                if let Some(Work::Pracked { number, message }) = trigger {
                    self.answer_through(ctx, Side::Caller, number, &message);
                }
            }
            CallChange::Counted(_) => {
                if let Some(Work::Through(side, request)) = trigger {
                    self.on_counted(ctx, side, request);
                }
            }
            CallChange::Fail(fail) => {
                self.ended(ctx, fail.disposition, fail.by, cdr);
                self.on_fail(ctx, trigger);
            }
            CallChange::End(end) => {
                self.ended(ctx, Disposition::Answered, end.by, cdr);
                if before == Phase::Answered && was_late_offer {
                    // The callee still waits for an ACK; without one it cannot be sent a BYE.
                    self.ack_callee(ctx);
                }
                self.on_end(ctx, trigger);
            }
        }
    }

    fn ended(&self, ctx: &mut Ctx<'_>, disposition: Disposition, by: HangupBy, cdr: Option<CdrId>) {
        ctx.event(Event::Ended { call: self.record.call, disposition, by, cdr });
    }

    fn on_admitted(&mut self, ctx: &mut Ctx<'_>) {
        let trunk = self.record.admission.trunk.clone();
        ctx.event(Event::Admitted { call: self.record.call, trunk });
        if !self.record.admission.passage.marks.is_empty() {
            ctx.event(Event::Marked { call: self.record.call });
        }
        if self.record.targets.is_empty() {
            return;
        }
        self.say_trying(ctx);
        self.release_at = self.held_until(ctx.now);
        if self.release_at.is_none() {
            self.start_round(ctx);
        }
    }

    /// Another one may have to refresh the session now.
    fn session_changed(&mut self, ctx: &Ctx<'_>) {
        if self.record.phase == Phase::Confirmed {
            self.watch_both(ctx);
        }
    }

    fn on_attempt(&mut self, ctx: &mut Ctx<'_>, trigger: Option<Work>) {
        for attempt in self.record.round() {
            if let Some(target) = self.record.targets.get(usize::from(attempt)) {
                let trunk = target.trunk.clone();
                ctx.event(Event::Attempted { call: self.record.call, trunk });
            }
        }
        self.settle_target(ctx, trigger.as_ref());
        self.legs.branches.clear();
        self.ringing = None;
        self.start_round(ctx);
    }

    fn on_cancel(&mut self, ctx: &mut Ctx<'_>, trigger: Option<Work>) {
        if let Some(trigger) = trigger {
            self.confirm_request(ctx, &trigger);
        }
        self.ringing = None;
        self.cancel_unwanted(ctx);
    }

    fn on_answer(&mut self, ctx: &mut Ctx<'_>, response: &bytes::Bytes, trigger: Option<Work>) {
        let message = match trigger {
            Some(Work::Success { message, .. }) => Some(message),
            Some(_) | None => Message::parse(response.clone()).ok(),
        };
        self.ringing = None;
        self.early_again_at = None;
        if let (Some(invite), Some(message)) = (self.invite.as_deref(), &message) {
            let response = messages::answer(&self.record, invite, message);
            self.answer_caller(ctx, InviteServerInput::Success { response, until_ack: true });
        }
        if !self.is_late_offer() {
            self.ack_callee(ctx);
        }
        self.tell_losers(ctx);
    }

    fn on_ack_seen(&mut self, ctx: &mut Ctx<'_>, was_late_offer: bool) {
        if was_late_offer {
            self.ack_callee(ctx);
        }
        self.legs.caller = None;
        self.invite = None;
        self.watch_both(ctx);
    }

    fn on_fail(&mut self, ctx: &mut Ctx<'_>, trigger: Option<Work>) {
        self.settle_target(ctx, trigger.as_ref());
        self.ringing = None;
        self.early_again_at = None;
        if self.record.end.as_ref().is_some_and(|end| end.late_answer.is_some()) {
            self.ack_callee(ctx);
            self.start_bye(ctx, Side::Callee, None);
        }
        if let Some(failure) = self.failure_to_caller() {
            self.answer_caller(ctx, InviteServerInput::Failure(failure));
        }
        self.tell_losers(ctx);
    }

    /// The final failure that a failed call's record holds for the caller.
    pub(super) fn failure_to_caller(&self) -> Option<bytes::Bytes> {
        let end = self.record.end.as_ref()?;
        let invite = self.invite.as_deref()?;
        let response =
            (!end.response.is_empty()).then(|| Message::parse(end.response.clone()).ok()).flatten();
        Some(messages::failure(&self.record, invite, end.cause.status, response.as_ref()))
    }

    fn on_end(&mut self, ctx: &mut Ctx<'_>, trigger: Option<Work>) {
        if let Some(trigger) = trigger {
            self.confirm_request(ctx, &trigger);
        }
        self.legs.watches = [None, None];
        let (to_caller, to_callee, status) = match &self.record.end {
            Some(end) => (end.bye_caller, end.bye_callee, end.cause.status),
            None => (false, false, 200),
        };
        self.end_reinvite(ctx, if status == 200 { 487 } else { status });
        // A side that still waits for an ACK cannot be sent a BYE.
        if self.is_late_reinvite() {
            self.ack_reinvite(ctx);
        }
        if to_callee {
            self.start_bye(ctx, Side::Callee, None);
        }
        // Section 15: no BYE to the caller before its ACK came or is given up for lost.
        let awaits_ack = self.legs.caller.as_ref().is_some_and(|server| server.awaits_ack());
        if to_caller && !awaits_ack {
            self.start_bye(ctx, Side::Caller, None);
        }
        if !to_caller || !awaits_ack {
            self.legs.caller = None;
            self.invite = None;
        }
    }
}
