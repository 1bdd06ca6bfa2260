//! Requests that belong to no dialog of ours: new calls, their CANCEL, and the rest (RFC 3261
//! section 8.2). What is refused here leaves no state.

use std::sync::Arc;
use std::time::Duration;

use holdline_model::limit::{Demand, Operation};
use holdline_model::{Admit, CallId, Epoch, Hop, Millis, Name, SlotId, Target, mutant};
use holdline_sip::digest::Use;
use holdline_sip::message::{Message, Method};

use crate::behind::{Placing, Waiting};
use crate::call::{Call, Fate, Request};
use crate::messages::{self, Refuse};
use crate::nonce::mix;
use crate::registrar::{Checked, Judged, Located, Question, USERS, print_of};
use crate::routing::{Ask, Choice, PeerSecret, Trunk};
use crate::session_timer;
use crate::{Authentication, CallEngine, DropReason, Event, Refusal, Routing, routing};

/// How many numbers are drawn for a new call before it is refused. One is enough but for a chance
/// of one in 2^64 times the number of calls.
const NONCE_DRAWS: usize = 8;

/// Whose a new call is.
#[derive(Debug)]
pub(crate) struct Caller {
    tenant: Name,
    /// The trunk it came from, or [`USERS`].
    trunk: Name,
}

/// What is known of who sent an INVITE.
#[derive(Debug)]
enum Identified {
    /// Whose it is.
    Caller(Caller),
    /// It was answered.
    Answered,
    /// Its credentials prove nothing, as far as this node has applied.
    Unproved,
}

impl CallEngine {
    /// A request without a To tag, other than CANCEL. `is_current`: this node has applied everything that was
    /// committed when it came.
    pub(crate) fn outside(
        &mut self,
        now: Millis,
        request: Request,
        slot: SlotId,
        is_current: bool,
    ) {
        match request.message.method() {
            Method::Invite => self.invite(now, request, slot, is_current),
            // An ACK of a failure without the tag that the failure had: taken by its transaction.
            Method::Ack => self.ack_without_tag(now, &request),
            Method::Options => self.options(now, &request, slot),
            Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify => {
                // Section 12.2: these exist within a dialog only.
                self.refuse(&request, Refuse::NoDialog, Refusal::NoDialog);
            }
            Method::Register => self.register(now, request, slot, is_current),
            Method::Message => self.not_allowed(now, Operation::Message, &request, slot),
            Method::Subscribe | Method::Publish => {
                self.not_allowed(now, Operation::Subscribe, &request, slot);
            }
            Method::Cancel | Method::Refer => {
                self.refuse(&request, Refuse::NotAllowed, Refusal::Method);
            }
            Method::Other(_) => {
                self.refuse(&request, Refuse::NotImplemented, Refusal::Method);
            }
        }
    }

    /// A CANCEL of a call's INVITE: its transaction is found by its INVITE's branch.
    pub(crate) fn cancel(&mut self, now: Millis, request: Request) {
        match self.transaction_of(&request.message) {
            Some(id) => {
                self.with_call(now, id, |call, ctx| {
                    call.cancel(ctx, request);
                    Fate::Keep
                });
            }
            None if self.behind.holds(&request.message) => self.dropped(DropReason::Waiting),
            None => self.refuse(&request, Refuse::NoDialog, Refusal::NoDialog),
        }
    }

    fn ack_without_tag(&mut self, now: Millis, request: &Request) {
        let found = self.transaction_of(&request.message);
        match found.filter(|id| self.calls.get(id).is_some_and(|call| call.is_finished())) {
            Some(id) => {
                self.with_call(now, id, |call, ctx| {
                    call.ack_of_invite(ctx, None);
                    Fate::Keep
                });
            }
            None => self.dropped(DropReason::StrayAck),
        }
    }

    /// The call whose INVITE has the same Call-ID, From tag, CSeq number and branch (section
    /// 17.2.3; 9.1 for CANCEL).
    pub(crate) fn transaction_of(&self, request: &Message) -> Option<CallId> {
        let id = self.index.find(request)?;
        let branch = request.top_via().branch.unwrap_or_default();
        let same = self.calls.get(&id)?.record().admission.branch == branch;
        same.then_some(id)
    }

    /// What we do not do, but is limited all the same: those who send it send much of it.
    fn not_allowed(&mut self, now: Millis, operation: Operation, request: &Request, slot: SlotId) {
        if self.allows_from(now, slot, operation, request) {
            self.refuse(request, Refuse::NotAllowed, Refusal::Method);
        }
    }

    fn options(&mut self, now: Millis, request: &Request, slot: SlotId) {
        if self.source(request.hop).is_none() {
            self.refuse(request, Refuse::Forbidden, Refusal::UnknownSource);
            return;
        }
        if !self.allows_from(now, slot, Operation::Options, request) {
            return;
        }
        let bytes = messages::options(&request.message, request.hop);
        let to = messages::reply_hop(&request.message, request.hop);
        self.ctx(Millis::default()).respond(to, "OPTIONS", 200, bytes);
    }

    /// A new call, or the same once more.
    fn invite(&mut self, now: Millis, request: Request, slot: SlotId, is_current: bool) {
        if let Some(id) = self.index.find(&request.message) {
            if self.transaction_of(&request.message).is_some() {
                self.with_call(now, id, |call, ctx| {
                    call.invite_again(ctx, request.hop);
                    Fate::Keep
                });
            } else {
                // Section 8.2.2.2: the same request over two paths.
                self.refuse(&request, Refuse::Merged, Refusal::Merged);
            }
            return;
        }
        if self.behind.holds(&request.message) {
            self.dropped(DropReason::Waiting);
            return;
        }
        if let Some(retry_after) = self.refused.find(&request.message) {
            self.refuse(&request, Refuse::Unavailable(retry_after), Refusal::Overload);
            return;
        }
        if let Some(retry_after) = self.shedding {
            // Before the password is looked at, which costs more than a refusal.
            self.refused.insert(now, &request.message, retry_after);
            self.refuse(&request, Refuse::Unavailable(retry_after), Refusal::Overload);
            return;
        }
        let caller = match self.identify(now, &request, slot, is_current) {
            Identified::Caller(caller) => caller,
            Identified::Answered => return,
            Identified::Unproved => {
                self.catch_up_before(Waiting::Unproved { request: Box::new(request), slot });
                return;
            }
        };
        if let Some((refuse, reason)) = self.objection(&request) {
            self.refuse(&request, refuse, reason);
            return;
        }
        let named = match self.named_dialogs(&request) {
            Ok(named) => named,
            Err((refuse, reason)) => {
                self.refuse(&request, refuse, reason);
                return;
            }
        };
        self.place(now, Placing { request, slot, caller, named }, is_current);
    }

    /// Finds out where a call goes, and admits it. `is_current`: what this node knows of registrations is
    /// everything that was committed when the call came.
    pub(crate) fn place(&mut self, now: Millis, call: Placing, is_current: bool) {
        let Placing { request, .. } = &call;
        let dialled = request.message.request_uri().unwrap_or_default();
        let targets = if let Some(target) = &call.named.target {
            Some(self.reached_from(request.hop, vec![target.clone()]))
        } else {
            match self.registrar.locate(now, dialled) {
                Located::Foreign => self.by_trunks(now, request),
                Located::Targets(targets) => {
                    Some(one_by_one_if_reliable(&request.message, targets))
                }
                // A number, dialled at our domain.
                Located::Unknown if routing::is_number(dialled) => self.by_trunks(now, request),
                Located::Unknown => {
                    let refusal = (Refuse::NotFound, Refusal::UnknownUser);
                    self.nobody_there(call, is_current, refusal);
                    return;
                }
                Located::Absent => {
                    self.nobody_there(call, is_current, (Refuse::Absent, Refusal::Absent));
                    return;
                }
                Located::Unreadable => {
                    self.dropped(DropReason::Unreadable);
                    return;
                }
            }
        };
        let Placing { request, slot, caller, named } = call;
        if let Some(mut targets) = targets {
            for target in &mut targets {
                target.fields.extend(named.fields.iter().cloned());
            }
            self.admit(now, request, slot, caller, targets);
        }
    }

    /// The trunks for a call, in order; none if no route leads to the number, for which a call is
    /// admitted all the same and billed as failed. `None`: it was answered.
    fn by_trunks(&mut self, now: Millis, request: &Request) -> Option<Vec<Target>> {
        let Request { hop, message } = request;
        let uri = message.request_uri().unwrap_or_default();
        let ask = Ask {
            uri,
            call_id: message.call_id(),
            source: hop.peer.ip(),
            local: hop.local,
            is_emergency: self.emergency.matches(uri),
        };
        match self.selector.choose(&self.routing, &*self.names, &ask) {
            Choice::Targets(targets) => Some(self.reached_from(*hop, targets)),
            Choice::NoRoute => Some(Vec::new()),
            Choice::AllDown { until } => {
                let refuse = Refuse::Unavailable(self.try_again_after(now, until));
                self.refuse(request, refuse, Refusal::TrunksDown);
                None
            }
        }
    }

    /// The targets with the addresses of ours that they are reached from; without one a target is
    /// passed over.
    pub(crate) fn reached_from(&self, hop: Hop, targets: Vec<Target>) -> Vec<Target> {
        let reached = targets.into_iter().filter_map(|target| {
            let Hop { transport, peer, .. } = target.hop;
            let local = self.listeners.address_for(hop.local, transport, peer)?;
            Some(Target { hop: Hop { transport, local, peer }, ..target })
        });
        reached.collect()
    }

    /// Whose a new call is: the trunk's that it comes from; else the user's that its From names, if that
    /// is one of our domains' and the password is right.
    ///
    /// 407, not 401: a device keeps apart what it tells the registrar and what it tells whatever is on
    /// the way of its calls, and sends the latter along in Proxy-Authorization, unasked, to be taken
    /// off here (RFC 3261 section 22.3).
    fn identify(
        &mut self,
        now: Millis,
        request: &Request,
        slot: SlotId,
        is_current: bool,
    ) -> Identified {
        let Some(epoch) = self.slots.get(&slot).copied() else { return Identified::Answered };
        let routing = Arc::clone(&self.routing);
        if let Some(trunk) = routing.source(&self.sender(request.hop), &*self.names) {
            let Some(secret) = &trunk.policy.proof.by_digest else {
                let (tenant, trunk) = (trunk.tenant.clone(), trunk.name.clone());
                return Identified::Caller(Caller { tenant, trunk });
            };
            return self.identify_trunk(now, request, (slot, epoch), &[(trunk, secret)]).into();
        }
        let Some(aor) = self.registrar.local_aor(request.message.from().uri) else {
            let known: Vec<(&Trunk, &PeerSecret)> = routing.known_by_digest().collect();
            if !known.is_empty() {
                return self.identify_trunk(now, request, (slot, epoch), &known).into();
            }
            self.refuse(request, Refuse::Forbidden, Refusal::UnknownSource);
            return Identified::Answered;
        };
        let question = Question { realm: aor.domain(), slot, epoch, as_registrar: false };
        let print = print_of(request);
        let why = match self.registrar.check(now, &question, request, print) {
            Ok(Checked::Proved(user, Use::First)) if user.aor == aor => {
                let (outcome, source) = (Authentication::Proved, request.hop.peer.ip());
                self.event(Event::Authenticated { outcome, source });
                let tenant = user.tenant.clone();
                return Identified::Caller(Caller { tenant, trunk: USERS.into() });
            }
            Ok(Checked::Proved(_, Use::First)) => {
                self.refuse(request, Refuse::Forbidden, Refusal::OtherUser);
                return Identified::Answered;
            }
            Err(_) => {
                self.dropped(DropReason::Unreadable);
                return Identified::Answered;
            }
            Ok(Checked::Unproved) if !is_current && self.behind.has_room() => {
                return Identified::Unproved;
            }
            Ok(Checked::Missing) => Authentication::Challenged,
            Ok(Checked::Unreadable | Checked::Unproved) => Authentication::Wrong,
            Ok(Checked::Stale(_)) => Authentication::Stale,
            // The call that it started is over and forgotten: it must not start another.
            Ok(Checked::Replayed | Checked::Proved(_, Use::Again | Use::Replayed | Use::Stale)) => {
                Authentication::Replayed
            }
        };
        self.ask(now, &question, request, why);
        Identified::Answered
    }

    /// The same of a call from one of these trunks, which have to know their passwords. `None`: it was answered.
    fn identify_trunk(
        &mut self,
        now: Millis,
        request: &Request,
        (slot, epoch): (SlotId, Epoch),
        known: &[(&Trunk, &PeerSecret)],
    ) -> Option<Caller> {
        let (_, first) = known.first()?;
        let question = Question { realm: &first.realm, slot, epoch, as_registrar: false };
        let mut found = None;
        let print = print_of(request);
        let judged = self.registrar.check_peer(now, &question, request, print, |username| {
            let is_named = |(_, secret): &&(&Trunk, &PeerSecret)| {
                secret.username == username && secret.realm == first.realm
            };
            let (trunk, secret) = known.iter().find(is_named)?;
            found = Some(*trunk);
            Some(secret.ha1)
        });
        let why = match (judged, found) {
            (Some(Judged::Proved(Use::First)), Some(trunk)) => {
                let (outcome, source) = (Authentication::Proved, request.hop.peer.ip());
                self.event(Event::Authenticated { outcome, source });
                return Some(Caller { tenant: trunk.tenant.clone(), trunk: trunk.name.clone() });
            }
            (None, _) => Authentication::Challenged,
            (Some(Judged::Stale), _) => Authentication::Stale,
            (Some(Judged::Wrong), _) | (Some(Judged::Proved(Use::First)), None) => {
                Authentication::Wrong
            }
            // The call that it started is over and forgotten: it must not start another.
            (
                Some(Judged::Replayed | Judged::Proved(Use::Again | Use::Replayed | Use::Stale)),
                _,
            ) => Authentication::Replayed,
        };
        self.ask(now, &question, request, why);
        None
    }

    /// Why a new INVITE is refused, if it is.
    fn objection(&self, request: &Request) -> Option<(Refuse, Refusal)> {
        let message = &request.message;
        if message.max_forwards() == Some(0) {
            return Some((Refuse::TooManyHops, Refusal::TooManyHops));
        }
        if messages::has_bad_extension(message) {
            return Some((Refuse::BadExtension, Refusal::BadExtension));
        }
        if let Some(min_se) = session_timer::too_small(&self.options, message) {
            return Some((Refuse::TooSmall(min_se), Refusal::SessionTimer));
        }
        if message.contact_uri().is_none() {
            return Some((Refuse::BadRequest("Missing Contact"), Refusal::BadRequest));
        }
        let full = self.live_calls() >= self.options.max_calls.get()
            || self.tombstones() >= self.options.max_tombstones.get();
        full.then_some((Refuse::Unavailable(self.options.retry_after), Refusal::TooManyCalls))
    }

    fn admit(
        &mut self,
        now: Millis,
        request: Request,
        slot: SlotId,
        caller: Caller,
        targets: Vec<Target>,
    ) {
        let Request { hop, message } = request;
        let Some(epoch) = self.slots.get(&slot).copied() else { return };
        let timer = session_timer::fields(&self.options, &message);
        let targets = targets.into_iter().map(|mut target| {
            target.fields.extend(timer.iter().cloned());
            target
        });
        let dialled = message.request_uri().unwrap_or_default();
        let mut admit = Admit {
            tenant: caller.tenant,
            trunk: caller.trunk,
            from: message.from().uri.to_owned(),
            to: dialled.to_owned(),
            call_id: message.call_id().to_owned(),
            from_tag: message.from().tag.unwrap_or_default().to_owned(),
            cseq: message.cseq().number,
            branch: message.top_via().branch.unwrap_or_default().to_owned(),
            hop,
            invite: message.bytes().clone(),
            targets: targets.collect(),
            answer_by: now + self.options.answer_timeout,
            demand: Demand {
                pop: self.options.pop.clone(),
                caller: Routing::number(message.from().uri),
                called: Routing::number(dialled),
            },
            timer: self.options.session_timer,
            advertised: self.listeners.advertised(hop.local),
        };
        let Some(id) = self.new_call_id(slot, epoch) else {
            let refuse = Refuse::Unavailable(self.options.retry_after);
            self.refuse(&Request { hop, message }, refuse, Refusal::TooManyCalls);
            return;
        };
        self.avoid_large_datagrams(now, id, epoch, &mut admit, &message);
        let mut ctx = self.ctx(now);
        let mut call = Call::admit(&mut ctx, id, epoch, admit, message);
        if mutant::is("answer-before-commit") {
            call.say_trying(&mut ctx);
        }
        self.insert(call);
    }

    /// What Retry-After says when no trunk is usable: until one is, if that is known.
    fn try_again_after(&self, now: Millis, until: Option<Millis>) -> Duration {
        until.map_or(self.options.retry_after, |until| Duration::from_millis(until.since(now)))
    }

    /// The epoch goes into the number, so that even owners that were given the same seed do not draw
    /// each other's numbers: no two of them own the slot in the same epoch.
    fn new_call_id(&mut self, slot: SlotId, epoch: Epoch) -> Option<CallId> {
        (0..NONCE_DRAWS)
            .map(|_| CallId { slot, nonce: self.nonces.draw() ^ mix(epoch.0) })
            .find(|id| !self.calls.contains_key(id))
    }
}

impl From<Option<Caller>> for Identified {
    fn from(caller: Option<Caller>) -> Self {
        caller.map_or(Self::Answered, Self::Caller)
    }
}

/// Reliable provisional answers are not offered to targets that are tried together (RFC 3262): for a
/// caller that insists on them they are tried one after the other.
fn one_by_one_if_reliable(invite: &Message, mut targets: Vec<Target>) -> Vec<Target> {
    if invite.require().iter().any(|option| option.eq_ignore_ascii_case("100rel")) {
        for target in &mut targets {
            target.together = false;
        }
    }
    targets
}
