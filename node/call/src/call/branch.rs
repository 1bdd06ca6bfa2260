//! The targets that are tried at the same time (RFC 3261 sections 16.6 and 16.7): one client
//! transaction for each, what becomes of those that fail, and of those that lose.
//!
//! All of a round are sent the INVITE at once. A failure is committed before it is acknowledged, so
//! that no later owner rings that target again; the first 2xx is the answer, and the others are sent
//! CANCEL as soon as anything is heard of them. The record names the losers until all of them are known
//! to be over. The best failure is the caller's, if all fail; a 6xx ends the search for all.

use holdline_model::{
    Attempt, BranchFailure, BranchOver, CallChange, Cause, Disposition, Fail, HangupBy, Millis,
    Phase, Side, Target,
};
use holdline_sip::message::Message;
use holdline_sip::transaction::{
    InviteClient, InviteClientEvent, InviteClientInput, InviteClientOutput, InviteClientState,
    NonInviteClient, NonInviteClientInput,
};

use super::inviting::{REQUEST_TIMEOUT, disposition, given_up};
use super::transact::drain_request;
use super::trial::Trial;
use super::work::Work;
use super::{Call, Ctx};
use crate::messages;
use crate::options::millis;
use crate::registrar::USERS;
use crate::{Event, Unconfirmed};

/// A target that is tried, or was and is to be told that it lost.
#[derive(Debug)]
pub(crate) struct Branch {
    /// Which target.
    pub(crate) attempt: u16,
    /// Our INVITE.
    pub(crate) client: InviteClient,
    /// Our CANCEL.
    pub(crate) cancel: Option<NonInviteClient>,
    /// When it is given up if it has said nothing.
    pub(crate) silent_at: Option<Millis>,
    /// Another one has won.
    pub(crate) has_lost: bool,
    /// What is still to be told of its trunk.
    pub(super) trial: Trial,
}

impl Branch {
    pub(super) const fn new(attempt: u16, client: InviteClient) -> Self {
        Self {
            attempt,
            client,
            cancel: None,
            silent_at: None,
            has_lost: false,
            trial: Trial::none(),
        }
    }

    /// The earliest time at which one of its transactions wants to be looked at.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        let cancel = self.cancel.as_ref().and_then(NonInviteClient::next_timer);
        self.client.next_timer().into_iter().chain(cancel).min()
    }
}

impl Call {
    /// Sends the INVITEs of the present round.
    pub(super) fn start_round(&mut self, ctx: &mut Ctx<'_>) {
        let pending: Vec<u16> = self.record.pending().collect();
        for attempt in pending {
            let Some(invite) = self.target_invite(attempt) else { continue };
            let (timers, reliable) = (ctx.options.timers, self.is_target_reliable(attempt));
            let client = InviteClient::new(ctx.now, timers, reliable, invite);
            let mut branch = Branch::new(attempt, client);
            branch.silent_at = Some(ctx.now.plus_ms(millis(ctx.options.target_timeout)));
            branch.trial = Trial::begun(ctx.now);
            self.legs.branches.push(branch);
        }
        self.drain_branches(ctx);
    }

    pub(super) fn target_invite(&self, attempt: u16) -> Option<bytes::Bytes> {
        messages::invite(&self.record, self.invite.as_deref()?, attempt)
    }

    pub(super) fn branch(&mut self, attempt: u16) -> Option<&mut Branch> {
        self.legs.branches.iter_mut().find(|branch| branch.attempt == attempt)
    }

    /// Whether a target may still answer the call.
    pub(super) fn is_pending(&self, attempt: u16) -> bool {
        self.record.phase == Phase::Inviting && self.record.pending().any(|other| other == attempt)
    }

    /// Whether nobody is to answer any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.record.cancel.is_some() || self.record.is_declined()
    }

    /// A target has failed, or has been silent for too long.
    pub(super) fn branch_failed(
        &mut self,
        ctx: &mut Ctx<'_>,
        failure: BranchFailure,
        trigger: Work,
    ) {
        let attempt = failure.attempt;
        let status = failure.status;
        let better = self.record.best().is_none_or(|best| rank(&failure) < rank(best));
        if self.record.pending().any(|other| other != attempt) {
            let best = (better && self.record.cancel.is_none()).then_some(failure);
            let over = BranchOver { attempt, best };
            self.propose(ctx, CallChange::BranchOver(Box::new(over)), Some(trigger));
            return;
        }
        if let Some(cause) = self.record.cancel {
            let fail = given_up(cause, self.record.attempt);
            self.propose(ctx, CallChange::Fail(Box::new(fail)), Some(trigger));
            return;
        }
        let best = match self.record.best() {
            Some(best) if !better => best.clone(),
            Some(_) | None => failure,
        };
        let change = match self.next_round(ctx, status, best.status) {
            Some(index) => {
                let best = self.is_to_user().then(|| Box::new(best));
                CallChange::Attempt(Box::new(Attempt { index, targets: Vec::new(), best }))
            }
            None => CallChange::Fail(Box::new(failed_with(best))),
        };
        self.propose(ctx, change, Some(trigger));
    }

    /// The round to try after a failure, if one is left. After a trunk's failure only if it is of the
    /// kind that another trunk may not have; a user's bindings are all tried, unless one of them
    /// refuses for all (RFC 3261 section 16.7).
    fn next_round(&self, ctx: &Ctx<'_>, status: u16, best: u16) -> Option<u16> {
        let index = self.record.round().end;
        let next = self.record.targets.get(usize::from(index))?;
        // Section 8.1.3.4: the contacts of a redirection are tried in turn, too.
        let is_to_user = self.is_to_user();
        let goes_on =
            is_to_user || next.redirects > 0 || ctx.options.failover_statuses.contains(&status);
        if best >= 600 || !goes_on {
            return None;
        }
        // RFC 3263 section 4.3: another address of the same name may help against silence and 503.
        let of_place = is_to_user || matches!(status, REQUEST_TIMEOUT | UNAVAILABLE);
        let failed = self.record.targets.get(usize::from(self.record.attempt))?;
        let is_other =
            |target: &Target| of_place || target.trunk != failed.trunk || target.uri != failed.uri;
        let mut later = self.record.targets.iter().enumerate().skip(usize::from(index));
        u16::try_from(later.find(|(_, target)| is_other(target))?.0).ok()
    }

    /// Whether the call goes on to another address of the trunk that is tried.
    pub(super) fn has_other_place(&self, attempt: u16) -> bool {
        let index = usize::from(attempt);
        let target = |index: usize| self.record.targets.get(index);
        let next = index.checked_add(1).and_then(target);
        target(index).zip(next).is_some_and(|(this, next)| {
            this.trunk == next.trunk && this.uri == next.uri && this.trunk.as_str() != USERS
        })
    }

    /// Whether the call is to a user of ours, whose bindings the targets are.
    fn is_to_user(&self) -> bool {
        let target = self.record.targets.get(usize::from(self.record.attempt));
        target.is_some_and(|target| target.trunk.as_str() == USERS)
    }

    /// Committed: one of several is over.
    pub(super) fn on_branch_over(
        &mut self,
        ctx: &mut Ctx<'_>,
        attempt: u16,
        trigger: Option<Work>,
    ) {
        self.settle_target(ctx, trigger.as_ref());
        self.legs.branches.retain(|branch| branch.attempt != attempt);
        self.cancel_unwanted(ctx);
    }

    /// What a target that is left behind gets: the ACK of its failure, or, if it said something
    /// while it was being given up for its silence, a CANCEL.
    pub(super) fn settle_target(&mut self, ctx: &mut Ctx<'_>, trigger: Option<&Work>) {
        match trigger {
            Some(Work::Failure { attempt, message }) => self.ack_failure(ctx, *attempt, message),
            Some(Work::Silent { attempt }) if self.record.cancel.is_none() => {
                let proceeding = InviteClientState::Proceeding;
                if self.branch(*attempt).is_some_and(|branch| branch.client.state() == proceeding) {
                    self.late_provisional(ctx, *attempt);
                }
            }
            Some(_) | None => {}
        }
    }

    /// Committed: one has won, or the call is over by one that answered too late.
    pub(super) fn tell_losers(&mut self, ctx: &mut Ctx<'_>) {
        let record = &self.record;
        self.legs.branches.retain(|branch| record.losers().contains(&branch.attempt));
        for branch in &mut self.legs.branches {
            branch.has_lost = true;
        }
        self.cancel_unwanted(ctx);
    }

    /// The CANCEL of each INVITE that nobody needs an answer to, if anything has answered it: before
    /// that it must not be sent (section 9.1), and the INVITE goes on being resent until something does.
    pub(super) fn cancel_unwanted(&mut self, ctx: &mut Ctx<'_>) {
        let all = self.record.phase == Phase::Inviting && self.is_given_up();
        let mut attempts = Vec::new();
        for branch in &self.legs.branches {
            let is_heard = branch.client.state() == InviteClientState::Proceeding;
            if (all || branch.has_lost) && is_heard && branch.cancel.is_none() {
                attempts.push(branch.attempt);
            }
        }
        for attempt in attempts {
            self.cancel_branch(ctx, attempt, None);
        }
        self.drain_branches(ctx);
    }

    /// Sends the CANCEL of one INVITE, at once or, after a takeover, at `resend_at`.
    pub(super) fn cancel_branch(&mut self, ctx: &Ctx<'_>, attempt: u16, resend_at: Option<Millis>) {
        let Some(cancel) = messages::cancel(&self.record, self.invite.as_deref(), attempt) else {
            return;
        };
        let (now, timers) = (ctx.now, ctx.options.timers);
        let reliable = self.is_target_reliable(attempt);
        let Some(branch) = self.branch(attempt) else { return };
        let at = resend_at.unwrap_or(now).max(now);
        branch.client.handle(at, InviteClientInput::CancelSent);
        branch.cancel = Some(match resend_at {
            None => NonInviteClient::new(now, timers, reliable, cancel),
            Some(at) => NonInviteClient::recover_trying(now, timers, reliable, cancel, at),
        });
    }

    /// A target that lost is over.
    pub(super) fn loser_over(&mut self, ctx: &Ctx<'_>, attempt: u16) {
        self.legs.branches.retain(|branch| branch.attempt != attempt);
        if self.settled_note().is_some() {
            self.note(ctx);
        }
    }

    /// What may be lost, and is proposed when there is nothing else: that all losers are over.
    pub(super) fn settled_note(&self) -> Option<CallChange> {
        let is_up = matches!(self.record.phase, Phase::Answered | Phase::Confirmed);
        let is_settled = !self.record.losers().is_empty() && self.legs.branches.is_empty();
        (is_up && is_settled).then_some(CallChange::Settled)
    }

    /// Sends what the INVITEs and CANCELs to targets want to send, and takes up what they tell.
    pub(super) fn drain_branches(&mut self, ctx: &mut Ctx<'_>) {
        let (record, call) = (&self.record, self.record.call);
        let mut silent = Vec::new();
        self.legs.branches.retain_mut(|branch| {
            let Some(target) = record.targets.get(usize::from(branch.attempt)) else {
                return false;
            };
            let hop = target.hop;
            let mut over = false;
            while let Some(output) = branch.client.poll() {
                match output {
                    InviteClientOutput::Send(bytes) => ctx.send(hop, bytes),
                    InviteClientOutput::Event(
                        InviteClientEvent::Timeout | InviteClientEvent::TransportError,
                    ) => silent.push(branch.attempt),
                    InviteClientOutput::Event(InviteClientEvent::Terminated) => over = true,
                    // Answers become work where they arrive, with their text.
                    InviteClientOutput::Event(
                        InviteClientEvent::Provisional
                        | InviteClientEvent::Success
                        | InviteClientEvent::Failure,
                    ) => {}
                }
            }
            if let Some(cancel) = &mut branch.cancel {
                // It stays until the INVITE has its final answer, so that no second one is sent.
                if drain_request(cancel, |bytes| ctx.send(hop, bytes)).gave_up {
                    ctx.event(Event::GaveUp { call, what: Unconfirmed::Cancel });
                }
            }
            !over
        });
        for attempt in silent {
            self.enqueue(ctx, Work::Silent { attempt });
        }
    }

    pub(super) fn tick_branches(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now;
        let is_due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        let mut any = false;
        for branch in &mut self.legs.branches {
            if is_due(branch.client.next_timer()) {
                branch.client.handle(now, InviteClientInput::Timer);
                any = true;
            }
            if let Some(cancel) = branch.cancel.as_mut().filter(|leg| is_due(leg.next_timer())) {
                cancel.handle(now, NonInviteClientInput::Timer);
                any = true;
            }
        }
        if any {
            self.drain_branches(ctx);
        }
        if self.legs.branches.is_empty() {
            self.legs.branches = Vec::new();
        }
    }

    /// When the next target is given up for its silence.
    pub(super) fn next_silence(&self) -> Option<Millis> {
        self.legs.branches.iter().filter_map(|branch| branch.silent_at).min()
    }

    /// Gives up targets that have been silent for too long; false if there is none.
    pub(super) fn give_up_silent(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let mut silent = Vec::new();
        let mut any = false;
        for branch in &mut self.legs.branches {
            if branch.silent_at.is_some_and(|at| at <= ctx.now) {
                branch.silent_at = None;
                any = true;
                if branch.client.state() == InviteClientState::Calling {
                    silent.push(branch.attempt);
                }
            }
        }
        for attempt in silent {
            self.enqueue(ctx, Work::Silent { attempt });
        }
        any
    }

    /// Goes on with what a predecessor has tried; the flag tells whether there is something to send.
    pub(super) fn recover_branches(&mut self, ctx: &mut Ctx<'_>, resend_at: Millis) -> bool {
        let pending: Vec<u16> = self.record.pending().collect();
        let (now, timers) = (ctx.now, ctx.options.timers);
        let mut resends = false;
        for attempt in pending {
            let reliable = self.is_target_reliable(attempt);
            if self.record.early_of(attempt).is_some() {
                let client = InviteClient::recover_proceeding(timers, reliable);
                self.legs.branches.push(Branch::new(attempt, client));
                if self.is_given_up() {
                    self.cancel_branch(ctx, attempt, Some(resend_at));
                    resends = true;
                }
                continue;
            }
            let Some(invite) = self.target_invite(attempt) else { continue };
            let client = InviteClient::recover_calling(now, timers, reliable, invite, resend_at);
            let mut branch = Branch::new(attempt, client);
            branch.silent_at = Some(resend_at.plus_ms(millis(ctx.options.target_timeout)));
            self.legs.branches.push(branch);
            resends = true;
        }
        self.drain_branches(ctx);
        resends
    }

    /// Tells those that have lost once more, because what they were told is not replicated.
    pub(super) fn recover_losers(&mut self, ctx: &mut Ctx<'_>, resend_at: Millis) -> bool {
        let losers = self.record.losers().to_vec();
        for attempt in &losers {
            let reliable = self.is_target_reliable(*attempt);
            let client = InviteClient::recover_proceeding(ctx.options.timers, reliable);
            self.legs.branches.push(Branch { has_lost: true, ..Branch::new(*attempt, client) });
            self.cancel_branch(ctx, *attempt, Some(resend_at));
        }
        self.drain_branches(ctx);
        !losers.is_empty()
    }

    /// The dialog that requests to a target go over is not known while several are tried.
    pub(super) fn is_forking(&self) -> bool {
        self.record.phase == Phase::Inviting && self.record.round().len() > 1
    }

    /// A target's message came over a connection. Of several, only the winner's counts.
    pub(super) fn heard_over_branch(&mut self, attempt: u16, hop: holdline_model::Hop) {
        if !self.is_forking() && attempt == self.record.attempt {
            self.heard_over(Side::Callee, hop);
        }
    }
}

const UNAVAILABLE: u16 = 503;

/// How a call ends whose best failure this is.
fn failed_with(best: BranchFailure) -> Fail {
    let BranchFailure { attempt, status, response } = best;
    match Message::parse(response.clone()) {
        Ok(message) => Fail {
            attempt,
            by: HangupBy::Callee,
            cause: Cause { status, text: reason(status, &message).into() },
            disposition: disposition(status),
            response,
            late_answer: None,
        },
        // It said nothing.
        Err(_) => Fail {
            attempt,
            by: HangupBy::Timer,
            cause: Cause { status: REQUEST_TIMEOUT, text: "no target answered".into() },
            disposition: Disposition::NoAnswer,
            response,
            late_answer: None,
        },
    }
}

/// What the bill says of a failure.
fn reason(status: u16, message: &Message) -> &str {
    let is_as_received = message.status() == Some(status);
    if is_as_received { messages::reason_of(message) } else { "the trunk refused our credentials" }
}

/// The lower, the better for the caller (RFC 3261 section 16.7, step 6): a 6xx, then the lowest class, and
/// within it what tells the caller how to go on, then what says most. The same whatever the order in which
/// failures come.
fn rank(failure: &BranchFailure) -> (u8, u8, u16) {
    let status = failure.status;
    let class = if status >= 600 { 0 } else { u8::try_from(status / 100).unwrap_or(u8::MAX) };
    let within = match status {
        401 | 407 | 415 | 420 | 484 => 0,
        486 => 1,
        408 | 480 | 481 | 487 | 503 => 3,
        _ => 2,
    };
    (class, within, failure.attempt)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_best_failure_is_a_6xx_then_of_the_lowest_class_then_the_one_that_says_most() {
        let best_of =
            |statuses: &[u16]| {
                let failures = statuses.iter().zip(0_u16..).map(|(status, attempt)| {
                    BranchFailure { attempt, status: *status, response: Bytes::new() }
                });
                failures.min_by_key(rank).map(|best| best.status)
            };
        for (statuses, best) in [
            (&[486, 603, 302][..], 603),
            (&[503, 404], 404),
            (&[408, 486, 404], 486),
            (&[404, 480], 404),
            (&[404, 407], 407),
            (&[486, 302], 302),
            (&[503, 500], 500),
            (&[408, 480], 408),
        ] {
            assert_eq!(best_of(statuses), Some(best), "{statuses:?}");
        }
    }
}
