//! Whether the far end of a call that is up is still there: it is asked within the dialog, now and then, where
//! a trunk's policy says so (by OPTIONS, RFC 3261 section 11), or where nobody else refreshes the session (by
//! UPDATE, RFC 4028 sections 7.4 and 9; by OPTIONS where that is not known).
//!
//! A final answer of any kind says that it is there, but 481 and 408, which end the call at once; so do several
//! in a row that nothing answers. What was missed is not replicated: a new owner counts anew, each call
//! from a time of its own on.

use std::time::Duration;

use holdline_model::{Asked, CallChange, Millis, Phase, Side, Updated};
use holdline_sip::message::{Message, Method};
use holdline_sip::transaction::{NonInviteClient, NonInviteClientInput, ResponseClass};

use super::transact::drain_request;
use super::work::Work;
use super::{Call, Ctx};
use crate::messages::{self, Question, status_of};
use crate::nonce::mix;
use crate::options::millis;
use crate::{dialogs, session_timer};

/// How a side is asked.
#[derive(Clone, Copy, Debug)]
struct Asking {
    interval: Duration,
    /// So many in a row without an answer end the call.
    failures: u16,
    /// It is told that the session goes on: its length, in seconds.
    refresh_s: Option<u64>,
}

/// What is known of whether one side is there.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// When it is asked next.
    ask_at: Option<Millis>,
    /// How many in a row it did not answer.
    missed: u16,
    /// It does not know UPDATE.
    no_update: bool,
    /// Ours, while it is waited for.
    client: Option<(u32, NonInviteClient)>,
}

impl Watch {
    /// The earliest time at which its transaction wants to be looked at.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        self.client.as_ref().and_then(|(_, client)| client.next_timer())
    }
}

impl Call {
    /// How a side is asked, if it is.
    fn asking(&self, ctx: &Ctx<'_>, side: Side) -> Option<Asking> {
        let trunk = self.record.trunk(side).and_then(|trunk| ctx.routing.trunk(trunk));
        let alive = trunk.and_then(|trunk| trunk.policy.alive);
        let expires = session_timer::is_ours(&self.record).then_some(ctx.options.session_expires);
        let refresh_s = expires.map(|expires| expires.as_secs());
        // RFC 4028 section 7.4: when half of it has passed.
        match (alive, expires.map(|expires| expires / 2)) {
            (Some(alive), half) => Some(Asking {
                interval: half.map_or(alive.interval, |half| half.min(alive.interval)),
                failures: alive.failures.get(),
                refresh_s,
            }),
            (None, Some(half)) => Some(Asking { interval: half, failures: 1, refresh_s }),
            (None, None) => None,
        }
    }

    const fn watch(&mut self, side: Side) -> &mut Option<Box<Watch>> {
        side.of_mut(&mut self.legs.watches)
    }

    /// The call is up, was taken over while it is, or its session has changed: each side that is to be asked
    /// is, from an interval on.
    pub(super) fn watch_both(&mut self, ctx: &Ctx<'_>) {
        for side in [Side::Caller, Side::Callee] {
            let Some(asking) = self.asking(ctx, side) else { continue };
            if self.watch(side).is_some() {
                continue;
            }
            let interval_ms = millis(asking.interval);
            // Calls that are taken over together are not to be asked together.
            // And a request that a predecessor passed on may still be repeated, with the number it had.
            let patience_ms = ctx.options.timers.transaction_timeout_ms();
            let spread_ms = patience_ms + mix(self.record.call.nonce) % interval_ms.max(1);
            let wait_ms = if self.recovered.contains(&true) { spread_ms } else { interval_ms };
            let ask_at = Some(ctx.now.plus_ms(wait_ms.max(1)));
            *self.watch(side) = Some(Box::new(Watch { ask_at, ..Watch::default() }));
        }
    }

    /// When a side is asked next.
    pub(super) fn next_ask(&self) -> Option<Millis> {
        self.legs.watches.iter().flatten().filter_map(|watch| watch.ask_at).min()
    }

    /// Proposes to ask a side whose time has come; false if there is none.
    pub(super) fn ask_if_due(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if self.record.phase != Phase::Confirmed {
            return false;
        }
        for to in [Side::Caller, Side::Callee] {
            let now = ctx.now;
            let is_due = |watch: &Watch| watch.ask_at.is_some_and(|at| at <= now);
            if !self.watch(to).as_deref().is_some_and(is_due) {
                continue;
            }
            if self.asking(ctx, to).is_none() {
                // Another configuration, or another one refreshes the session now.
                *self.watch(to) = None;
                continue;
            }
            if self.is_asked_by_the_other(to) {
                self.ask_again_later(ctx, to);
                continue;
            }
            if let Some(watch) = self.watch(to) {
                watch.ask_at = None;
            }
            let seen = *to.other().of(&self.seen_cseq);
            let asked = Asked { to, cseq: self.own_cseq(to), seen };
            self.propose(ctx, CallChange::Asked(asked), None);
            return true;
        }
        false
    }

    /// Whether a request of the other side waits for a side's answer, which will tell as much. One of ours
    /// that overtook it would have the higher number, and the other side's be refused for that (RFC 3261
    /// section 12.2.2). The other way round it is ours that is refused, which is an answer, too.
    fn is_asked_by_the_other(&self, side: Side) -> bool {
        let is_to = |from: Side| from.other() == side;
        let reinvite = self.legs.reinvite.as_deref();
        reinvite.is_some_and(|invite| invite.is_pending() && is_to(invite.from))
            || self.legs.through.iter().any(|known| known.is_pending() && is_to(known.from))
    }

    /// Whether the number of a request of our own to a side is being committed.
    pub(super) fn is_asking(&self, side: Side) -> bool {
        let change = self.proposal.as_ref().map(|proposal| &proposal.command.change);
        matches!(change, Some(CallChange::Asked(asked)) if asked.to == side)
    }

    /// Committed: the number is ours.
    pub(super) fn on_asked(&mut self, ctx: &mut Ctx<'_>, asked: Asked) {
        let Asked { to, cseq, .. } = asked;
        self.used(to, cseq);
        *to.of_mut(&mut self.recovered) = false;
        let refresh_s = self.asking(ctx, to).and_then(|asking| asking.refresh_s);
        let no_update = self.watch(to).as_ref().is_some_and(|watch| watch.no_update);
        let question = match refresh_s.filter(|_| !no_update) {
            Some(expires_s) => Question::Refresh { expires_s },
            None => Question::Alive,
        };
        let method = question.method();
        let credentials = self.credentials_within(ctx, to, method.as_str(), cseq);
        let Some(dialog) = self.dialog(to) else { return };
        let bytes =
            messages::question(&self.record, to, dialog, cseq, question, credentials.as_deref());
        let (timers, reliable) = (ctx.options.timers, dialog.hop.transport.is_reliable());
        let client = NonInviteClient::new(ctx.now, timers, reliable, bytes);
        if let Some(watch) = self.watch(to) {
            watch.client = Some((cseq, client));
        }
        self.drain_watch(ctx, to);
    }

    /// A side has answered.
    pub(super) fn alive_answered(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        number: u32,
        message: &Message,
    ) {
        let status = status_of(message);
        let class = ResponseClass::of(status);
        let now = ctx.now;
        let Some(watch) = self.watch(side) else { return };
        let Some((_, client)) = watch.client.as_mut().filter(|(cseq, _)| *cseq == number) else {
            return;
        };
        client.handle(now, NonInviteClientInput::Response(class));
        let is_final = class != ResponseClass::Provisional;
        if is_final {
            watch.missed = 0;
            let is_update = *message.method() == Method::Update;
            watch.no_update |= is_update && matches!(status, 405 | 501);
        }
        self.drain_watch(ctx, side);
        if is_final {
            self.ask_again_later(ctx, side);
            if matches!(status, 481 | 408) {
                self.push(ctx, Work::Gone { side, status });
            } else if *message.method() == Method::Update && class == ResponseClass::Success {
                self.push(ctx, Work::Refreshed { side, message: message.clone() });
            }
        }
    }

    /// A side has answered our refresh: perhaps with another Contact (RFC 3311 section 5.1).
    pub(super) fn refreshed(&mut self, ctx: &mut Ctx<'_>, side: Side, message: &Message) {
        let (Some(dialog), Some(answer)) = (self.dialog(side), &self.record.answer) else { return };
        let Some(target) = dialogs::new_target(dialog, message, dialog.hop) else { return };
        let session_by = answer.session_by;
        let (caller_target, callee_target) = match side {
            Side::Caller => (Some(target), None),
            Side::Callee => (None, Some(target)),
        };
        // No number of the other side's was used.
        let updated = Updated { from: side, cseq: 0, caller_target, callee_target, session_by };
        self.propose(ctx, CallChange::Updated(Box::new(updated)), None);
    }

    pub(super) fn tick_watches(&mut self, ctx: &mut Ctx<'_>) {
        for side in [Side::Caller, Side::Callee] {
            let now = ctx.now;
            let Some(watch) = self.watch(side) else { continue };
            if watch.next_timer().is_some_and(|at| at <= now)
                && let Some((_, client)) = &mut watch.client
            {
                client.handle(now, NonInviteClientInput::Timer);
                self.drain_watch(ctx, side);
            }
        }
    }

    fn drain_watch(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let Some(hop) = self.dialog(side).map(|dialog| self.hop_to(side, dialog.hop)) else {
            return;
        };
        let Some(asking) = self.asking(ctx, side) else {
            // Another configuration: nobody is asked any more.
            *self.watch(side) = None;
            return;
        };
        let Some(watch) = self.watch(side) else { return };
        let Some((_, client)) = &mut watch.client else { return };
        let outcome = drain_request(client, |bytes| ctx.send(hop, bytes));
        if outcome.over || outcome.gave_up {
            watch.client = None;
        }
        if outcome.gave_up {
            watch.missed = watch.missed.saturating_add(1);
            if watch.missed >= asking.failures {
                self.enqueue(ctx, Work::Gone { side, status: 408 });
            } else {
                self.ask_again_later(ctx, side);
            }
        }
    }

    fn ask_again_later(&mut self, ctx: &Ctx<'_>, side: Side) {
        let interval = self.asking(ctx, side).map(|asking| millis(asking.interval));
        let ask_at = interval.map(|interval_ms| ctx.now.plus_ms(interval_ms.max(1)));
        if let Some(watch) = self.watch(side) {
            watch.ask_at = ask_at;
        }
    }
}
