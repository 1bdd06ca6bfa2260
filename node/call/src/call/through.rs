//! Requests within a dialog that go through to the other side, other than INVITE, and their answers:
//! UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE and MESSAGE.
//!
//! A request that is passed on is a function of the committed dialogs and of the request itself
//! ([`messages::through`]). So nothing is committed for it: its sender repeats it until it hears
//! the answer, and whoever owns the call then passes on the very same request. Committed is what an
//! answer changes (the 2xx of an UPDATE), and the numbers when they run ahead (`Counted`).
//!
//! Offers that cross (RFC 3311 section 5.2) are the far ends' to judge: each knows its own, also when the
//! call has changed its owner in between.
//!
//! Invariant: the CSeq number of a request that was passed on is at most
//! [`limits::CSEQ_AHEAD`] above what is committed.

use std::borrow::Cow;

use bytes::Bytes;
use holdline_model::{
    CallChange, Counted, Dialog, Hop, Millis, NewTarget, Phase, Side, Updated, limits,
};
use holdline_sip::message::{Message, Method};
use holdline_sip::transaction::{NonInviteClient, NonInviteClientInput, ResponseClass};

use super::transact::drain_request;
use super::work::{Request, Work};
use super::{Call, Ctx};
use crate::messages::{self, Refuse, status_of};

use crate::{DropReason, Event, Refusal, Unconfirmed, dialogs, session_timer};

/// Refused requests that may be repeated, or that a predecessor passed on, of which the last are
/// remembered.
const MAX_REFUSED: usize = 8;

/// A request that was to be passed on and was refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// Who sent it.
    from: Side,
    /// Its CSeq number.
    cseq: u32,
    /// Why.
    refuse: Refuse,
}

/// A request that went through and may be repeated, or answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Who sent it.
    pub(crate) from: Side,
    /// As it came.
    pub(crate) request: Box<Request>,
    /// How it goes on.
    pub(crate) hop: Hop,
    /// Of a PRACK, what it acknowledges.
    pub(crate) rack: Option<(u32, u16)>,
    /// Ours.
    pub(crate) client: NonInviteClient,
    /// The answer that its sender got; empty before.
    pub(crate) answer: Bytes,
    /// When its sender repeats it no longer.
    pub(crate) over_at: Millis,
}

impl Exchange {
    pub(crate) fn is(&self, from: Side, number: u32) -> bool {
        self.from == from && self.request.message.cseq().number == number
    }

    pub(super) fn is_pending(&self) -> bool {
        self.answer.is_empty()
    }

    /// The earliest time at which it wants to be looked at.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        self.client.next_timer().into_iter().chain([self.over_at]).min()
    }
}

impl Call {
    /// Whether a request came before; then it was dealt with.
    pub(super) fn is_repeated(&mut self, ctx: &mut Ctx<'_>, side: Side, request: &Request) -> bool {
        let cseq = request.message.cseq().number;
        if let Some(refuse) = self.refusal_of(side, cseq) {
            // Whatever spoke against it is perhaps over; but its sender may have heard the answer.
            let bytes = messages::refuse(&request.message, request.hop, refuse);
            let to = messages::reply_hop(&request.message, request.hop);
            let method = messages::label(request.message.method());
            ctx.respond(to, method, refuse.status(), bytes);
            return true;
        }
        if *request.message.method() == Method::Invite {
            return self.is_reinvite_repeated(ctx, side, request);
        }
        let number = request.message.cseq().number;
        let mut known = self.legs.through.iter();
        let Some(known) = known.find(|exchange| exchange.is(side, number)) else { return false };
        let branch = known.request.message.top_via().branch;
        if branch != request.message.top_via().branch {
            return false;
        }
        if !known.answer.is_empty() {
            let to = messages::reply_hop(&request.message, request.hop);
            let method = messages::label(request.message.method());
            ctx.respond(to, method, status_in(&known.answer), known.answer.clone());
        }
        true
    }

    /// A request to be passed on.
    pub(super) fn pass(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        if let Some((refuse, reason)) = self.objection_to_passing(ctx, side, &request.message) {
            self.refuse_to_pass(ctx, side, &request, refuse, reason);
        } else if self.must_wait(side, request.message.cseq().number) {
            self.push(ctx, Work::Through(side, request));
        } else {
            self.pass_now(ctx, side, request);
        }
    }

    /// Refuses a request that would have to be passed on, and keeps to that when it is repeated.
    pub(super) fn refuse_to_pass(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        request: &Request,
        refuse: Refuse,
        reason: Refusal,
    ) {
        let cseq = request.message.cseq().number;
        self.refused.insert(0, Refused { from: side, cseq, refuse });
        self.refused.truncate(MAX_REFUSED);
        self.refuse_request(ctx, request, refuse, reason);
    }

    /// How a request that would have to be passed on was refused, if it was.
    pub(super) fn refusal_of(&self, from: Side, cseq: u32) -> Option<Refuse> {
        let mut refused = self.refused.iter();
        refused.find(|known| (known.from, known.cseq) == (from, cseq)).map(|known| known.refuse)
    }

    /// Whether a request cannot be passed on at once: its number must be committed, or that of a request of
    /// our own is about to be, which it is to come after.
    pub(super) fn must_wait(&self, from: Side, number: u32) -> bool {
        self.must_count(from, number) || self.is_asking(from.other())
    }

    /// Whether a request's number must be committed before it is passed on.
    pub(super) fn must_count(&self, from: Side, number: u32) -> bool {
        let Some(answer) = &self.record.answer else { return false };
        let dialog = match from.other() {
            Side::Caller => &answer.caller,
            Side::Callee => &answer.callee,
        };
        let limit = dialog.local_cseq.saturating_add(limits::CSEQ_AHEAD);
        dialog.passed_cseq(number) > limit && !self.is_finished()
    }

    /// A request that waited for its number to be committed.
    pub(super) fn count(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        let cseq = request.message.cseq().number;
        if self.must_count(side, cseq) {
            let change = CallChange::Counted(Counted { from: side, cseq });
            self.propose(ctx, change, Some(Work::Through(side, request)));
        } else {
            self.on_counted(ctx, side, request);
        }
    }

    pub(super) fn on_counted(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        if *request.message.method() == Method::Invite {
            self.reinvite(ctx, side, request);
        } else {
            self.pass_now(ctx, side, request);
        }
    }

    fn objection_to_passing(
        &mut self,
        ctx: &Ctx<'_>,
        side: Side,
        request: &Message,
    ) -> Option<(Refuse, Refusal)> {
        if self.is_forking() {
            // Which of several early dialogs goes on is not known yet.
            return Some((Refuse::Overlapping, Refusal::Overlapping));
        }
        if let Some(objection) = self.objection_within(side, request) {
            return Some(objection);
        }
        if self.record.answer.is_none() && self.runs_ahead(side, request.cseq().number) {
            return Some((Refuse::Overlapping, Refusal::TooManyRequests));
        }
        self.objection_to_more(ctx)
    }

    /// Whether a number is too far above that of the INVITE to be passed on in an early dialog.
    pub(super) fn runs_ahead(&self, side: Side, number: u32) -> bool {
        let above = match side {
            Side::Caller => number.saturating_sub(self.record.admission.cseq),
            Side::Callee => 0,
        };
        above > limits::CSEQ_AHEAD
    }

    /// Makes room for one more request that goes through.
    pub(super) fn objection_to_more(&mut self, ctx: &Ctx<'_>) -> Option<(Refuse, Refusal)> {
        self.legs.through.retain(|exchange| exchange.is_pending() || ctx.now < exchange.over_at);
        if self.legs.through.len() >= ctx.options.max_through.get() {
            // Those that are answered are kept for repetitions only.
            let Some(oldest) = self.legs.through.iter().position(|known| !known.is_pending())
            else {
                return Some((Refuse::Overlapping, Refusal::TooManyRequests));
            };
            self.legs.through.remove(oldest);
        }
        None
    }

    /// What speaks against passing on any request within a dialog.
    pub(super) fn objection_within(
        &self,
        side: Side,
        request: &Message,
    ) -> Option<(Refuse, Refusal)> {
        if request.max_forwards() == Some(0) {
            return Some((Refuse::TooManyHops, Refusal::TooManyHops));
        }
        if messages::has_bad_extension(request) {
            return Some((Refuse::BadExtension, Refusal::BadExtension));
        }
        if self.dialog_within(side.other()).is_none() || self.dialog_within(side).is_none() {
            return Some((Refuse::NoDialog, Refusal::NoDialog));
        }
        None
    }

    fn pass_now(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        let dialog = self.dialog_within(side.other()).map(Cow::into_owned);
        if let Some(dialog) = dialog {
            self.pass_in(ctx, side, request, &dialog, None);
        }
    }

    /// Passes a request on within a dialog of the other side.
    pub(super) fn pass_in(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        request: Request,
        dialog: &Dialog,
        rack: Option<(u32, u16)>,
    ) {
        let to = side.other();
        let (bytes, hop) = self.passed(ctx, to, dialog, &request.message, rack);
        let reliable = hop.transport.is_reliable();
        self.used(to, dialog.passed_cseq(request.message.cseq().number));
        let exchange = Exchange {
            from: side,
            hop,
            rack,
            client: NonInviteClient::new(ctx.now, ctx.options.timers, reliable, bytes),
            request: Box::new(request),
            answer: Bytes::new(),
            over_at: ctx.now.plus_ms(ctx.options.timers.transaction_timeout_ms()),
        };
        self.legs.through.push(exchange);
        self.drain_through(ctx);
    }

    /// A request as it goes on, and how.
    pub(super) fn passed(
        &self,
        ctx: &Ctx<'_>,
        to: Side,
        dialog: &Dialog,
        request: &Message,
        rack: Option<(u32, u16)>,
    ) -> (Bytes, Hop) {
        let (method, cseq) = (request.method().as_str(), dialog.passed_cseq(request.cseq().number));
        let credentials = self.credentials_within(ctx, to, method, cseq);
        let there = self.dialog_within(to.other()).map(|there| self.record.seen(there.hop).local);
        let credentials = credentials.as_deref();
        let with = messages::through::With { rack, credentials, there, over: None };
        let bytes = messages::through::request(&self.record, to, dialog, request, with);
        let Some(hop) = ctx.large.instead(ctx.now, dialog.hop, bytes.len()) else {
            return (bytes, dialog.hop);
        };
        let with = messages::through::With { over: Some(hop), ..with };
        (messages::through::request(&self.record, to, dialog, request, with), hop)
    }

    /// A request to `to` did not leave over TCP, to which it had grown: it goes over UDP.
    pub(super) fn pass_again(&mut self, ctx: &mut Ctx<'_>, to: Side, number: u32) {
        let Some(dialog) = self.dialog_within(to).map(Cow::into_owned) else { return };
        let mut known = self.legs.through.iter();
        let Some(index) = known.position(|exchange| exchange.is(to.other(), number)) else {
            return;
        };
        let Some(exchange) = self.legs.through.get(index) else { return };
        if exchange.hop == dialog.hop || !exchange.is_pending() {
            return;
        }
        let (bytes, hop) = self.passed(ctx, to, &dialog, &exchange.request.message, exchange.rack);
        let reliable = hop.transport.is_reliable();
        let client = NonInviteClient::new(ctx.now, ctx.options.timers, reliable, bytes);
        if let Some(exchange) = self.legs.through.get_mut(index) {
            (exchange.hop, exchange.client) = (hop, client);
        }
        self.drain_through(ctx);
    }

    /// An answer to a request that was passed on to `to`.
    pub(super) fn through_answered(
        &mut self,
        ctx: &mut Ctx<'_>,
        to: Side,
        number: u32,
        message: Message,
    ) {
        let from = to.other();
        let mut known = self.legs.through.iter_mut();
        let Some(exchange) = known.find(|exchange| exchange.is(from, number)) else {
            // A predecessor passed it on; its sender repeats it until it hears an answer.
            ctx.dropped(DropReason::StrayResponse);
            return;
        };
        let class = ResponseClass::of(status_of(&message));
        exchange.client.handle(ctx.now, NonInviteClientInput::Response(class));
        let (pending, method) = (exchange.is_pending(), exchange.request.message.method().clone());
        self.drain_through(ctx);
        if !pending || class == ResponseClass::Provisional {
            // Section 17.2.2 and RFC 4320: of provisional answers only the next hop is told.
            return;
        }
        if method == Method::Update && class == ResponseClass::Success {
            self.push(ctx, Work::Updated { from, number, message });
            return;
        }
        if method == Method::Prack && class == ResponseClass::Success {
            self.push(ctx, Work::Pracked { number, message });
            return;
        }
        self.answer_through(ctx, from, number, &message);
        let is_gone = matches!(status_of(&message), 481 | 408);
        if method == Method::Update && is_gone {
            self.push(ctx, Work::Gone { side: to, status: status_of(&message) });
        }
    }

    /// An UPDATE has its 2xx.
    pub(super) fn update_answered(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: Side,
        number: u32,
        message: Message,
    ) {
        let mut known = self.legs.through.iter();
        let Some(exchange) = known.find(|exchange| exchange.is(from, number)) else { return };
        let request = &exchange.request;
        let (caller_target, callee_target) = self.new_targets(ctx, from, request, &message);
        let timer = session_timer::within(&self.record, &request.message, &message);
        let session_by = messages::through::session_by(&self.record, ctx.now, timer, &message);
        let updated = Updated { from, cseq: number, caller_target, callee_target, session_by };
        let trigger = Work::Updated { from, number, message };
        self.propose(ctx, CallChange::Updated(Box::new(updated)), Some(trigger));
    }

    /// The targets of caller and callee after a request and its 2xx (section 12.2).
    pub(super) fn new_targets(
        &self,
        ctx: &Ctx<'_>,
        from: Side,
        request: &Request,
        answer: &Message,
    ) -> (Option<NewTarget>, Option<NewTarget>) {
        let new = |side: Side| {
            let dialog = self.dialog_within(side)?;
            let new = if side == from {
                dialogs::new_target(&dialog, &request.message, request.hop)
            } else {
                dialogs::new_target(&dialog, answer, dialog.hop)
            };
            new.map(|NewTarget { uri, hop }| {
                let hop = dialogs::located(&dialog.route_set, &uri, hop, ctx.names);
                NewTarget { uri, hop }
            })
        };
        (new(Side::Caller), new(Side::Callee))
    }

    /// Gives the sender of a request its answer.
    pub(super) fn answer_through(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: Side,
        number: u32,
        message: &Message,
    ) {
        let Some(index) = self.legs.through.iter().position(|known| known.is(from, number)) else {
            return;
        };
        let Some(dialog) = self.dialog_within(from).map(Cow::into_owned) else { return };
        let Some(exchange) = self.legs.through.get_mut(index) else { return };
        let Request { hop, message: request } = exchange.request.as_ref();
        let answer = messages::through::answer(&self.record, &dialog, request, *hop, message);
        let to = messages::reply_hop(request, *hop);
        let method = messages::label(request.method());
        exchange.answer = answer.clone();
        exchange.over_at = ctx.now.plus_ms(ctx.options.timers.transaction_timeout_ms());
        ctx.respond(to, method, status_of(message), answer);
    }

    /// Sends what requests that went through want to send, and drops those that are over.
    pub(super) fn drain_through(&mut self, ctx: &mut Ctx<'_>) {
        let mut gone = None;
        let call = self.record.call;
        let now = ctx.now;
        self.legs.through.retain_mut(|exchange| {
            let hop = exchange.hop;
            let outcome = drain_request(&mut exchange.client, |bytes| ctx.send(hop, bytes));
            if outcome.gave_up {
                ctx.event(Event::GaveUp { call, what: Unconfirmed::Request });
                if *exchange.request.message.method() == Method::Update {
                    gone = Some(exchange.from.other());
                }
                // RFC 4320 section 4.2: its sender has given it up, too; nobody waits for a 408.
                return false;
            }
            exchange.is_pending() || now < exchange.over_at
        });
        if let Some(side) = gone {
            self.enqueue(ctx, Work::Gone { side, status: 408 });
        }
    }

    pub(super) fn tick_through(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now;
        let mut any = false;
        for exchange in &mut self.legs.through {
            if exchange.next_timer().is_some_and(|at| at <= now) {
                exchange.client.handle(now, NonInviteClientInput::Timer);
                any = true;
            }
        }
        if any {
            self.drain_through(ctx);
        }
        if self.legs.through.is_empty() {
            self.legs.through = Vec::new();
        }
    }

    /// A dialog in which requests can be passed on: of an answered call, or an early one.
    pub(super) fn dialog_within(&self, side: Side) -> Option<Cow<'_, Dialog>> {
        if let Some(answer) = &self.record.answer {
            return Some(Cow::Borrowed(match side {
                Side::Caller => &answer.caller,
                Side::Callee => &answer.callee,
            }));
        }
        if self.record.phase != Phase::Inviting {
            return None;
        }
        let invite = self.invite.as_deref()?;
        let attempt = self.record.attempt;
        let early = self.record.early_of(attempt).filter(|early| !early.response.is_empty())?;
        match side {
            Side::Caller => Some(Cow::Owned(dialogs::caller(&self.record, invite, attempt))),
            Side::Callee => {
                let early = Message::parse(early.response.clone()).ok()?;
                let mut dialog = dialogs::callee(&self.record, Some(invite), attempt, &early)?;
                let target = self.record.session.as_ref()?.callee_target.as_ref();
                if let Some(target) = target {
                    (dialog.remote_target, dialog.hop) = (target.uri.clone(), target.hop);
                }
                Some(Cow::Owned(dialog))
            }
        }
    }

    /// A number was used in the dialog with a side.
    pub(super) fn used(&mut self, side: Side, cseq: u32) {
        let used = side.of_mut(&mut self.used_cseq);
        *used = (*used).max(cseq);
    }

    /// The number of a request of our own in the dialog with a side: above all that were used, also by
    /// predecessors, of whom only what is committed is known.
    pub(super) fn own_cseq(&self, side: Side) -> u32 {
        let Some(dialog) = self.dialog(side) else { return 0 };
        let ahead = if *side.of(&self.recovered) { limits::CSEQ_AHEAD } else { 0 };
        let used = *side.of(&self.used_cseq);
        let next = dialog.local_cseq.saturating_add(ahead).max(used).saturating_add(1);
        next.min(Dialog::MAX_CSEQ)
    }

    /// Whether a number below the highest one seen may have been passed on by a predecessor, whose
    /// repetition it is.
    pub(super) fn may_be_a_predecessors(&self, ctx: &Ctx<'_>, side: Side, number: u32) -> bool {
        let committed = self.dialog(side).map_or(0, |dialog| dialog.remote_cseq);
        self.lenient_until.is_some_and(|until| ctx.now < until) && number > committed
    }

    /// For how long after a takeover numbers may come out of order.
    pub(super) fn be_lenient(&mut self, ctx: &Ctx<'_>) {
        let patience = ctx.options.timers.transaction_timeout_ms();
        self.lenient_until = Some(ctx.now.plus_ms(patience));
    }
}

/// The status of an answer that we made.
pub(super) fn status_in(bytes: &[u8]) -> u16 {
    let digits = bytes.get(8..11).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
