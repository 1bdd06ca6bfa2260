//! Time. Deadlines are absolute, come from the record and are looked at whenever the call is free to
//! propose: they have no state of their own that a takeover could lose. Retransmissions are the
//! transactions' business.

use holdline_model::{CancelCause, Millis, Phase, Side, limits};
use holdline_sip::transaction::{InviteServerInput, NonInviteClientInput};

use super::{Call, Ctx, Fate};
use crate::Output;

impl Call {
    /// Looks at everything that may be due.
    pub(crate) fn tick(&mut self, ctx: &mut Ctx<'_>) -> Fate {
        self.propose_again_if_due(ctx);
        if self.ack_at.is_some_and(|at| at <= ctx.now) {
            // Before any BYE: the callee takes none before its ACK (section 15).
            self.ack_at = None;
            self.ack_callee(ctx);
        }
        if self.release_at.is_some_and(|at| at <= ctx.now) && self.record.cancel.is_none() {
            self.release_at = None;
            self.start_round(ctx);
        }
        if self.early_again_at.is_some_and(|at| at <= ctx.now) {
            self.early_again_at = None;
            self.relay_early_again(ctx);
        }
        self.tick_legs(ctx);
        if self.hold_until.is_some_and(|at| at <= ctx.now) {
            self.hold_until = None;
        }
        self.run(ctx);
        if self.is_forgettable(ctx.now) { Fate::Forget } else { Fate::Keep }
    }

    /// When [`Call::tick`] is to be called next.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        let retry = self.proposal.as_ref().and_then(|proposal| proposal.retry_at);
        let deadline = match (&self.proposal, self.hold_until) {
            // A deadline that is due while a proposal is in flight is looked at when that is
            // decided; a timer would only spin.
            (Some(_), _) => None,
            (None, Some(hold)) => Some(hold),
            (None, None) => self.next_deadline(),
        };
        let tombstone = self.tombstone_end().filter(|_| !self.has_unfinished_business());
        let release = self.release_at.filter(|_| self.record.cancel.is_none());
        let acks = [self.ack_at, self.reinvite_ack_at, self.early_again_at];
        let own = [retry, deadline, tombstone, release, self.legs.next_timer()];
        acks.into_iter().chain(own).flatten().min()
    }

    fn next_deadline(&self) -> Option<Millis> {
        match self.record.phase {
            Phase::Inviting if self.record.cancel.is_none() => [self.next_silence(), self.note_at]
                .into_iter()
                .flatten()
                .chain([self.record.answer_by])
                .min(),
            Phase::Answered | Phase::Confirmed => {
                let end_by = self.record.answer.as_ref().and_then(|answer| answer.end_by);
                let session_by = self.record.answer.as_ref().and_then(|answer| answer.session_by);
                let asks = self.next_ask().filter(|_| self.record.phase == Phase::Confirmed);
                [end_by, session_by, self.note_at, asks].into_iter().flatten().min()
            }
            Phase::Inviting | Phase::Finished => None,
        }
    }

    /// Proposes what a deadline asks for, or what is left over; false if there is nothing.
    pub(super) fn propose_what_is_due(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if !self.is_admitted() || self.hold_until.is_some_and(|at| ctx.now < at) {
            return false;
        }
        match self.record.phase {
            Phase::Inviting => self.due_inviting(ctx),
            Phase::Answered | Phase::Confirmed => self.due_up(ctx),
            Phase::Finished => false,
        }
    }

    fn due_inviting(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if self.record.targets.is_empty() {
            self.fail_without_route(ctx);
            return true;
        }
        if let (Some(cause), Some(_)) = (self.record.cancel, self.release_at) {
            self.given_up_while_held(ctx, cause);
            return true;
        }
        if self.record.cancel.is_some() {
            // The transaction of the INVITE or of the CANCEL tells when nothing more will come.
            return false;
        }
        if self.record.answer_by <= ctx.now {
            self.give_up(ctx, CancelCause::NoAnswer, None);
            return true;
        }
        if self.give_up_silent(ctx) {
            return true;
        }
        self.propose_ringing(ctx)
    }

    fn propose_again_if_due(&mut self, ctx: &mut Ctx<'_>) {
        let Some(proposal) = &mut self.proposal else { return };
        if proposal.retry_at.is_some_and(|at| at <= ctx.now) {
            proposal.retry_at = None;
            proposal.retries = proposal.retries.saturating_add(1);
            ctx.out.push_back(Output::Propose(proposal.command.clone()));
        }
    }

    fn tick_legs(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now;
        if let Some(server) = self.legs.caller.as_mut().filter(|leg| is_due(leg.next_timer(), now))
        {
            server.handle(now, InviteServerInput::Timer);
            self.drain_caller(ctx);
        }
        self.tick_branches(ctx);
        for side in [Side::Caller, Side::Callee] {
            let slot = match side {
                Side::Caller => &mut self.legs.bye_caller,
                Side::Callee => &mut self.legs.bye_callee,
            };
            if let Some(client) = slot.as_mut().filter(|leg| is_due(leg.next_timer(), now)) {
                client.handle(now, NonInviteClientInput::Timer);
                self.drain_bye(ctx, side);
            }
        }
        let mut any = false;
        for fork in &mut self.legs.forks {
            if is_due(fork.bye.next_timer(), now) {
                fork.bye.handle(now, NonInviteClientInput::Timer);
                any = true;
            }
        }
        if any {
            self.drain_forks(ctx);
        }
        self.tick_reinvite(ctx);
        self.tick_through(ctx);
        self.tick_watches(ctx);
    }

    fn tombstone_end(&self) -> Option<Millis> {
        self.record.end.as_ref().map(|end| end.at.plus_ms(limits::TOMBSTONE_MS))
    }

    /// A request of ours still waits for its answer, or a BYE for the caller's ACK (section 15).
    fn has_unfinished_business(&self) -> bool {
        let owed = self.record.end.as_ref().is_some_and(|end| end.bye_caller);
        self.legs.has_pending_requests() || (owed && self.legs.caller.is_some())
    }

    /// Its time as a tombstone is over, and nothing is left to be sent.
    fn is_forgettable(&self, now: Millis) -> bool {
        let over = self.tombstone_end().is_some_and(|end| end <= now);
        over && self.proposal.is_none() && !self.has_unfinished_business()
    }
}

fn is_due(at: Option<Millis>, now: Millis) -> bool {
    at.is_some_and(|at| at <= now)
}
