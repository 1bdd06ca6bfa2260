//! Answers of peers to our requests, by the branch that they bring back.

use std::net::SocketAddr;

use holdline_model::{Hop, Phase, Side, Transport};
use holdline_sip::message::{Message, Method};
use holdline_sip::transaction::{
    InviteClientInput, InviteClientState, NonInviteClient, NonInviteClientInput, ResponseClass,
};

use super::work::Work;
use super::{Call, Ctx};
use crate::DropReason;
use crate::messages::{self, Answered, status_of};

impl Call {
    /// An answer whose branch names this call.
    pub(crate) fn response(&mut self, ctx: &mut Ctx<'_>, hop: Hop, message: Message, suffix: &str) {
        if !self.is_admitted() {
            ctx.dropped(DropReason::StrayResponse);
            return;
        }
        let answered = Answered::from_suffix(suffix);
        match answered {
            Some(Answered::Invite(attempt)) => self.heard_over_branch(attempt, hop),
            Some(Answered::Bye(side) | Answered::Through(side, _) | Answered::Own(side, _)) => {
                self.heard_over(side, hop);
            }
            Some(Answered::Fork) | None => {}
        }
        match (answered, message.method()) {
            (Some(Answered::Invite(attempt)), Method::Invite) => {
                self.invite_answered(ctx, attempt, message);
            }
            (Some(Answered::Invite(attempt)), Method::Cancel) => {
                self.cancel_answered(ctx, attempt, &message);
            }
            (Some(Answered::Bye(side)), Method::Bye) => self.bye_answered(ctx, side, &message),
            (Some(Answered::Own(side, number)), Method::Options | Method::Update) => {
                self.alive_answered(ctx, side, number, &message);
            }
            (Some(Answered::Fork), Method::Bye) => self.fork_answered(ctx, &message),
            (Some(Answered::Through(to, number)), Method::Invite) => {
                self.reinvite_answered(ctx, to, number, message);
            }
            (Some(Answered::Through(..)), Method::Cancel) => {
                self.reinvite_cancel_answered(ctx, &message);
            }
            (Some(Answered::Through(to, number)), _) => {
                self.through_answered(ctx, to, number, message);
            }
            // RFC 3261 section 17.1.3: branch and method must both match.
            (
                Some(Answered::Invite(_) | Answered::Bye(_) | Answered::Fork | Answered::Own(..))
                | None,
                _,
            ) => {
                ctx.dropped(DropReason::StrayResponse);
            }
        }
    }

    /// Who was tried over TCP because a request was too large for UDP, if that one was.
    pub(crate) fn tried_over_tcp(&self, suffix: &str) -> Option<SocketAddr> {
        let (tried, otherwise) = match Answered::from_suffix(suffix)? {
            Answered::Invite(attempt) => {
                let target = |index: u16| self.record.targets.get(usize::from(index));
                (target(attempt)?.hop, target(attempt.checked_add(1)?)?.hop)
            }
            Answered::Through(to, number) => {
                let dialog = self.dialog_within(to)?;
                let mut through = self.legs.through.iter();
                let exchange = through.find(|exchange| exchange.is(to.other(), number));
                let reinvite = self.legs.reinvite.as_deref();
                let reinvite = reinvite.filter(|_| self.is_current(to.other(), number));
                let tried = exchange.map(|exchange| exchange.hop);
                (tried.or_else(|| reinvite?.over)?, dialog.hop)
            }
            Answered::Bye(_) | Answered::Fork | Answered::Own(..) => return None,
        };
        let is_other_way = tried.transport == Transport::Tcp
            && otherwise.transport == Transport::Udp
            && tried.peer == otherwise.peer;
        is_other_way.then_some(tried.peer)
    }

    /// A request of ours did not leave: its transaction need not wait for an answer (section 8.1.3.1).
    pub(crate) fn unsent(&mut self, ctx: &mut Ctx<'_>, method: &Method, suffix: &str) {
        let attempt = match (Answered::from_suffix(suffix), method) {
            (Some(Answered::Invite(attempt)), Method::Invite) => attempt,
            (Some(Answered::Through(to, number)), Method::Invite) => {
                self.reinvite_again(ctx, to, number);
                return;
            }
            (Some(Answered::Through(to, number)), _) => {
                self.pass_again(ctx, to, number);
                return;
            }
            _ => return,
        };
        if let Some(branch) = self.branch(attempt)
            && branch.client.state() == InviteClientState::Calling
        {
            branch.client.handle(ctx.now, InviteClientInput::TransportError);
            self.drain_branches(ctx);
            self.run(ctx);
        }
    }

    fn invite_answered(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: Message) {
        if attempt >= self.record.round().end {
            ctx.dropped(DropReason::StrayResponse);
            return;
        }
        let class = ResponseClass::of(status_of(&message));
        let current = self.is_pending(attempt);
        let mut is_known = false;
        if let Some(branch) = self.branch(attempt) {
            is_known = true;
            branch.client.handle(ctx.now, InviteClientInput::Response(class));
            if branch.client.state() != InviteClientState::Calling {
                branch.silent_at = None;
            }
            self.drain_branches(ctx);
        }
        if current {
            self.trunk_answered(ctx, attempt, &message);
        }
        match class {
            ResponseClass::Provisional if current => self.provisional(ctx, attempt, message),
            ResponseClass::Provisional if is_known => self.cancel_unwanted(ctx),
            ResponseClass::Provisional => self.late_provisional(ctx, attempt),
            ResponseClass::Success => self.push(ctx, Work::Success { attempt, message }),
            ResponseClass::Failure => self.push(ctx, Work::Failure { attempt, message }),
        }
    }

    fn provisional(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: Message) {
        if self.is_given_up() {
            // Now the CANCEL may be sent; the caller has given up and need not know of ringing.
            self.cancel_unwanted(ctx);
            return;
        }
        let status = status_of(&message);
        if status == 100 {
            // Section 16.7 step 5 for proxies; here too, it says nothing beyond the next hop.
            return;
        }
        if message.has_sdp() || self.rseq_of(attempt, &message).is_some() {
            self.push(ctx, Work::Provisional { attempt, message });
            return;
        }
        self.relay_provisional(ctx, attempt, &message);
        if self.record.early_of(attempt).is_none() && self.ringing.is_none() {
            self.ringing = Some((attempt, status));
            self.note(ctx);
            self.run(ctx);
        }
    }

    /// A target that was given up for its silence rings after all: it is told to stop.
    pub(super) fn late_provisional(&self, ctx: &mut Ctx<'_>, attempt: u16) {
        if self.record.answer.is_some() && attempt == self.record.attempt {
            // Overtaken by its own 2xx.
            return;
        }
        let Some(target) = self.record.targets.get(usize::from(attempt)) else { return };
        if let Some(cancel) = messages::cancel(&self.record, self.invite.as_deref(), attempt) {
            ctx.send(target.hop, cancel);
        }
    }

    fn cancel_answered(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: &Message) {
        let status = status_of(message);
        let is_up = self.record.phase != Phase::Inviting;
        // The answer to a CANCEL that was sent once, or by a predecessor, or is over, means nothing.
        let Some(branch) = self.branch(attempt) else { return };
        let Some(cancel) = &mut branch.cancel else { return };
        cancel.handle(ctx.now, NonInviteClientInput::Response(ResponseClass::of(status)));
        let is_unknown = branch.has_lost && status == 481;
        self.drain_branches(ctx);
        if is_unknown && is_up {
            // It has no such INVITE any more, or never had.
            self.loser_over(ctx, attempt);
        }
    }

    fn bye_answered(&mut self, ctx: &mut Ctx<'_>, side: Side, message: &Message) {
        let is_of_second = message.top_via().branch.is_some_and(|branch| branch.ends_with('1'));
        if self.is_bye_repeated(side) != is_of_second {
            // A late answer to the first one, which was sent once more with credentials.
            return;
        }
        self.bye_challenged(ctx, side, message);
        if self.is_bye_repeated(side) != is_of_second {
            return;
        }
        let slot = match side {
            Side::Caller => &mut self.legs.bye_caller,
            Side::Callee => &mut self.legs.bye_callee,
        };
        if let Some(client) = slot {
            heard(client, ctx, message);
            self.drain_bye(ctx, side);
        } else if !self.is_finished() {
            ctx.dropped(DropReason::StrayResponse);
        }
    }
}

/// Tells the transaction of a request of ours that an answer came.
pub(super) fn heard(client: &mut NonInviteClient, ctx: &Ctx<'_>, message: &Message) {
    let class = ResponseClass::of(status_of(message));
    client.handle(ctx.now, NonInviteClientInput::Response(class));
}
