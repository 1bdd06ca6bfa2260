//! The machine of one call: two dialogs, back to back (RFC 3261 sections 12 to 15).
//!
//! Its state is the committed record plus the transactions that run; every change of the record is
//! proposed first, and what may be said only after it is said when it is decided. By state:
//! [`inviting`], [`up`] (answered or confirmed), [`finished`]. By input: `in_dialog`, `responses`,
//! `tick`. What goes through from one dialog to the other: `through`, `reinvite`. What follows from a commit: `committed`. It does not find calls for messages (the
//! engine does) and does not build messages ([`crate::messages`] does).
//!
//! Invariant: at most one proposal is in flight.
//! Invariant: everything sent is a function of the committed record and of the message answered.

mod alive;
mod branch;
mod challenged;
mod committed;
mod decided;
mod finished;
mod forks;
mod in_dialog;
mod inviting;
mod legs;
mod limited;
mod prack;
mod recover;
mod reinvite;
mod reinvite_answer;
mod responses;
mod through;
mod tick;
mod transact;
mod trial;
mod up;
mod work;

use std::collections::VecDeque;

use bytes::Bytes;
use holdline_model::{
    Admit, CallChange, CallCommand, CallId, CallRecord, Epoch, Hop, Millis, Name, Phase, Side,
    Step, Target,
};
use holdline_sip::message::Message;

use crate::large::Large;
use crate::messages;
use crate::options::millis;
use crate::routing::TrunkCredentials;
use crate::{DropReason, Event, Names, Options, Output, Routing, mirror};

pub(crate) use decided::Fate;
pub(crate) use work::Request;

use legs::Legs;
use through::Refused;
use work::{Queue, Queued, Work};

/// What a call needs from outside while it handles something.
#[derive(Debug)]
pub(crate) struct Ctx<'a> {
    /// The time.
    pub(crate) now: Millis,
    /// Limits and times.
    pub(crate) options: &'a Options,
    /// Where names lead.
    pub(crate) names: &'a dyn Names,
    /// The trunks.
    pub(crate) routing: &'a Routing,
    /// What is too large for UDP.
    pub(crate) large: Large<'a>,
    /// Where outputs go, in order.
    pub(crate) out: &'a mut VecDeque<Output>,
}

impl<'a> Ctx<'a> {
    /// Who we are to a trunk.
    pub(crate) fn credentials(&self, trunk: &Name) -> Option<&'a TrunkCredentials> {
        self.routing.trunk(trunk)?.policy.credentials.as_ref()
    }

    pub(crate) fn send(&mut self, hop: Hop, bytes: Bytes) {
        self.out.push_back(Output::Send { hop, bytes });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    pub(crate) fn dropped(&mut self, reason: DropReason) {
        self.event(Event::Dropped { reason });
    }
}

/// A proposal whose outcome is awaited.
#[derive(Debug)]
struct Proposal {
    command: CallCommand,
    /// What it was made for; answered once it is decided.
    trigger: Option<Work>,
    /// When it is made again, its outcome being unknown.
    retry_at: Option<Millis>,
    /// How often it has been made again.
    retries: u32,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    /// As committed; before the admission is, as it will be.
    record: CallRecord,
    /// The epoch in which we own the slot.
    epoch: Epoch,
    /// The caller's INVITE, taken apart; `None` when it is not needed any more.
    invite: Option<Box<Message>>,
    /// Where answers to the caller's INVITE go.
    reply_to: Hop,
    proposal: Option<Box<Proposal>>,
    waiting: Queue,
    /// A provisional answer was relayed that the record does not know of yet: whose, and its status.
    ringing: Option<(u16, u16)>,
    /// The caller's ACK came, which the record does not know of yet.
    acked: bool,
    /// When what may be lost (`ringing`, `acked`) is proposed, unless something else is before.
    note_at: Option<Millis>,
    legs: Legs,
    /// The caller was told something about its INVITE in this owner's time.
    spoken: bool,
    /// When the INVITE that a limit holds back may go to the first target.
    release_at: Option<Millis>,
    /// When provisional answers that a predecessor committed are relayed once more.
    early_again_at: Option<Millis>,
    /// When a 2xx is acknowledged that a predecessor perhaps did not acknowledge.
    ack_at: Option<Millis>,
    /// No deadline proposes anything before: the last proposal was refused.
    hold_until: Option<Millis>,
    /// Where a target has redirected the call to.
    redirected: Option<(u16, Vec<Target>)>,
    /// Our BYE was sent once more, with credentials: to the caller, to the callee.
    bye_repeated: [bool; 2],
    /// The connections that the caller and the callee were last heard over. Not in the record: who
    /// takes the call over hears them over others.
    flows: [Option<Hop>; 2],
    /// The highest CSeq number seen from the caller and from the callee.
    seen_cseq: [u32; 2],
    /// The highest CSeq number used by this owner towards the caller and towards the callee.
    used_cseq: [u32; 2],
    /// Somebody else owned the call before, and may have used more numbers than are committed: towards the
    /// caller, towards the callee.
    recovered: [bool; 2],
    /// Until when numbers may come out of order, because a predecessor passed some on.
    lenient_until: Option<Millis>,
    /// The ACK of a change's answer came, which the record does not know of yet.
    reinvite_acked: bool,
    /// Requests that were to be passed on and were refused, the last one first.
    refused: Vec<Refused>,
    /// When the answer to a change is acknowledged that a predecessor perhaps did not acknowledge.
    reinvite_ack_at: Option<Millis>,
}

impl Call {
    /// Proposes the admission of a call.
    pub(crate) fn admit(
        ctx: &mut Ctx<'_>,
        call: CallId,
        epoch: Epoch,
        admit: Admit,
        invite: Message,
    ) -> Self {
        let reply_to = messages::reply_hop(&invite, admit.hop);
        let record = mirror::admitted(call, epoch, ctx.now, &admit);
        let mut this = Self::around(record, epoch, Some(Box::new(invite)), reply_to);
        this.propose(ctx, CallChange::Admit(Box::new(admit)), None);
        this
    }

    fn around(
        record: CallRecord,
        epoch: Epoch,
        invite: Option<Box<Message>>,
        reply_to: Hop,
    ) -> Self {
        let seen_cseq = match &record.answer {
            Some(answer) => [answer.caller.remote_cseq, answer.callee.remote_cseq],
            None => [record.admission.cseq, 0],
        };
        Self {
            record,
            epoch,
            invite,
            reply_to,
            proposal: None,
            waiting: Queue::default(),
            ringing: None,
            acked: false,
            note_at: None,
            legs: Legs::default(),
            spoken: false,
            release_at: None,
            early_again_at: None,
            ack_at: None,
            hold_until: None,
            redirected: None,
            bye_repeated: [false; 2],
            flows: [None, None],
            seen_cseq,
            used_cseq: [0; 2],
            recovered: [false; 2],
            lenient_until: None,
            reinvite_acked: false,
            refused: Vec::new(),
            reinvite_ack_at: None,
        }
    }

    /// The record as last committed.
    pub(crate) const fn record(&self) -> &CallRecord {
        &self.record
    }

    /// Whether the admission is committed.
    pub(crate) fn is_admitted(&self) -> bool {
        self.record.step > Step(0)
    }

    /// Whether the call is over and only answers retransmissions.
    pub(crate) fn is_finished(&self) -> bool {
        self.record.phase == Phase::Finished
    }

    /// The call's INVITE came again (same branch).
    pub(crate) fn invite_again(&mut self, ctx: &mut Ctx<'_>, hop: Hop) {
        if hop.transport.is_reliable() {
            // It comes again because its connection broke: what answers it goes over the new one.
            self.reply_to = hop;
            self.heard_over(Side::Caller, hop);
        }
        if !self.is_admitted() {
            // Rule one: the caller keeps repeating its INVITE until the admission is committed.
            ctx.dropped(DropReason::Absorbed);
            return;
        }
        if self.record.phase == Phase::Inviting && !self.spoken {
            self.say_trying(ctx);
            return;
        }
        if let Some(server) = &mut self.legs.caller {
            server.handle(ctx.now, holdline_sip::transaction::InviteServerInput::Invite);
            self.drain_caller(ctx);
        }
    }

    /// The caller's CANCEL of its INVITE.
    pub(crate) fn cancel(&mut self, ctx: &mut Ctx<'_>, request: Request) {
        self.push(ctx, Work::Cancel(request));
    }

    /// A target redirects the call, and is to be followed.
    pub(crate) fn redirected(&mut self, attempt: u16, targets: Vec<Target>) {
        self.redirected = Some((attempt, targets));
    }

    /// A side's message came over a connection: requests to it go over the same.
    fn heard_over(&mut self, side: Side, hop: Hop) {
        if hop.transport.is_reliable() {
            *side.of_mut(&mut self.flows) = Some(hop);
        }
    }

    /// How a request within a dialog goes: over the connection that its peer was last heard over, if
    /// the record would use one of the same kind from the same host, else as the record says.
    fn hop_to(&self, side: Side, recorded: Hop) -> Hop {
        let is_same_peer = |flow: &Hop| {
            flow.transport == recorded.transport && flow.peer.ip() == recorded.peer.ip()
        };
        side.of(&self.flows).filter(is_same_peer).unwrap_or(recorded)
    }

    /// An administrator hangs up.
    pub(crate) fn hang_up(&mut self, ctx: &mut Ctx<'_>) {
        self.push(ctx, Work::HangUp);
    }

    /// Puts work into the queue and does what can be done.
    fn push(&mut self, ctx: &mut Ctx<'_>, work: Work) {
        self.enqueue(ctx, work);
        self.run(ctx);
    }

    fn enqueue(&mut self, ctx: &mut Ctx<'_>, work: Work) {
        let deciding = self.proposal.as_ref().and_then(|proposal| proposal.trigger.as_ref());
        match self.waiting.push(work, deciding, ctx.options.max_waiting.get()) {
            Queued::Waiting | Queued::Repeated => {}
            Queued::Full => ctx.dropped(DropReason::QueueFull),
        }
    }

    /// Works until a proposal is in flight or nothing is left to do.
    pub(crate) fn run(&mut self, ctx: &mut Ctx<'_>) {
        while self.proposal.is_none() {
            if let Some(work) = self.waiting.pop() {
                match self.record.phase {
                    Phase::Inviting => self.work_inviting(ctx, work),
                    Phase::Answered | Phase::Confirmed => self.work_up(ctx, work),
                    Phase::Finished => self.work_finished(ctx, work),
                }
            } else if !self.propose_what_is_due(ctx) {
                break;
            }
        }
    }

    /// Something happened that may be lost: it is proposed later, with that of other calls, unless
    /// the call has gone on by then. All calls share the same moments, so that one entry carries
    /// them all.
    fn note(&mut self, ctx: &Ctx<'_>) {
        let every = millis(ctx.options.note_every);
        let due = match ctx.now.0.checked_div(every) {
            Some(moments) => Millis(moments.saturating_add(2).saturating_mul(every)),
            None => ctx.now,
        };
        self.note_at.get_or_insert(due);
    }

    fn is_note_due(&self, now: Millis) -> bool {
        self.note_at.is_some_and(|at| at <= now)
    }

    fn propose(&mut self, ctx: &mut Ctx<'_>, change: CallChange, trigger: Option<Work>) {
        let command = CallCommand {
            call: self.record.call,
            epoch: self.epoch,
            step: self.record.step.next(),
            at: ctx.now,
            change,
        };
        ctx.out.push_back(Output::Propose(command.clone()));
        self.proposal = Some(Box::new(Proposal { command, trigger, retry_at: None, retries: 0 }));
    }
}
