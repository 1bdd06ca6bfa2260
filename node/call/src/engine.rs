//! The engine: all calls of the slots we own, found by message, by call id or by time.
//!
//! A value: `handle(now, input)`, then `poll()` until there is nothing, then wait for the next input
//! or for `next_timer()`. It knows which calls there are and which slots are ours; what happens in a
//! call is its machine's business (`call`), what happens to a request outside any call is in
//! `outside`.
//!
//! Invariant: while suspended, nothing is sent and nothing is proposed.
//! Invariant: every call of a slot that is not ours has been forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use holdline_model::{
    CallId, CallRecord, Epoch, Hop, Millis, Name, Rejection, Reply, SlotId, Step, Token, TokenKind,
    mutant,
};
use holdline_sip::digest::NonceKey;
use holdline_sip::message::{Message, Method, ParseError, ParseErrorKind, Via};

use crate::allowance::{Allowance, Unlimited};
use crate::behind::Behind;
use crate::call::{Call, Ctx, Fate, Request};
use crate::index::Index;
use crate::large::{Large, WithoutTcp};
use crate::messages::{self, Refuse};
use crate::metered::HeldRequests;
use crate::nonce::Nonces;
use crate::redirect::is_redirection;
use crate::refused::Refused;
use crate::registrar::{Directory, Registrar, RegistrarOptions};
use crate::routing::Selector;
use crate::timers::Timers;
use crate::trunk_calls::TrunkCalls;
use crate::{
    Certificates, DropReason, Emergency, Event, Input, Listeners, Names, NoCertificates,
    NoEmergency, NoNames, Options, Output, Refusal, Routing, Sender, Trunk, Undecided,
};

/// All calls of the slots that this shard of this node owns.
#[derive(Debug)]
pub struct CallEngine {
    pub(crate) options: Options,
    pub(crate) routing: Arc<Routing>,
    pub(crate) names: Arc<dyn Names>,
    pub(crate) certificates: Arc<dyn Certificates>,
    pub(crate) registrar: Registrar,
    pub(crate) allowance: Arc<dyn Allowance>,
    /// Requests that wait for tokens.
    pub(crate) held: HeldRequests,
    /// Requests that wait until this node has caught up.
    pub(crate) behind: Behind,
    pub(crate) emergency: Arc<dyn Emergency>,
    pub(crate) selector: Selector,
    pub(crate) trunk_calls: TrunkCalls,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) nonces: Nonces,
    pub(crate) without_tcp: WithoutTcp,
    /// The slots we own, with the epoch in which we do.
    pub(crate) slots: BTreeMap<SlotId, Epoch>,
    pub(crate) calls: BTreeMap<CallId, Box<Call>>,
    /// How many of `calls` are finished.
    pub(crate) tombstones: usize,
    pub(crate) index: Index,
    pub(crate) timers: Timers,
    pub(crate) refused: Refused,
    /// New calls are refused, and this is what Retry-After says; only while one input is handled.
    pub(crate) shedding: Option<Duration>,
    suspended: bool,
    /// What was decided while suspended.
    missed: Vec<(CallId, Step, Result<Reply, Undecided>)>,
    /// Slots that were gained while suspended.
    to_run: Vec<SlotId>,
    pub(crate) out: VecDeque<Output>,
}

impl CallEngine {
    /// An engine that owns nothing yet. `options` are taken as they are: check them with
    /// [`Options::validate`] where they are read. `seed` makes the numbers of its calls; give each
    /// engine and each run another one.
    #[must_use]
    pub fn new(options: Options, routing: Arc<Routing>, seed: u64) -> Self {
        Self {
            options,
            routing,
            names: Arc::new(NoNames),
            certificates: Arc::new(NoCertificates),
            registrar: Registrar::none(),
            allowance: Arc::new(Unlimited),
            held: HeldRequests::default(),
            behind: Behind::default(),
            emergency: Arc::new(NoEmergency),
            selector: Selector::new(seed),
            trunk_calls: TrunkCalls::default(),
            listeners: Arc::default(),
            nonces: Nonces::new(seed),
            without_tcp: WithoutTcp::default(),
            slots: BTreeMap::new(),
            calls: BTreeMap::new(),
            tombstones: 0,
            index: Index::default(),
            timers: Timers::default(),
            refused: Refused::default(),
            shedding: None,
            suspended: false,
            missed: Vec::new(),
            to_run: Vec::new(),
            out: VecDeque::new(),
        }
    }

    /// Makes it a registrar, too. `key` signs nonces and is the same on all nodes.
    #[must_use]
    pub fn with_registrar(
        mut self,
        options: RegistrarOptions,
        key: NonceKey,
        directory: Arc<dyn Directory>,
    ) -> Self {
        self.registrar = Registrar::new(options, key, directory);
        self
    }

    /// Has requests that are no calls spend tokens that this node has leased.
    #[must_use]
    pub fn with_allowance(mut self, allowance: Arc<dyn Allowance>) -> Self {
        self.allowance = allowance;
        self
    }

    /// Lets it know where names lead.
    #[must_use]
    pub fn with_names(mut self, names: Arc<dyn Names>) -> Self {
        self.names = names;
        self
    }

    /// Lets it know the certificates that peers have shown.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Arc<dyn Certificates>) -> Self {
        self.certificates = certificates;
        self
    }

    /// The trunk that what comes over a connection belongs to.
    pub(crate) fn source(&self, hop: Hop) -> Option<&Trunk> {
        self.routing.source(&self.sender(hop), &*self.names)
    }

    pub(crate) fn sender(&self, hop: Hop) -> Sender {
        let secure = hop.transport.is_secure();
        let identities = if secure { self.certificates.identities(hop) } else { None };
        Sender { address: hop.peer.ip(), identities }
    }

    /// Tells it which numbers are of emergency.
    #[must_use]
    pub fn with_emergency(mut self, emergency: Arc<dyn Emergency>) -> Self {
        self.emergency = emergency;
        self
    }

    /// Uses another routing for calls that come from now on.
    pub fn set_routing(&mut self, routing: Arc<Routing>) {
        self.routing = routing;
        self.selector.forget_turns();
    }

    /// Uses other listeners for calls that come from now on.
    pub fn set_listeners(&mut self, listeners: Arc<Listeners>) {
        self.listeners = listeners;
    }

    /// Handles one input; drain [`CallEngine::poll`] afterwards. Never fails: what cannot be acted
    /// upon is dropped and told as an [`Event`].
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Gained { slot, epoch, calls } => self.gained(now, slot, epoch, calls),
            Input::Lost { slot } => self.lost(slot),
            Input::Suspended(suspended) => self.suspend(now, suspended),
            Input::Trunks(view) => self.selector.set_view(view),
            Input::Registered { ticket, outcome } if self.suspended => {
                self.registrar.heard_in_silence(ticket, &outcome);
                self.dropped(DropReason::Suspended);
            }
            Input::CaughtUp { ticket, .. } if self.suspended => self.caught_up_in_silence(ticket),
            Input::Sip { .. }
            | Input::Malformed { .. }
            | Input::Unsent { .. }
            | Input::HangUp { .. }
                if self.suspended =>
            {
                self.dropped(DropReason::Suspended);
            }
            Input::Sip { hop, message, slot } => self.sip(now, hop, message, slot),
            Input::Malformed { hop, error } => self.malformed(hop, &error),
            Input::Unsent { message } => self.unsent(now, &message),
            Input::Decided { call, step, outcome } if self.suspended => {
                // Nothing may follow from it yet. At most one per call, because that has no other proposal.
                self.missed.push((call, step, outcome));
            }
            Input::Decided { call, step, outcome } => self.decided(now, call, step, outcome),
            Input::Registered { ticket, outcome } => self.register_decided(now, ticket, outcome),
            Input::CaughtUp { ticket, is_current } => self.caught_up(now, ticket, is_current),
            Input::HangUp { call } => self.hang_up(now, call),
            Input::Tick => self.tick(now),
        }
    }

    /// The next output, in the order in which they are to be carried out.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Input::Tick`] is to be given next; `None` if nothing will be due.
    #[must_use]
    pub fn next_timer(&self) -> Option<Millis> {
        let timers = self.timers.next().into_iter().chain(self.registrar.next_timer());
        let timers = timers.chain(self.held.next_timer());
        if self.suspended { None } else { timers.min() }
    }

    /// The record of a call as last committed, if the call is known here.
    #[must_use]
    pub fn record(&self, call: CallId) -> Option<&CallRecord> {
        self.calls.get(&call).filter(|call| call.is_admitted()).map(|call| call.record())
    }

    /// How many calls are up or being set up.
    #[must_use]
    pub fn live_calls(&self) -> usize {
        self.calls.len().saturating_sub(self.tombstones)
    }

    /// How many finished calls are kept for late retransmissions.
    #[must_use]
    pub const fn tombstones(&self) -> usize {
        self.tombstones
    }

    /// How many calls are up or being set up to each trunk, if that has changed since it was asked
    /// last. Exact: it is counted from the records of the calls that we own.
    pub fn take_trunk_calls(&mut self) -> Option<&BTreeMap<Name, u64>> {
        self.trunk_calls.take_changed()
    }

    fn suspend(&mut self, now: Millis, suspended: bool) {
        let resumed = self.suspended && !suspended;
        self.suspended = suspended;
        if resumed {
            let mut missed = std::mem::take(&mut self.missed);
            // A slot that has another owner is not spoken for, whatever was decided before that.
            let is_deposed = |outcome: &Result<Reply, Undecided>| {
                matches!(outcome, Ok(Reply::Rejected(Rejection::StaleEpoch { .. })))
            };
            missed.sort_by_key(|(_, _, outcome)| !is_deposed(outcome));
            for (call, step, outcome) in missed {
                self.decided(now, call, step, outcome);
            }
            for slot in std::mem::take(&mut self.to_run) {
                self.run_slot(now, slot);
            }
            self.tick(now);
        }
    }

    /// Lets the calls of a slot do what is to be done.
    fn run_slot(&mut self, now: Millis, slot: SlotId) {
        let calls: Vec<CallId> = self.calls.range(of_slot(slot)).map(|(id, _)| *id).collect();
        for call in calls {
            self.with_call(now, call, |call, ctx| {
                call.run(ctx);
                Fate::Keep
            });
        }
    }

    fn gained(&mut self, now: Millis, slot: SlotId, epoch: Epoch, calls: Vec<CallRecord>) {
        match self.slots.get(&slot) {
            Some(known) if *known > epoch => {
                self.dropped(DropReason::OldEpoch);
                return;
            }
            // The same news again: the machines we have are further than the records given.
            Some(known) if *known == epoch => {}
            Some(_) | None => {
                self.registrar.lost(slot);
                self.held.lost(slot);
                self.behind.lost(slot);
                self.forget_slot(slot);
            }
        }
        self.slots.insert(slot, epoch);
        self.recover(now, slot, epoch, calls);
        if self.suspended {
            self.to_run.push(slot);
        } else {
            self.run_slot(now, slot);
        }
    }

    fn lost(&mut self, slot: SlotId) {
        self.slots.remove(&slot);
        self.registrar.lost(slot);
        self.held.lost(slot);
        self.behind.lost(slot);
        self.forget_slot(slot);
    }

    fn forget_slot(&mut self, slot: SlotId) {
        let calls: Vec<CallId> = self.calls.range(of_slot(slot)).map(|(id, _)| *id).collect();
        for call in calls {
            self.forget(call);
        }
    }

    fn decided(
        &mut self,
        now: Millis,
        call: CallId,
        step: Step,
        outcome: Result<Reply, Undecided>,
    ) {
        if let Ok(Reply::Rejected(Rejection::StaleEpoch { slot, named, .. })) = &outcome {
            self.deposed(*slot, *named);
            return;
        }
        if !self.with_call(now, call, |call, ctx| call.decided(ctx, step, outcome)) {
            self.dropped(DropReason::StrayDecision);
        }
    }

    /// We own the slot no longer, and learn it from a rejection before [`Input::Lost`] comes. From now
    /// on nothing is said for any of its calls: to a request for a call that we have forgotten, a
    /// 481 would end it at the far end, though the new owner has it.
    pub(crate) fn deposed(&mut self, slot: SlotId, named: Epoch) {
        match self.slots.get(&slot) {
            Some(ours) if *ours == named => {
                self.dropped(DropReason::Deposed);
                self.lost(slot);
            }
            // We became owner again since; the call was rebuilt and knows nothing of that proposal.
            Some(_) | None => self.dropped(DropReason::StrayDecision),
        }
    }

    fn hang_up(&mut self, now: Millis, call: CallId) {
        let known = self.with_call(now, call, |call, ctx| {
            call.hang_up(ctx);
            Fate::Keep
        });
        if !known {
            self.dropped(DropReason::UnknownCall);
        }
    }

    fn tick(&mut self, now: Millis) {
        if self.suspended {
            return;
        }
        self.tick_registrar(now);
        self.tick_held(now);
        // Collected first, so that a call that wants to be asked again at once cannot keep us here.
        let due: Vec<CallId> = std::iter::from_fn(|| self.timers.pop_due(now)).collect();
        for call in due {
            self.with_call(now, call, |call, ctx| {
                if mutant::is("timer-without-commit") {
                    call.hang_up_without_commit(ctx);
                }
                call.tick(ctx)
            });
        }
    }

    fn sip(&mut self, now: Millis, hop: Hop, message: Message, slot: SlotId) {
        if !self.slots.contains_key(&slot) {
            self.dropped(DropReason::NotOwner);
            return;
        }
        if !message.is_request() {
            self.response(now, hop, message);
            return;
        }
        self.event(Event::Request { method: messages::label(message.method()) });
        let request = Request { hop, message };
        match request.message.to().tag {
            _ if *request.message.method() == Method::Cancel
                && (request.message.to().tag.is_none()
                    || self.transaction_of(&request.message).is_some()) =>
            {
                self.cancel(now, request);
            }
            None => self.outside(now, request, slot, false),
            Some(tag) => match Token::from_tag(tag.as_bytes()) {
                Some(Token { kind: TokenKind::Stateless, .. })
                    if *request.message.method() == Method::Ack =>
                {
                    // The ACK of a refusal that kept no state (RFC 3261 section 8.2.7).
                }
                token => self.in_dialog(now, token.map(|token| token.call), request),
            },
        }
    }

    fn response(&mut self, now: Millis, hop: Hop, message: Message) {
        let branch = message.top_via().branch.map(str::to_owned).unwrap_or_default();
        let suffix = branch.split_once('.').map_or("", |(_, suffix)| suffix);
        let known = Token::from_branch(branch.as_bytes()).is_some_and(|token| {
            let is_redirection = is_redirection(&message);
            let redirected = is_redirection
                .then(|| self.redirected(now, token.call, &message, suffix))
                .flatten();
            self.with_call(now, token.call, |call, ctx| {
                ctx.heard(&message);
                if let Some((attempt, targets)) = redirected {
                    call.redirected(attempt, targets);
                }
                call.response(ctx, hop, message, suffix);
                Fate::Keep
            })
        });
        if !known {
            self.dropped(DropReason::StrayResponse);
        }
    }

    /// Of a request of ours it is known that it did not leave.
    fn unsent(&mut self, now: Millis, message: &Message) {
        let branch = message.top_via().branch.map(str::to_owned).unwrap_or_default();
        let token = Token::from_branch(branch.as_bytes()).filter(|_| message.is_request());
        let suffix = branch.split_once('.').map_or("", |(_, suffix)| suffix);
        if let Some(token) = token {
            self.remember_without_tcp(now, token.call, suffix);
            self.with_call(now, token.call, |call, ctx| {
                call.unsent(ctx, message.method(), suffix);
                Fate::Keep
            });
        }
    }

    fn in_dialog(&mut self, now: Millis, call: Option<CallId>, request: Request) {
        let found = call.and_then(|id| {
            let side = self.calls.get(&id)?.side_of(&request.message)?;
            Some((id, side))
        });
        match found {
            Some((id, side)) => {
                self.with_call(now, id, |call, ctx| {
                    call.request(ctx, side, request);
                    Fate::Keep
                });
            }
            None if *request.message.method() == Method::Ack => self.dropped(DropReason::StrayAck),
            None => self.refuse(&request, Refuse::NoDialog, Refusal::NoDialog),
        }
    }

    fn malformed(&mut self, hop: Hop, error: &ParseError) {
        if matches!(error.kind, ParseErrorKind::KeepAlive | ParseErrorKind::Empty) {
            return;
        }
        let Some(bytes) = messages::malformed(error, hop) else {
            self.dropped(DropReason::Unanswerable);
            return;
        };
        self.event(Event::Refused { reason: Refusal::Malformed });
        let top = error.answerable.as_ref().and_then(|known| known.vias.first());
        let via = top.and_then(|top| Via::parse(top).ok());
        let to = via.map_or(hop, |via| messages::via_hop(&via, hop));
        let method =
            error.answerable.as_ref().map_or("OTHER", |known| messages::label(&known.method));
        let status = error.kind.status();
        self.ctx(Millis::default()).respond(to, method, status, bytes);
    }

    /// Refuses a request without state.
    pub(crate) fn refuse(&mut self, request: &Request, refuse: Refuse, reason: Refusal) {
        let bytes = messages::refuse(&request.message, request.hop, refuse);
        let to = messages::reply_hop(&request.message, request.hop);
        let method = messages::label(request.message.method());
        self.event(Event::Refused { reason });
        self.ctx(Millis::default()).respond(to, method, refuse.status(), bytes);
    }

    /// Lets a call handle something, and keeps the books; false if the call is not known.
    pub(crate) fn with_call(
        &mut self,
        now: Millis,
        id: CallId,
        handle: impl FnOnce(&mut Call, &mut Ctx<'_>) -> Fate,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let was_finished = call.is_finished();
        let before = TrunkCalls::place(call.record());
        let (options, routing, names) = (&self.options, &*self.routing, &*self.names);
        let large = Large::new(options, &self.listeners, &self.without_tcp);
        let mut ctx = Ctx { now, options, routing, names, large, out: &mut self.out };
        let fate = handle(call, &mut ctx);
        self.trunk_calls.moved(before, call.record());
        if call.is_finished() && !was_finished {
            self.tombstones += 1;
        }
        match fate {
            Fate::Keep => self.timers.set(id, call.next_timer()),
            Fate::Forget => self.forget(id),
        }
        true
    }

    /// Adds a call's machine to the books.
    pub(crate) fn insert(&mut self, call: Call) {
        let id = call.record().call;
        self.index.insert(call.record());
        self.trunk_calls.add(call.record());
        self.timers.set(id, call.next_timer());
        if call.is_finished() {
            self.tombstones += 1;
        }
        self.calls.insert(id, Box::new(call));
    }

    pub(crate) fn forget(&mut self, id: CallId) {
        self.timers.set(id, None);
        if let Some(call) = self.calls.remove(&id) {
            self.index.remove(call.record());
            self.trunk_calls.remove(call.record());
            if call.is_finished() {
                self.tombstones = self.tombstones.saturating_sub(1);
            }
        }
    }

    pub(crate) fn ctx(&mut self, now: Millis) -> Ctx<'_> {
        let (options, routing, names) = (&self.options, &*self.routing, &*self.names);
        let large = Large::new(options, &self.listeners, &self.without_tcp);
        Ctx { now, options, routing, names, large, out: &mut self.out }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    pub(crate) fn dropped(&mut self, reason: DropReason) {
        self.event(Event::Dropped { reason });
    }
}

/// All calls that a slot can have.
const fn of_slot(slot: SlotId) -> RangeInclusive<CallId> {
    CallId { slot, nonce: 0 }..=CallId { slot, nonce: u64::MAX }
}
