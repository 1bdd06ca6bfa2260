//! A call rebuilt from its record alone, by a new owner. What was committed but perhaps not sent is
//! sent again at `resend_at`; until then, and afterwards, the call takes part in everything.

use holdline_model::{CallRecord, Epoch, Millis, Phase, Side};
use holdline_sip::message::{Message, ParseError};
use holdline_sip::transaction::{InviteClient, InviteClientInput, InviteServer, NonInviteClient};

use super::{Call, Ctx};
use crate::messages;
use crate::options::millis;

/// A stored message cannot be read, although it could when it was received.
#[derive(Debug, thiserror::Error)]
#[error("a message stored with the call cannot be read: {0}")]
pub(crate) struct BadRecord(#[from] ParseError);

impl Call {
    /// Rebuilds a call; the flag tells whether there is something to send again.
    pub(crate) fn recover(
        ctx: &mut Ctx<'_>,
        record: CallRecord,
        epoch: Epoch,
        resend_at: Millis,
    ) -> Result<(Self, bool), BadRecord> {
        let invite = match record.invite.is_empty() {
            true => None,
            false => Some(Box::new(Message::parse(record.invite.clone())?)),
        };
        let hop = record.admission.hop;
        let reply_to = invite.as_deref().map_or(hop, |invite| messages::reply_hop(invite, hop));
        let mut call = Self::around(record, epoch, invite, reply_to);
        call.recovered = true;
        call.be_lenient(ctx);
        let resends = match call.record.phase {
            Phase::Inviting => call.recover_inviting(ctx, resend_at)?,
            Phase::Answered => {
                let resends = call.recover_answered(ctx, resend_at)?;
                call.recover_reinvite(ctx, resend_at)? || resends
            }
            Phase::Confirmed => {
                let resends = call.recover_confirmed(resend_at);
                call.recover_reinvite(ctx, resend_at)? || resends
            }
            Phase::Finished => call.recover_finished(ctx, resend_at)?,
        };
        Ok((call, resends))
    }

    fn recover_inviting(
        &mut self,
        ctx: &mut Ctx<'_>,
        resend_at: Millis,
    ) -> Result<bool, BadRecord> {
        if let Some(until) = self.held_until(ctx.now) {
            self.release_at = Some(until);
            return Ok(false);
        }
        let Some(invite) = self.target_invite() else { return Ok(false) };
        let (now, timers) = (ctx.now, ctx.options.timers);
        let Some(early) = &self.record.early else {
            let client = InviteClient::recover_calling(
                now,
                timers,
                self.callee_is_reliable(),
                invite,
                resend_at,
            );
            self.legs.callee = Some(Box::new(client));
            self.target_by = Some(resend_at.plus_ms(millis(ctx.options.target_timeout)));
            self.drain_callee(ctx);
            return Ok(true);
        };
        let early = (!early.response.is_empty()).then(|| early.response.clone());
        self.legs.callee =
            Some(Box::new(InviteClient::recover_proceeding(timers, self.callee_is_reliable())));
        if self.record.cancel.is_some() {
            self.recover_cancel(ctx, resend_at);
            return Ok(true);
        }
        let Some(early) = early else { return Ok(false) };
        let early = Message::parse(early)?;
        if let Some(invite) = self.invite.as_deref() {
            let response = messages::provisional(&self.record, invite, &early);
            let server = InviteServer::recover_with_last(
                now,
                timers,
                self.caller_is_reliable(),
                response,
                resend_at,
            );
            self.legs.caller = Some(Box::new(server));
            self.spoken = true;
            self.drain_caller(ctx);
        }
        Ok(true)
    }

    fn recover_cancel(&mut self, ctx: &mut Ctx<'_>, resend_at: Millis) {
        let Some(invite) = self.invite.as_deref() else { return };
        let Some(cancel) = messages::cancel(&self.record, invite, self.record.attempt) else {
            return;
        };
        let timers = ctx.options.timers;
        if let Some(callee) = &mut self.legs.callee {
            callee.handle(resend_at.max(ctx.now), InviteClientInput::CancelSent);
        }
        let reliable = self.callee_is_reliable();
        let client = NonInviteClient::recover_trying(ctx.now, timers, reliable, cancel, resend_at);
        self.legs.cancel = Some(Box::new(client));
        self.drain_cancel(ctx);
    }

    fn recover_answered(
        &mut self,
        ctx: &mut Ctx<'_>,
        resend_at: Millis,
    ) -> Result<bool, BadRecord> {
        let resends = self.answer_caller_again(ctx, resend_at)?;
        if !self.is_late_offer() {
            self.ack_at = Some(resend_at);
        }
        Ok(resends)
    }

    /// Resends the 2xx to the caller until its ACK comes; false if it is known to have come.
    fn answer_caller_again(
        &mut self,
        ctx: &mut Ctx<'_>,
        resend_at: Millis,
    ) -> Result<bool, BadRecord> {
        let (Some(invite), Some(answer)) = (self.invite.as_deref(), &self.record.answer) else {
            return Ok(false);
        };
        let success = Message::parse(answer.response.clone())?;
        let response = messages::answer(&self.record, invite, &success);
        let (now, timers) = (ctx.now, ctx.options.timers);
        let server = InviteServer::recover_accepted(
            now,
            timers,
            self.caller_is_reliable(),
            response,
            answer.at,
            resend_at,
        );
        self.legs.caller = Some(Box::new(server));
        self.spoken = true;
        self.drain_caller(ctx);
        Ok(true)
    }

    /// With a late offer the callee's ACK carries SDP and follows from the caller's. It goes at once,
    /// so that a BYE does not come before it.
    fn recover_confirmed(&mut self, resend_at: Millis) -> bool {
        let holds_ack = self.record.answer.as_ref().is_some_and(|answer| !answer.ack.is_empty());
        if holds_ack {
            self.ack_at = Some(resend_at);
        }
        holds_ack
    }

    /// Whether what a tombstone owes was heard is not replicated: it is said again.
    ///
    /// A call that ended before the caller's ACK came still owes it the answer, and its BYE only after
    /// the ACK (section 15): then the record holds the INVITE and the answer.
    fn recover_finished(
        &mut self,
        ctx: &mut Ctx<'_>,
        resend_at: Millis,
    ) -> Result<bool, BadRecord> {
        let Some(end) = &self.record.end else { return Ok(false) };
        let (bye_caller, bye_callee) = (end.bye_caller, end.bye_callee);
        let has_late_answer = end.late_answer.is_some();
        if bye_caller && !self.answer_caller_again(ctx, resend_at)? {
            self.start_bye(ctx, Side::Caller, Some(resend_at));
        }
        if bye_callee {
            self.start_bye(ctx, Side::Callee, Some(resend_at));
        }
        if has_late_answer {
            self.ack_at = Some(resend_at);
        }
        let mut resends = bye_caller || bye_callee;
        if self.record.answer.is_none()
            && let Some(failure) = self.failure_to_caller()
        {
            let (now, timers) = (ctx.now, ctx.options.timers);
            let server = InviteServer::recover_completed(
                now,
                timers,
                self.caller_is_reliable(),
                failure,
                resend_at,
            );
            self.legs.caller = Some(Box::new(server));
            self.spoken = true;
            self.drain_caller(ctx);
            resends = true;
        }
        Ok(resends)
    }
}
