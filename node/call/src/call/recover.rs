//! A call rebuilt from its record alone, by a new owner. What was committed but perhaps not sent is
//! sent again at `resend_at`; until then, and afterwards, the call takes part in everything.

use bytes::Bytes;
use holdline_model::{CallRecord, Epoch, Millis, Phase, Side};
use holdline_sip::message::{Message, ParseError};
use holdline_sip::transaction::InviteServer;

use super::{Call, Ctx};
use crate::messages;

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
        call.recovered = [true; 2];
        call.be_lenient(ctx);
        let resends = match call.record.phase {
            Phase::Inviting => call.recover_inviting(ctx, resend_at)?,
            Phase::Answered => {
                let resends = call.recover_answered(ctx, resend_at)?;
                call.recover_reinvite(ctx, resend_at)? || resends
            }
            Phase::Confirmed => {
                call.watch_both(ctx);
                let resends = call.recover_confirmed(ctx, resend_at);
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
        let resends = self.recover_branches(ctx, resend_at);
        if self.is_given_up() {
            return Ok(resends);
        }
        let early: Vec<(u16, Bytes)> = self
            .record
            .early
            .iter()
            .map(|early| (early.attempt, early.response.clone()))
            .filter(|(_, response)| !response.is_empty())
            .collect();
        let Some((attempt, last)) = early.last() else { return Ok(resends) };
        if early.len() > 1 {
            self.early_again_at = Some(resend_at);
            return Ok(true);
        }
        let message = Message::parse(last.clone())?;
        if let Some(invite) = self.invite.as_deref() {
            let (now, timers) = (ctx.now, ctx.options.timers);
            let response = messages::provisional(&self.record, invite, *attempt, &message);
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

    /// Relays once more what the targets that are tried together have said.
    pub(super) fn relay_early_again(&mut self, ctx: &mut Ctx<'_>) {
        if self.record.phase != Phase::Inviting || self.is_given_up() {
            return;
        }
        for early in self.record.early.clone() {
            if let Ok(message) = Message::parse(early.response) {
                self.relay_provisional(ctx, early.attempt, &message);
            }
        }
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
        Ok(self.recover_losers(ctx, resend_at) || resends)
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
    fn recover_confirmed(&mut self, ctx: &mut Ctx<'_>, resend_at: Millis) -> bool {
        let holds_ack = self.record.answer.as_ref().is_some_and(|answer| !answer.ack.is_empty());
        if holds_ack {
            self.ack_at = Some(resend_at);
        }
        self.recover_losers(ctx, resend_at) || holds_ack
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
        let mut resends = self.recover_losers(ctx, resend_at) || bye_caller || bye_callee;
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
