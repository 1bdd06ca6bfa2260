//! The final answer to an INVITE within the dialogs, its acknowledgement, and a takeover in between (RFC
//! 3261 sections 13.2.2.4, 13.3.1.4 and 14).

use bytes::Bytes;
use holdline_model::{
    AckSeen, CallChange, Dialog, HangupBy, Hop, Millis, Reinvite, Reinvited, Side,
};
use holdline_sip::message::{Message, Method};
use holdline_sip::transaction::{InviteClient, InviteServer, InviteServerInput};

use super::reinvite::InviteThrough;
use super::work::{Request, Work};
use super::{Call, Ctx};
use crate::DropReason;
use crate::messages::{self, status_of};
use crate::session_timer;

impl Call {
    /// The final answer to an INVITE within the dialogs.
    pub(super) fn reinvite_final(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: Side,
        number: u32,
        message: Message,
    ) {
        let is =
            |known: &&Reinvite| known.from == from && known.cseq == number && !known.is_pending();
        if self.reinvite_state().filter(is).is_some() {
            self.ack_reinvite(ctx);
            return;
        }
        let before = self.record.session.as_ref().and_then(|state| state.before.as_ref());
        if let Some(before) = before.filter(is) {
            self.ack_one(ctx, before);
            return;
        }
        let Some(invite) = self.legs.reinvite.as_ref().filter(|_| self.is_current(from, number))
        else {
            if status_of(&message) >= 300 && self.refusal_of(from, number).is_some() {
                // A predecessor passed it on; its sender has heard our refusal, and repeats nothing.
                self.ack_refused(ctx, from.other(), number, &message);
                return;
            }
            // A predecessor passed it on; its sender repeats it until it hears an answer.
            ctx.dropped(DropReason::StrayResponse);
            return;
        };
        let status = status_of(&message);
        let (mut caller_target, mut callee_target) = (None, None);
        if status < 300 {
            (caller_target, callee_target) = self.new_targets(ctx, from, &invite.request, &message);
        }
        let timer = session_timer::within(&self.record, &invite.request.message, &message);
        let session_by = messages::through::session_by(&self.record, ctx.now, timer, &message);
        let change = CallChange::Reinvited(Box::new(Reinvited {
            from,
            cseq: number,
            hop: invite.request.hop,
            request: invite.request.message.bytes().clone(),
            status,
            response: message.bytes().clone(),
            caller_target,
            callee_target,
            session_by,
        }));
        self.propose(ctx, change, Some(Work::Reinvited { from, number, message }));
    }

    /// Committed: it has its final answer.
    pub(super) fn on_reinvited(&mut self, ctx: &mut Ctx<'_>, trigger: Option<Work>) {
        let Some(Work::Reinvited { from, message, .. }) = trigger else { return };
        let status = status_of(&message);
        let response =
            self.legs.reinvite.as_ref().and_then(|invite| self.reinvite_response(invite, &message));
        if let (Some(invite), Some(response)) = (&mut self.legs.reinvite, response) {
            invite.client = None;
            invite.cancel = None;
            let input = match status {
                200..=299 => InviteServerInput::Success { response, until_ack: true },
                _ => InviteServerInput::Failure(response),
            };
            invite.server.handle(ctx.now, input);
        }
        self.drain_reinvite(ctx);
        self.ack_reinvite(ctx);
        if matches!(status, 481 | 408) {
            // Section 12.2.1.2: that dialog is gone.
            self.enqueue(ctx, Work::Gone { side: from.other(), status });
        }
    }

    /// Whether the offer came with the 2xx, so that the answer comes with the sender's ACK.
    pub(super) fn is_late_reinvite(&self) -> bool {
        let offered = |invite: &InviteThrough| invite.request.message.has_sdp();
        self.legs.reinvite.as_deref().is_some_and(|invite| !offered(invite))
            && self.reinvite_state().is_some_and(|known| known.is_success() && !known.acked)
    }

    /// The ACK of the final answer that is committed; with a late offer not before its sender's.
    pub(super) fn ack_reinvite(&mut self, ctx: &mut Ctx<'_>) {
        if !self.is_late_reinvite() || self.is_finished() {
            self.ack_reinvite_now(ctx);
        }
    }

    fn ack_refused(&self, ctx: &mut Ctx<'_>, to: Side, number: u32, failure: &Message) {
        let over = self.dialog(to).and_then(|dialog| as_it_went(ctx, dialog, failure));
        self.ack_reinvite_failure(ctx, to, number, over);
    }

    /// RFC 3261 section 17.1.1.3: as its INVITE went, which was over `over` if not as the dialog says.
    fn ack_reinvite_failure(&self, ctx: &mut Ctx<'_>, to: Side, number: u32, over: Option<Hop>) {
        let Some(dialog) = self.dialog(to) else { return };
        let via = over.unwrap_or(dialog.hop);
        let bytes = messages::through::sibling(&self.record, to, dialog, via, number, &Method::Ack);
        ctx.send(over.unwrap_or_else(|| self.hop_to(to, dialog.hop)), bytes);
    }

    pub(super) fn ack_reinvite_now(&mut self, ctx: &mut Ctx<'_>) {
        self.reinvite_ack_at = None;
        if let Some(known) = self.reinvite_state().filter(|known| !known.is_pending()) {
            self.ack_one(ctx, known);
        }
    }

    fn ack_one(&self, ctx: &mut Ctx<'_>, known: &Reinvite) {
        let to = known.from.other();
        let Some(dialog) = self.dialog(to) else { return };
        if known.is_success() {
            let bytes = messages::through::success_ack(&self.record, dialog, known);
            ctx.send(self.hop_to(to, dialog.hop), bytes);
            return;
        }
        // A predecessor may have sent the INVITE: the failure has its Via.
        let failure = Message::parse(known.response.clone()).ok();
        let over = failure.and_then(|failure| as_it_went(ctx, dialog, &failure));
        self.ack_reinvite_failure(ctx, to, known.cseq, over);
    }

    /// An ACK within a dialog that is not of the call's first INVITE.
    pub(super) fn ack_within(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        let number = request.message.cseq().number;
        if !self.is_current(side, number) || !self.is_known_reinvite(side, number) {
            // Of a refusal, or a repeated one.
            return;
        }
        if let Some(invite) = &mut self.legs.reinvite {
            invite.server.handle(ctx.now, InviteServerInput::Ack);
        }
        self.drain_reinvite(ctx);
        if self.is_finished() {
            return;
        }
        if self.is_late_reinvite() {
            self.push(ctx, Work::ReinviteAck(request));
            return;
        }
        self.legs.reinvite = None;
        self.reinvite_acked = true;
        self.note(ctx);
    }

    pub(super) fn reinvite_ack_came(&mut self, ctx: &mut Ctx<'_>, request: Request) {
        if self.is_late_reinvite() {
            let keep = request.message.has_sdp();
            let ack = if keep { request.message.bytes().clone() } else { Bytes::new() };
            let change = CallChange::ReinviteAcked(AckSeen { ack });
            self.propose(ctx, change, Some(Work::ReinviteAck(request)));
        }
    }

    /// Committed: its sender has the answer.
    pub(super) fn on_reinvite_acked(&mut self, ctx: &mut Ctx<'_>, trigger: Option<Work>) {
        self.reinvite_acked = false;
        if let Some(Work::ReinviteAck(_)) = trigger {
            self.legs.reinvite = None;
            self.ack_reinvite_now(ctx);
        }
    }

    /// What may be lost, and is proposed when there is nothing else: that an INVITE takes long, and
    /// that its answer was acknowledged.
    pub(super) fn reinvite_note(&self) -> Option<CallChange> {
        if self.reinvite_acked && self.reinvite_state().is_some_and(|known| !known.acked) {
            return Some(CallChange::ReinviteAcked(AckSeen { ack: Bytes::new() }));
        }
        let invite = self.legs.reinvite.as_ref().filter(|invite| invite.is_pending())?;
        let is_committed = self.is_known_reinvite(invite.from, invite.number());
        if is_committed { None } else { self.reinviting() }
    }

    /// The ACK of the answer to an INVITE within the dialogs never came. Without that of a 2xx the
    /// dialog is to be ended (section 13.3.1.4).
    pub(super) fn reinvite_ack_missing(&mut self, ctx: &mut Ctx<'_>) {
        let unacked = |known: &Reinvite| known.is_success() && !known.acked;
        if self.reinvite_state().is_some_and(unacked) && !self.reinvite_acked {
            let text = "a change of the session was never confirmed";
            self.end_both(ctx, HangupBy::Timer, 408, text, Work::ReinviteNoAck);
        }
    }

    /// A side's dialog is gone, or it does not answer any more: the call is over.
    pub(super) fn side_gone(&mut self, ctx: &mut Ctx<'_>, side: Side, status: u16) {
        let text = match side {
            Side::Caller => "the caller is gone",
            Side::Callee => "the callee is gone",
        };
        self.end_both(ctx, HangupBy::Switch, status, text, Work::Gone { side, status });
    }

    /// Goes on with the INVITE within the dialogs that a predecessor has committed something of;
    /// the flag tells whether there is something to send.
    pub(super) fn recover_reinvite(
        &mut self,
        ctx: &mut Ctx<'_>,
        resend_at: Millis,
    ) -> Result<bool, super::recover::BadRecord> {
        let Some(known) = self.reinvite_state().filter(|known| !known.acked).cloned() else {
            let late = self.reinvite_state().is_some_and(|known| !known.ack.is_empty());
            self.reinvite_ack_at = late.then_some(resend_at);
            return Ok(late);
        };
        if known.request.is_empty() {
            return Ok(false);
        }
        let request = Request { hop: known.hop, message: Message::parse(known.request.clone())? };
        let Some(dialog) = self.dialog(known.from.other()) else { return Ok(false) };
        let (now, timers) = (ctx.now, ctx.options.timers);
        let near = known.hop.transport.is_reliable();
        let mut invite = Box::new(InviteThrough {
            from: known.from,
            over: None,
            client: None,
            server: InviteServer::new(timers, near),
            request: Box::new(request),
            cancelled: false,
            cancel: None,
        });
        if known.is_pending() {
            let to = known.from.other();
            let (bytes, hop) = self.passed(ctx, to, dialog, &invite.request.message, None);
            invite.over = (hop != dialog.hop).then_some(hop);
            let far = hop.transport.is_reliable();
            invite.client = Some(InviteClient::recover_calling(now, timers, far, bytes, resend_at));
        } else {
            let answer = Message::parse(known.response.clone())?;
            let Some(response) = self.reinvite_response(&invite, &answer) else {
                return Ok(false);
            };
            invite.server = if known.is_success() {
                let at = known.answered_at;
                InviteServer::recover_accepted(now, timers, near, response, at, resend_at)
            } else {
                InviteServer::recover_completed(now, timers, near, response, resend_at)
            };
        }
        self.legs.reinvite = Some(invite);
        if !known.is_pending() && !self.is_late_reinvite() {
            self.reinvite_ack_at = Some(resend_at);
        }
        self.drain_reinvite(ctx);
        Ok(true)
    }
}

/// How a request of ours went that this is the answer to, if not as the dialog says.
fn as_it_went(ctx: &Ctx<'_>, dialog: &Dialog, answer: &Message) -> Option<Hop> {
    let went_over_tcp = answer.top_via().transport.eq_ignore_ascii_case("TCP");
    if went_over_tcp { ctx.large.known_over_tcp(dialog.hop) } else { None }
}
