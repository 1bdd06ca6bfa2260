//! An INVITE within the dialogs (RFC 3261 section 14): from one side through us to the other, one at a
//! time.
//!
//! It is passed on at once, and nothing is said to its sender: that repeats it, and whoever owns the
//! call then passes on the very same INVITE. When it takes long, it is committed, and its sender is
//! told to wait. Its final answer is committed before it is relayed and acknowledged; a failure
//! leaves the session as it was.

use bytes::Bytes;
use holdline_model::{CallChange, Hop, Millis, Phase, Reinvite, Reinviting, Side};
use holdline_sip::message::{Message, Method};
use holdline_sip::transaction::{
    InviteClient, InviteClientEvent, InviteClientInput, InviteClientOutput, InviteClientState,
    InviteServer, InviteServerEvent, InviteServerInput, InviteServerOutput, NonInviteClient,
    NonInviteClientInput, ResponseClass,
};

use super::through::status_in;
use super::transact::drain_request;
use super::work::{Request, Work};
use super::{Call, Ctx};
use crate::messages::{self, Refuse, status_of};
use crate::{Event, Refusal, Unconfirmed};

/// The INVITE that goes through, while it is not answered and acknowledged.
#[derive(Debug)]
pub(crate) struct InviteThrough {
    /// Who sent it.
    pub(crate) from: Side,
    /// As it came.
    pub(crate) request: Box<Request>,
    /// How it went on, if not as the dialog says.
    pub(crate) over: Option<Hop>,
    /// Ours; gone when its answer is committed.
    pub(crate) client: Option<InviteClient>,
    /// Theirs.
    pub(crate) server: InviteServer,
    /// Its sender has given it up.
    pub(crate) cancelled: bool,
    /// Our CANCEL.
    pub(crate) cancel: Option<NonInviteClient>,
}

impl InviteThrough {
    pub(super) fn number(&self) -> u32 {
        self.request.message.cseq().number
    }

    /// Whether its final answer is not committed yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.client.is_some()
    }

    /// The earliest time at which it wants to be looked at.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        let client = self.client.as_ref().and_then(InviteClient::next_timer);
        let cancel = self.cancel.as_ref().and_then(NonInviteClient::next_timer);
        [client, cancel, self.server.next_timer()].into_iter().flatten().min()
    }
}

impl Call {
    /// An INVITE to `to` did not leave over TCP, to which it had grown: it goes over UDP.
    pub(super) fn reinvite_again(&mut self, ctx: &mut Ctx<'_>, to: Side, number: u32) {
        let Some(invite) = self.legs.reinvite.as_deref() else { return };
        if !self.is_current(to.other(), number) || invite.over.is_none() || !invite.is_pending() {
            return;
        }
        let Some(dialog) = self.dialog(to) else { return };
        let (bytes, hop) = self.passed(ctx, to, dialog, &invite.request.message, None);
        let over = (hop != dialog.hop).then_some(hop);
        let reliable = hop.transport.is_reliable();
        let client = InviteClient::new(ctx.now, ctx.options.timers, reliable, bytes);
        if let Some(invite) = &mut self.legs.reinvite {
            (invite.over, invite.client) = (over, Some(client));
        }
        self.drain_reinvite(ctx);
    }

    /// What the record knows of an INVITE within the dialogs.
    pub(super) fn reinvite_state(&self) -> Option<&Reinvite> {
        self.record.session.as_ref()?.reinvite.as_ref()
    }

    /// Whether the record knows that one, by sender and number.
    pub(super) fn is_known_reinvite(&self, from: Side, number: u32) -> bool {
        self.reinvite_state().is_some_and(|known| known.from == from && known.cseq == number)
    }

    pub(super) fn is_current(&self, from: Side, number: u32) -> bool {
        let current = self.legs.reinvite.as_ref();
        current.is_some_and(|invite| invite.from == from && invite.number() == number)
    }

    /// Whether an INVITE came before; then it was dealt with.
    pub(super) fn is_reinvite_repeated(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        request: &Request,
    ) -> bool {
        let number = request.message.cseq().number;
        if !self.is_current(side, number) {
            // A late copy of one that is answered: its sender has the answer, or is told it again.
            let is = |known: &Reinvite| {
                known.from == side && known.cseq == number && !known.is_pending()
            };
            let state = self.record.session.as_deref();
            let known = state.into_iter().flat_map(|state| [&state.reinvite, &state.before]);
            return known.flatten().any(is);
        }
        let is_committed = self.is_known_reinvite(side, number);
        let Some(invite) = &mut self.legs.reinvite else { return false };
        if is_committed && invite.is_pending() {
            let trying = messages::trying(&invite.request.message, invite.request.hop);
            invite.server.handle(ctx.now, InviteServerInput::Provisional(trying));
        } else {
            invite.server.handle(ctx.now, InviteServerInput::Invite);
        }
        self.drain_reinvite(ctx);
        true
    }

    /// An INVITE within a dialog.
    pub(super) fn reinvite(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        let number = request.message.cseq().number;
        if let Some((refuse, reason)) = self.objection_to_reinvite(side, &request.message) {
            self.refuse_to_pass(ctx, side, &request, refuse, reason);
            return;
        }
        if self.must_wait(side, number) {
            self.push(ctx, Work::Through(side, request));
            return;
        }
        let to = side.other();
        let Some(dialog) = self.dialog(to) else { return };
        let (bytes, hop) = self.passed(ctx, to, dialog, &request.message, None);
        let (timers, reliable) = (ctx.options.timers, hop.transport.is_reliable());
        let over = (hop != dialog.hop).then_some(hop);
        let passed = dialog.passed_cseq(number);
        self.used(to, passed);
        if side == Side::Caller {
            self.has_the_answer();
        }
        self.reinvite_acked = false;
        self.legs.reinvite = Some(Box::new(InviteThrough {
            from: side,
            over,
            server: InviteServer::new(timers, request.hop.transport.is_reliable()),
            request: Box::new(request),
            client: Some(InviteClient::new(ctx.now, timers, reliable, bytes)),
            cancelled: false,
            cancel: None,
        }));
        self.drain_reinvite(ctx);
        self.note(ctx);
    }

    fn objection_to_reinvite(&self, side: Side, request: &Message) -> Option<(Refuse, Refusal)> {
        if let Some(objection) = self.objection_within(side, request) {
            return Some(objection);
        }
        let overlapping = Some((Refuse::Overlapping, Refusal::Overlapping));
        let glare = Some((Refuse::Pending, Refusal::Glare));
        match self.record.phase {
            // Section 14.1: no INVITE while another one is in progress.
            Phase::Inviting => return overlapping,
            // The caller has not the answer yet, or the callee not the caller's SDP.
            Phase::Answered if side == Side::Callee && !self.acked => return glare,
            Phase::Answered if self.is_late_offer() => return overlapping,
            Phase::Answered | Phase::Confirmed | Phase::Finished => {}
        }
        match self.legs.reinvite.as_deref() {
            Some(known) if known.from != side => glare,
            Some(known) if known.is_pending() => overlapping,
            // That it sends another one says that it has the answer to the last.
            Some(_) | None => None,
        }
    }

    /// An answer to an INVITE that was passed on to `to`.
    pub(super) fn reinvite_answered(
        &mut self,
        ctx: &mut Ctx<'_>,
        to: Side,
        number: u32,
        message: Message,
    ) {
        let from = to.other();
        let class = ResponseClass::of(status_of(&message));
        if self.is_current(from, number)
            && let Some(invite) = &mut self.legs.reinvite
            && let Some(client) = &mut invite.client
        {
            client.handle(ctx.now, InviteClientInput::Response(class));
            self.drain_reinvite(ctx);
        }
        match class {
            ResponseClass::Provisional => {
                self.cancel_reinvite_if_heard(ctx);
                if status_of(&message) > 100 && self.is_current(from, number) {
                    self.push(ctx, Work::ReinviteProgress { from, number, message });
                }
            }
            ResponseClass::Success | ResponseClass::Failure => {
                self.push(ctx, Work::Reinvited { from, number, message });
            }
        }
    }

    /// A provisional answer to an INVITE within the dialogs: relayed once the INVITE is committed.
    pub(super) fn reinvite_progress(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: Side,
        number: u32,
        message: Message,
    ) {
        if !self.is_current(from, number)
            || !self.legs.reinvite.as_ref().is_some_and(|invite| invite.is_pending())
        {
            return;
        }
        if self.is_known_reinvite(from, number) {
            self.relay_reinvite_progress(ctx, &message);
        } else if let Some(change) = self.reinviting() {
            self.propose(ctx, change, Some(Work::ReinviteProgress { from, number, message }));
        }
    }

    pub(super) fn reinviting(&self) -> Option<CallChange> {
        let invite = self.legs.reinvite.as_ref()?;
        Some(CallChange::Reinviting(Box::new(Reinviting {
            from: invite.from,
            cseq: invite.number(),
            hop: invite.request.hop,
            request: invite.request.message.bytes().clone(),
        })))
    }

    pub(super) fn relay_reinvite_progress(&mut self, ctx: &mut Ctx<'_>, message: &Message) {
        let Some(invite) = &self.legs.reinvite else { return };
        let Some(response) = self.reinvite_response(invite, message) else { return };
        if let Some(invite) = &mut self.legs.reinvite {
            invite.server.handle(ctx.now, InviteServerInput::Provisional(response));
        }
        self.drain_reinvite(ctx);
    }

    pub(super) fn reinvite_response(
        &self,
        invite: &InviteThrough,
        message: &Message,
    ) -> Option<Bytes> {
        let Request { hop, message: request } = invite.request.as_ref();
        let dialog = self.dialog(invite.from)?;
        Some(messages::through::answer(&self.record, dialog, request, *hop, message))
    }

    /// Committed: it takes long.
    pub(super) fn on_reinviting(&mut self, ctx: &mut Ctx<'_>, trigger: Option<Work>) {
        if let Some(Work::ReinviteProgress { message, .. }) = trigger {
            self.relay_reinvite_progress(ctx, &message);
            return;
        }
        if let Some(invite) = &mut self.legs.reinvite {
            let trying = messages::trying(&invite.request.message, invite.request.hop);
            invite.server.handle(ctx.now, InviteServerInput::Provisional(trying));
        }
        self.drain_reinvite(ctx);
    }

    /// A CANCEL of an INVITE within a dialog (section 9.2). Nothing hangs on it: that the INVITE is
    /// answered in spite of it is always possible.
    pub(super) fn cancel_within(&mut self, ctx: &mut Ctx<'_>, side: Side, request: &Request) {
        let number = request.message.cseq().number;
        let branch = request.message.top_via().branch;
        let same = |invite: &InviteThrough| invite.request.message.top_via().branch == branch;
        let is_ours =
            self.is_current(side, number) && self.legs.reinvite.as_deref().is_some_and(same);
        // Section 9.2: it has no effect on an INVITE that has its final answer.
        if !is_ours && !self.is_known_reinvite(side, number) {
            self.refuse_request(ctx, request, Refuse::NoDialog, Refusal::NoDialog);
            return;
        }
        let bytes = messages::through::own_answer(&request.message, request.hop, 200);
        let to = messages::reply_hop(&request.message, request.hop);
        ctx.respond(to, "CANCEL", 200, bytes);
        if let Some(invite) = self.legs.reinvite.as_mut().filter(|_| is_ours) {
            invite.cancelled = true;
        }
        self.cancel_reinvite_if_heard(ctx);
    }

    fn cancel_reinvite_if_heard(&mut self, ctx: &mut Ctx<'_>) {
        let Some(invite) = &self.legs.reinvite else { return };
        let heard = |client: &InviteClient| client.state() == InviteClientState::Proceeding;
        if !invite.cancelled
            || invite.cancel.is_some()
            || !invite.client.as_ref().is_some_and(heard)
        {
            return;
        }
        let to = invite.from.other();
        let Some(dialog) = self.dialog(to) else { return };
        let via = invite.over.unwrap_or(dialog.hop);
        let bytes = messages::through::sibling(
            &self.record,
            to,
            dialog,
            via,
            invite.number(),
            &Method::Cancel,
        );
        let (timers, reliable) = (ctx.options.timers, via.transport.is_reliable());
        if let Some(invite) = &mut self.legs.reinvite {
            if let Some(client) = &mut invite.client {
                client.handle(ctx.now, InviteClientInput::CancelSent);
            }
            invite.cancel = Some(NonInviteClient::new(ctx.now, timers, reliable, bytes));
        }
        self.drain_reinvite(ctx);
    }

    /// An answer to our CANCEL of an INVITE that was passed on.
    pub(super) fn reinvite_cancel_answered(&mut self, ctx: &mut Ctx<'_>, message: &Message) {
        let class = ResponseClass::of(status_of(message));
        if let Some(cancel) = self.legs.reinvite.as_mut().and_then(|invite| invite.cancel.as_mut())
        {
            cancel.handle(ctx.now, NonInviteClientInput::Response(class));
        }
        self.drain_reinvite(ctx);
    }

    /// The call ends while an INVITE within it is pending (section 15.1.2: 487).
    pub(super) fn end_reinvite(&mut self, ctx: &mut Ctx<'_>, status: u16) {
        let Some(invite) = &mut self.legs.reinvite else { return };
        let Some(_client) = invite.client.take() else {
            let end = self.record.end.as_ref();
            let awaits_bye = end.is_some_and(|end| match invite.from {
                Side::Caller => end.bye_caller,
                Side::Callee => end.bye_callee,
            });
            if !awaits_bye {
                // Who has hung up wants no answer any more.
                self.legs.reinvite = None;
            }
            return;
        };
        invite.cancel = None;
        let Request { hop, message } = invite.request.as_ref();
        let response = messages::through::own_answer(message, *hop, status);
        invite.server.handle(ctx.now, InviteServerInput::Failure(response));
        self.drain_reinvite(ctx);
    }

    /// Sends what its transactions want to send, and takes up what they tell.
    pub(super) fn drain_reinvite(&mut self, ctx: &mut Ctx<'_>) {
        let Some(invite) = &self.legs.reinvite else { return };
        let from = invite.from;
        let to = from.other();
        let Some(hop) = self.dialog(to).map(|dialog| self.hop_to(to, dialog.hop)) else { return };
        let hop = invite.over.unwrap_or(hop);
        let call = self.record.call;
        let Some(invite) = &mut self.legs.reinvite else { return };
        let mut silent = false;
        while let Some(output) = invite.client.as_mut().and_then(InviteClient::poll) {
            match output {
                InviteClientOutput::Send(bytes) => ctx.send(hop, bytes),
                InviteClientOutput::Event(
                    InviteClientEvent::Timeout | InviteClientEvent::TransportError,
                ) => silent = true,
                // Answers become work where they arrive, with their text.
                InviteClientOutput::Event(
                    InviteClientEvent::Provisional
                    | InviteClientEvent::Success
                    | InviteClientEvent::Failure
                    | InviteClientEvent::Terminated,
                ) => {}
            }
        }
        if let Some(cancel) = &mut invite.cancel {
            drain_request(cancel, |bytes| ctx.send(hop, bytes));
        }
        let to = messages::reply_hop(&invite.request.message, invite.request.hop);
        let (mut over, mut ack_missing) = (false, false);
        while let Some(output) = invite.server.poll() {
            match output {
                InviteServerOutput::Send(bytes) => {
                    ctx.respond(to, "INVITE", status_in(&bytes), bytes);
                }
                InviteServerOutput::Event(InviteServerEvent::AckMissing) => ack_missing = true,
                InviteServerOutput::Event(InviteServerEvent::Terminated) => over = true,
                InviteServerOutput::Event(
                    InviteServerEvent::Ack | InviteServerEvent::TransportError,
                ) => {}
            }
        }
        if silent {
            self.enqueue(ctx, Work::Gone { side: from.other(), status: 408 });
        }
        if ack_missing {
            ctx.event(Event::GaveUp { call, what: Unconfirmed::Answer });
            self.enqueue(ctx, Work::ReinviteNoAck);
        }
        if over {
            self.legs.reinvite = None;
        }
    }

    pub(super) fn tick_reinvite(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now;
        if self.reinvite_ack_at.is_some_and(|at| at <= now) {
            self.ack_reinvite_now(ctx);
        }
        let Some(invite) = &mut self.legs.reinvite else { return };
        if invite.next_timer().is_none_or(|at| at > now) {
            return;
        }
        if let Some(client) = &mut invite.client {
            client.handle(now, InviteClientInput::Timer);
        }
        if let Some(cancel) = &mut invite.cancel {
            cancel.handle(now, NonInviteClientInput::Timer);
        }
        invite.server.handle(now, InviteServerInput::Timer);
        self.drain_reinvite(ctx);
    }

    /// Whether a method's requests go through.
    pub(super) const fn goes_through(method: &Method) -> bool {
        matches!(
            method,
            Method::Update
                | Method::Info
                | Method::Refer
                | Method::Notify
                | Method::Subscribe
                | Method::Message
        )
    }
}
