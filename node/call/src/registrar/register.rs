//! What becomes of a REGISTER.

use holdline_model::limit::Operation;
use holdline_model::{
    Aor, Binding, BindingChange, Epoch, LocationRecord, Millis, Name, Register, Rejection, Reply,
    SlotId,
};
use holdline_sip::digest::{Use, fingerprint};

use super::authenticate::print_of;
use super::request::{self, Asked, Objection};
use super::{Checked, LOOK_EVERY_MS, Pending, Question, USERS, Waiting};
use crate::behind;
use crate::call::Request;
use crate::event::{Authentication, Registration};
use crate::messages::{self, Refuse};
use crate::{CallEngine, DropReason, Event, Output, Refusal, Undecided};

/// A REGISTER whose sender is who it says.
struct Proof {
    aor: Aor,
    /// Whose user it is.
    tenant: Name,
    /// Tells the request from others.
    print: u128,
    slot: SlotId,
    epoch: Epoch,
}

impl CallEngine {
    /// A REGISTER for an address of record whose slot is ours. `is_current`: this node has applied everything
    /// that was committed when it came.
    pub(crate) fn register(
        &mut self,
        now: Millis,
        request: Request,
        slot: SlotId,
        is_current: bool,
    ) {
        if self.registrar.options.domains.is_empty() {
            self.refuse(&request, Refuse::NotAllowed, Refusal::Method);
            return;
        }
        let Some(epoch) = self.slots.get(&slot).copied() else { return };
        let Some(aor) = request::aor_of(&request.message, &self.registrar.options) else {
            self.refuse(&request, Refuse::NotFound, Refusal::UnknownDomain);
            return;
        };
        if messages::has_bad_registration_extension(&request.message) {
            self.refuse(&request, Refuse::BadExtension, Refusal::BadExtension);
            return;
        }
        if self.behind.holds(&request.message) {
            self.dropped(DropReason::Waiting);
            return;
        }
        let print = print_of(&request);
        let realm = aor.domain().to_owned();
        let question = Question { realm: &realm, slot, epoch, as_registrar: true };
        let Ok(checked) = self.registrar.check(now, &question, &request, print) else {
            self.dropped(DropReason::Unreadable);
            return;
        };
        match checked {
            Checked::Missing => self.ask(now, &question, &request, Authentication::Challenged),
            Checked::Unproved if !is_current && self.behind.has_room() => {
                self.catch_up_before(behind::Waiting::Unproved {
                    request: Box::new(request),
                    slot,
                });
            }
            Checked::Unreadable | Checked::Unproved => {
                self.ask(now, &question, &request, Authentication::Wrong);
            }
            Checked::Replayed => self.ask(now, &question, &request, Authentication::Replayed),
            Checked::Stale(user) if user.aor == aor && self.was_committed(&aor, print) => {
                // Committed by the owner before us, whose answer was lost.
                self.registered(now, slot, aor, request, Registration::Repeated);
            }
            Checked::Stale(_) => self.ask(now, &question, &request, Authentication::Stale),
            Checked::Proved(user, _) if user.aor != aor => {
                self.refuse(&request, Refuse::Forbidden, Refusal::OtherUser);
            }
            Checked::Proved(user, Use::First) => {
                let source = request.hop.peer.ip();
                self.event(Event::Authenticated { outcome: Authentication::Proved, source });
                let proof = Proof { aor, tenant: user.tenant, print, slot, epoch };
                self.carry_out(now, proof, request);
            }
            Checked::Proved(user, Use::Again | Use::Replayed | Use::Stale) => {
                let registrar = &self.registrar;
                let waits = registrar.pending.values().any(|known| known.print == print)
                    || registrar.waiting.iter().any(|known| known.print == print);
                if waits {
                    self.dropped(DropReason::Absorbed);
                } else {
                    let proof = Proof { aor, tenant: user.tenant, print, slot, epoch };
                    self.proved_again(now, proof, request);
                }
            }
        }
    }

    /// Challenges a request, without state.
    pub(crate) fn ask(
        &mut self,
        now: Millis,
        question: &Question<'_>,
        request: &Request,
        why: Authentication,
    ) {
        let stale = matches!(why, Authentication::Stale | Authentication::Replayed);
        let salt = self.nonces.draw();
        let fields = self.registrar.challenge(now, question, salt, stale);
        let bytes = messages::challenge(&request.message, request.hop, question.status(), &fields);
        let to = messages::reply_hop(&request.message, request.hop);
        let method = messages::label(request.message.method());
        self.event(Event::Authenticated { outcome: why, source: request.hop.peer.ip() });
        self.ctx(now).respond(to, method, question.status(), bytes);
    }

    fn was_committed(&self, aor: &Aor, print: u128) -> bool {
        let location = self.registrar.directory.location(aor);
        location.is_ok_and(|known| known.is_some_and(|known| known.requests.contains(&print)))
    }

    /// A retransmission whose first copy is not waiting any more: it was answered, or its outcome is
    /// not known. Carrying it out again does no harm: apply knows it, and a refresh is one.
    fn proved_again(&mut self, now: Millis, proof: Proof, request: Request) {
        let was_refresh = self.registrar.refreshed.get(&cseq_key(&proof.aor, &request))
            == Some(&request.message.cseq().number);
        if was_refresh || self.was_committed(&proof.aor, proof.print) {
            self.registered(now, proof.slot, proof.aor, request, Registration::Repeated);
        } else {
            self.carry_out(now, proof, request);
        }
    }

    /// Only now does a REGISTER spend tokens: it is known whose they are, and a challenge costs next to
    /// nothing. One that is repeated because it waits, or waited, for them comes here once more.
    fn carry_out(&mut self, now: Millis, proof: Proof, request: Request) {
        let whose = (proof.tenant.as_str(), USERS);
        if !self.allows(now, proof.slot, Operation::Register, whose, &request) {
            return;
        }
        let Proof { aor, print, slot, epoch, .. } = proof;
        let changes = match request::read(now, &request, &self.registrar.options) {
            Ok(Asked::Nothing) => {
                self.registered(now, slot, aor, request, Registration::Queried);
                return;
            }
            Ok(Asked::Changes(changes)) => changes,
            Err(Objection::Bad(reason)) => {
                self.refuse(&request, Refuse::BadRequest(reason), Refusal::BadRequest);
                return;
            }
            Err(Objection::TooBrief) => {
                let min = request::seconds(self.registrar.options.min_expires);
                self.refuse(&request, Refuse::TooBrief(min), Refusal::TooBrief);
                return;
            }
        };
        let cseq = request.message.cseq().number;
        let key = cseq_key(&aor, &request);
        if self.registrar.refreshed.get(&key).is_some_and(|last| *last >= cseq) {
            self.refuse(&request, Refuse::InternalError, Refusal::OldCSeq);
            return;
        }
        let Ok(location) = self.registrar.directory.location(&aor) else {
            self.dropped(DropReason::Unreadable);
            return;
        };
        // What is committed, but not applied here, might have ended a binding.
        let room = self.registrar.is_current()
            && (self.registrar.refreshed.len() < self.registrar.options.max_nonces.get()
                || self.registrar.refreshed.contains_key(&key));
        if room && location.is_some_and(|known| changes_nothing(&known, &changes)) {
            self.registrar.refreshed.insert(key, cseq);
            self.registered(now, slot, aor, request, Registration::Refreshed);
            return;
        }
        let command = Register {
            aor,
            slot,
            epoch,
            at: now,
            request: print,
            call_id: request.message.call_id().to_owned(),
            cseq,
            changes,
            bounds: self.registrar.options.bounds,
        };
        self.propose_register(request, print, command);
    }

    fn propose_register(&mut self, request: Request, print: u128, command: Register) {
        let registrar = &mut self.registrar;
        if registrar.pending.len() >= registrar.options.max_pending.get() {
            self.dropped(DropReason::QueueFull);
            return;
        }
        registrar.last_ticket += 1;
        let ticket = registrar.last_ticket;
        self.out.push_back(Output::Register { ticket, command: Box::new(command.clone()) });
        self.registrar.pending.insert(ticket, Pending { request, print, command });
    }

    /// The outcome of a REGISTER's commit.
    pub(crate) fn register_decided(
        &mut self,
        now: Millis,
        ticket: u64,
        outcome: Result<Reply, Undecided>,
    ) {
        let Some(Pending { request, command, .. }) = self.registrar.pending.remove(&ticket) else {
            self.dropped(DropReason::StrayDecision);
            return;
        };
        match outcome.clone() {
            // Nothing is said: the device says it again, and apply knows it if it was committed.
            Err(Undecided) => self.event(Event::Registered { outcome: Registration::Undecided }),
            Ok(Reply::Rejected(rejection)) => self.register_rejected(&request, &rejection),
            Ok(Reply::Admitted(_) | Reply::Refused(_) | Reply::Leased(_) | Reply::Node(_)) => {
                // No REGISTER is answered so.
                self.dropped(DropReason::StrayDecision);
            }
            Ok(Reply::Done | Reply::Count(_) | Reply::At(_) | Reply::Ended(_)) => {
                self.registrar.heard(&outcome);
                self.registrar.refreshed.remove(&cseq_key(&command.aor, &request));
                let (slot, aor) = (command.slot, command.aor);
                self.registered(now, slot, aor, request, Registration::Committed);
            }
        }
    }

    fn register_rejected(&mut self, request: &Request, rejection: &Rejection) {
        let (refuse, reason) = match rejection {
            Rejection::StaleEpoch { slot, named, .. } => {
                self.deposed(*slot, *named);
                return;
            }
            // The user went while its REGISTER was on its way.
            Rejection::UnknownUser => (Refuse::Forbidden, Refusal::OtherUser),
            Rejection::OldCSeq { .. } => (Refuse::InternalError, Refusal::OldCSeq),
            Rejection::TooManyBindings { .. } => (Refuse::Forbidden, Refusal::TooManyBindings),
            Rejection::RegistrarFull { .. } => {
                (Refuse::Unavailable(self.options.retry_after), Refusal::TooManyBindings)
            }
            Rejection::OutOfBounds { .. } => (Refuse::BadRequest("Too large"), Refusal::BadRequest),
            Rejection::UnknownSlot { .. }
            | Rejection::UnknownCall { .. }
            | Rejection::StepGap { .. }
            | Rejection::WrongPhase { .. }
            | Rejection::UnknownNode { .. }
            | Rejection::AlreadyFormed
            | Rejection::NotFormed
            | Rejection::LimitVersion { .. }
            | Rejection::Limits(_)
            | Rejection::StaleIncarnation { .. }
            | Rejection::NodeUsed { .. }
            | Rejection::AddressTaken { .. }
            | Rejection::NodeRemoved { .. }
            | Rejection::StillOwner { .. }
            | Rejection::CdrRetention { .. }
            | Rejection::CdrHeld { .. }
            | Rejection::CursorGoesBack { .. }
            | Rejection::CdrsPurged { .. }
            | Rejection::UserExists => (Refuse::InternalError, Refusal::NotAdmitted),
        };
        self.refuse(request, refuse, reason);
    }

    /// The 200, once this node has applied what it is about.
    fn registered(
        &mut self,
        now: Millis,
        slot: SlotId,
        aor: Aor,
        request: Request,
        outcome: Registration,
    ) {
        if self.registrar.is_current() {
            self.tell_registered(now, &aor, &request, outcome);
        } else if self.registrar.waiting.len() < self.registrar.options.max_pending.get() {
            let (index, print) = (self.registrar.last_index, print_of(&request));
            let waiting = Waiting { index, slot, print, aor, request, outcome };
            self.registrar.waiting.push(waiting);
            self.registrar.look_at.get_or_insert(now.plus_ms(LOOK_EVERY_MS));
        } else {
            self.dropped(DropReason::QueueFull);
        }
    }

    /// Answers what waited for this node to apply it.
    pub(crate) fn tick_registrar(&mut self, now: Millis) {
        if self.registrar.look_at.is_none_or(|at| now < at) {
            return;
        }
        let applied = self.registrar.directory.applied();
        let waiting = std::mem::take(&mut self.registrar.waiting);
        let (ready, later) = waiting.into_iter().partition(|known| known.index <= applied);
        self.registrar.waiting = later;
        let is_over = self.registrar.waiting.is_empty();
        self.registrar.look_at = (!is_over).then(|| now.plus_ms(LOOK_EVERY_MS));
        let ready: Vec<Waiting> = ready;
        for Waiting { aor, request, outcome, .. } in ready {
            self.tell_registered(now, &aor, &request, outcome);
        }
    }

    /// What is registered now.
    fn tell_registered(
        &mut self,
        now: Millis,
        aor: &Aor,
        request: &Request,
        outcome: Registration,
    ) {
        let Ok(location) = self.registrar.directory.location(aor) else {
            self.dropped(DropReason::Unreadable);
            return;
        };
        let bindings: Vec<Binding> =
            location.map(|known| known.live(now).cloned().collect()).unwrap_or_default();
        let bytes = messages::registered(&request.message, request.hop, now, &bindings);
        let to = messages::reply_hop(&request.message, request.hop);
        self.event(Event::Registered { outcome });
        self.ctx(now).respond(to, "REGISTER", 200, bytes);
    }
}

/// By what the CSeq numbers of REGISTERs are compared (RFC 3261 section 10.2.4).
fn cseq_key(aor: &Aor, request: &Request) -> u128 {
    fingerprint(&[aor.as_str().as_bytes(), request.message.call_id().as_bytes()])
}

/// Whether changes are refreshes that what is committed covers already: the same bindings by the same
/// device, none of them for longer than it lasts anyway.
fn changes_nothing(known: &LocationRecord, changes: &[BindingChange]) -> bool {
    changes.iter().all(|change| match change {
        BindingChange::Put(new) => known.bindings.iter().any(|old| {
            let promised = new.at.plus_ms(u64::from(new.granted_s).saturating_mul(1_000));
            let same = Binding { cseq: old.cseq, at: old.at, until: old.until, ..(**new).clone() };
            same == *old && new.cseq > old.cseq && promised <= old.until
        }),
        BindingChange::Remove { .. } | BindingChange::RemoveAll => false,
    })
}
