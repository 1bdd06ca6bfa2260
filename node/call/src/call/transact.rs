//! Between the call and its transactions: what they want to send is sent to the right place, what
//! they tell becomes work, and those that are over are dropped.

use bytes::Bytes;
use holdline_model::{Dialog, Hop, Millis, Phase, Side};
use holdline_sip::message::Message;
use holdline_sip::transaction::{
    InviteServer, InviteServerEvent, InviteServerInput, InviteServerOutput, NonInviteClient,
    NonInviteClientEvent, NonInviteClientOutput,
};

use super::through::status_in;
use super::work::Work;
use super::{Call, Ctx};
use crate::messages::{self, status_of};
use crate::{Event, Unconfirmed};

/// What became of a request of ours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// The transaction is over.
    pub(super) over: bool,
    /// No final answer came.
    pub(super) gave_up: bool,
}

/// Sends what a request's transaction wants to send.
pub(super) fn drain_request(client: &mut NonInviteClient, mut send: impl FnMut(Bytes)) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(output) = client.poll() {
        match output {
            NonInviteClientOutput::Send(bytes) => send(bytes),
            NonInviteClientOutput::Event(event) => match event {
                NonInviteClientEvent::Terminated => outcome.over = true,
                NonInviteClientEvent::Timeout | NonInviteClientEvent::TransportError => {
                    outcome.gave_up = true;
                }
                NonInviteClientEvent::Provisional | NonInviteClientEvent::Final => {}
            },
        }
    }
    outcome
}

impl Call {
    pub(crate) fn say_trying(&mut self, ctx: &mut Ctx<'_>) {
        let Some(invite) = self.invite.as_deref() else { return };
        let trying = messages::trying(invite, self.record.admission.hop);
        self.answer_caller(ctx, InviteServerInput::Provisional(trying));
    }

    /// A provisional answer of the callee's goes to the caller.
    pub(super) fn relay_provisional(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: &Message) {
        let Some(invite) = self.invite.as_deref() else { return };
        let response = messages::provisional(&self.record, invite, attempt, message);
        self.answer_caller(ctx, InviteServerInput::Provisional(response));
    }

    /// Says something about the caller's INVITE.
    pub(super) fn answer_caller(&mut self, ctx: &mut Ctx<'_>, input: InviteServerInput) {
        self.spoken = true;
        let reliable = self.caller_is_reliable();
        let server = self
            .legs
            .caller
            .get_or_insert_with(|| Box::new(InviteServer::new(ctx.options.timers, reliable)));
        server.handle(ctx.now, input);
        self.drain_caller(ctx);
    }

    pub(super) fn drain_caller(&mut self, ctx: &mut Ctx<'_>) {
        let (to, call) = (self.reply_to, self.record.call);
        let finished = self.is_finished();
        let Some(server) = &mut self.legs.caller else { return };
        let (mut over, mut ack_missing) = (false, false);
        while let Some(output) = server.poll() {
            match output {
                InviteServerOutput::Send(bytes) => {
                    let status = status_in(&bytes);
                    ctx.respond(to, "INVITE", status, bytes);
                }
                InviteServerOutput::Event(InviteServerEvent::AckMissing) => ack_missing = true,
                InviteServerOutput::Event(InviteServerEvent::Terminated) => over = true,
                // The ACK itself is handled where it arrives; an answer is resent anyway.
                InviteServerOutput::Event(
                    InviteServerEvent::Ack | InviteServerEvent::TransportError,
                ) => {}
            }
        }
        if ack_missing {
            let answered = self.record.answer.is_some();
            let what = if answered { Unconfirmed::Answer } else { Unconfirmed::Failure };
            ctx.event(Event::GaveUp { call, what });
            if finished {
                self.release_bye_to_caller(ctx);
            } else {
                self.enqueue(ctx, Work::NoAck);
            }
        }
        if over {
            self.legs.caller = None;
        }
    }

    pub(super) fn drain_bye(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let Some(hop) = self.dialog(side).map(|dialog| self.hop_to(side, dialog.hop)) else {
            return;
        };
        let slot = match side {
            Side::Caller => &mut self.legs.bye_caller,
            Side::Callee => &mut self.legs.bye_callee,
        };
        let Some(client) = slot else { return };
        let outcome = drain_request(client, |bytes| ctx.send(hop, bytes));
        if outcome.gave_up {
            let (call, what) = (self.record.call, Unconfirmed::Bye);
            ctx.event(Event::GaveUp { call, what });
        }
        if outcome.over {
            *slot = None;
        }
    }

    /// One of the two dialogs, as the record knows it.
    pub(super) fn dialog(&self, side: Side) -> Option<&Dialog> {
        match side {
            Side::Caller => self.record.answer.as_ref().map(|answer| &answer.caller),
            Side::Callee => self.callee_dialog(),
        }
    }

    /// Sends our BYE, at once or, after a takeover, at `resend_at`.
    pub(super) fn start_bye(&mut self, ctx: &mut Ctx<'_>, side: Side, resend_at: Option<Millis>) {
        let Some(dialog) = self.dialog(side) else { return };
        let credentials = self.credentials_within(ctx, side, "BYE", messages::bye_cseq(dialog));
        let bye = messages::bye(&self.record, side, dialog, credentials.as_deref());
        let (timers, reliable) = (ctx.options.timers, dialog.hop.transport.is_reliable());
        let client = match resend_at {
            None => NonInviteClient::new(ctx.now, timers, reliable, bye),
            Some(at) => NonInviteClient::recover_trying(ctx.now, timers, reliable, bye, at),
        };
        match side {
            Side::Caller => self.legs.bye_caller = Some(Box::new(client)),
            Side::Callee => self.legs.bye_callee = Some(Box::new(client)),
        }
        self.drain_bye(ctx, side);
    }

    /// Sends our BYE once more, with credentials.
    pub(super) fn repeat_bye(&mut self, ctx: &mut Ctx<'_>, side: Side, credentials: &str) {
        let Some(dialog) = self.dialog(side) else { return };
        let bye = messages::bye_again(&self.record, side, dialog, credentials);
        let (timers, reliable) = (ctx.options.timers, dialog.hop.transport.is_reliable());
        let client = Some(Box::new(NonInviteClient::new(ctx.now, timers, reliable, bye)));
        *side.of_mut(&mut self.bye_repeated) = true;
        match side {
            Side::Caller => self.legs.bye_caller = client,
            Side::Callee => self.legs.bye_callee = client,
        }
        self.drain_bye(ctx, side);
    }

    pub(super) const fn is_bye_repeated(&self, side: Side) -> bool {
        *side.of(&self.bye_repeated)
    }

    /// A known bug (`holdline_model::mutant`): a call that has lasted too long is hung up at once.
    pub(crate) fn hang_up_without_commit(&mut self, ctx: &mut Ctx<'_>) {
        let end_by = self.record.answer.as_ref().and_then(|answer| answer.end_by);
        if !self.is_finished() && end_by.is_some_and(|at| at <= ctx.now) {
            self.start_bye(ctx, Side::Caller, None);
            self.start_bye(ctx, Side::Callee, None);
        }
    }

    /// The caller's ACK came or was given up for lost: a BYE that waited for it may go.
    pub(super) fn release_bye_to_caller(&mut self, ctx: &mut Ctx<'_>) {
        let owed = self.record.end.as_ref().is_some_and(|end| end.bye_caller);
        if self.record.answer.is_some() && owed && self.legs.caller.is_some() {
            self.legs.caller = None;
            self.invite = None;
            self.start_bye(ctx, Side::Caller, None);
        }
    }

    /// The ACK of the callee's 2xx, of the answer or of one that came late.
    pub(super) fn ack_callee(&mut self, ctx: &mut Ctx<'_>) {
        let Some(dialog) = self.callee_dialog() else { return };
        let offer = self.record.answer.as_ref().filter(|answer| !answer.ack.is_empty());
        let offer = offer.and_then(|answer| Message::parse(answer.ack.clone()).ok());
        let attempt = self.record.attempt;
        let credentials = self.credentials_of(attempt);
        let bytes = messages::ack(&self.record, attempt, dialog, offer.as_ref(), credentials);
        let hop = self.hop_to(Side::Callee, dialog.hop);
        self.ack_at = None;
        ctx.send(hop, bytes);
    }

    /// The ACK of a target's failure, what follows from which is committed.
    pub(super) fn ack_failure(&self, ctx: &mut Ctx<'_>, attempt: u16, failure: &Message) {
        let Some(target) = self.record.targets.get(usize::from(attempt)) else { return };
        let invite = self.invite.as_deref();
        if let Some(ack) = messages::failure_ack(&self.record, invite, attempt, failure) {
            ctx.send(target.hop, ack);
        }
    }

    /// Whether nothing is retransmitted between the caller and us.
    pub(super) const fn caller_is_reliable(&self) -> bool {
        self.record.admission.hop.transport.is_reliable()
    }

    /// Whether nothing is retransmitted between us and a target.
    pub(super) fn is_target_reliable(&self, attempt: u16) -> bool {
        let target = self.record.targets.get(usize::from(attempt));
        target.is_some_and(|target| target.hop.transport.is_reliable())
    }

    /// Whether the offer comes with the callee's 2xx and its answer with the caller's ACK.
    pub(super) fn is_late_offer(&self) -> bool {
        match self.record.phase {
            Phase::Inviting | Phase::Answered => {
                self.invite.as_ref().is_some_and(|invite| !invite.has_sdp())
            }
            Phase::Confirmed | Phase::Finished => false,
        }
    }
}

impl Ctx<'_> {
    /// Sends an answer and counts it.
    pub(crate) fn respond(&mut self, to: Hop, method: &'static str, status: u16, bytes: Bytes) {
        self.send(to, bytes);
        self.event(Event::ResponseSent { method, class: status / 100 });
    }

    /// Counts an answer that a peer sent.
    pub(crate) fn heard(&mut self, message: &Message) {
        let method = messages::label(message.method());
        self.event(Event::ResponseReceived { method, class: status_of(message) / 100 });
    }
}
