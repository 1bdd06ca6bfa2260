//! Requests with a To tag of ours (RFC 3261 section 12.2.2).

use std::cmp::Ordering;

use holdline_model::{Phase, Side, Token, TokenKind};
use holdline_sip::message::{Message, Method};
use holdline_sip::transaction::{InviteServerInput, InviteServerState};

use super::work::{Request, Work};
use super::{Call, Ctx};
use crate::messages::{self, Refuse};
use crate::{DropReason, Refusal, dialogs};

impl Call {
    /// Which dialog a request belongs to, by Call-ID and both tags; the Request-URI does not
    /// matter, because some callers ignore our Contact.
    pub(crate) fn side_of(&self, request: &Message) -> Option<Side> {
        let token = Token::from_tag(request.to().tag?.as_bytes())?;
        let from_tag = request.from().tag;
        let admission = &self.record.admission;
        match token.kind {
            TokenKind::CallerTag => {
                let dialog = self.record.answer.as_ref().map(|answer| &answer.caller);
                let ours = dialog.and_then(|dialog| dialogs::tag_of(&dialog.local));
                // Before the answer each target that is tried may have an early dialog.
                (request.call_id() == admission.call_id
                    && from_tag.unwrap_or_default() == admission.from_tag
                    && (ours.is_none() || request.to().tag == ours))
                    .then_some(Side::Caller)
            }
            TokenKind::CalleeTag => {
                let known = self.callee_dialog().and_then(|dialog| dialogs::tag_of(&dialog.remote));
                // Before the answer any target may send a request in its early dialog.
                (request.call_id() == Token::callee_call_id(self.record.call)
                    && (self.callee_dialog().is_none() || known == from_tag))
                    .then_some(Side::Callee)
            }
            TokenKind::CalleeCallId | TokenKind::Branch | TokenKind::Stateless => None,
        }
    }

    /// A request within one of the call's dialogs.
    pub(crate) fn request(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        self.heard_over(side, request.hop);
        let method = request.message.method();
        if !self.is_admitted() {
            // Nobody can know a tag of ours before the admission is committed.
            if *method == Method::Ack {
                ctx.dropped(DropReason::StrayAck);
            } else {
                self.refuse_request(ctx, &request, Refuse::NoDialog, Refusal::NoDialog);
            }
            return;
        }
        if *method == Method::Ack {
            self.ack(ctx, side, request);
            return;
        }
        if *method == Method::Cancel {
            self.cancel_within(ctx, side, &request);
            return;
        }
        if self.is_repeated(ctx, side, &request) {
            return;
        }
        let number = request.message.cseq().number;
        match self.order(side, &request.message) {
            Ordering::Less if !self.may_be_a_predecessors(ctx, side, number) => {
                self.refuse_request(ctx, &request, Refuse::InternalError, Refusal::OldCSeq);
            }
            Ordering::Less | Ordering::Equal | Ordering::Greater => {
                self.in_order(ctx, side, request);
            }
        }
    }

    /// How a request's CSeq compares with the highest one seen from that side. It is remembered.
    fn order(&mut self, side: Side, request: &Message) -> Ordering {
        let number = request.cseq().number;
        let seen = side.of_mut(&mut self.seen_cseq);
        let order = number.cmp(seen);
        *seen = (*seen).max(number);
        order
    }

    fn in_order(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        let (refuse, reason) = match request.message.method() {
            Method::Bye => {
                self.push(ctx, Work::Bye(side, request));
                return;
            }
            Method::Options if !self.is_finished() => {
                let bytes = messages::options(&request.message, request.hop);
                let to = messages::reply_hop(&request.message, request.hop);
                ctx.respond(to, "OPTIONS", 200, bytes);
                return;
            }
            // RFC 5057: a subscription made by REFER outlives the call in its dialog.
            method
                if Self::goes_through(method)
                    && (!self.is_finished() || *method == Method::Notify) =>
            {
                self.pass(ctx, side, request);
                return;
            }
            _ if self.is_finished() => (Refuse::NoDialog, Refusal::NoDialog),
            Method::Invite => {
                self.reinvite(ctx, side, request);
                return;
            }
            Method::Prack => {
                self.prack(ctx, side, request);
                return;
            }
            Method::Other(_) => (Refuse::NotImplemented, Refusal::Method),
            Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish => (Refuse::NotAllowed, Refusal::Method),
        };
        self.refuse_request(ctx, &request, refuse, reason);
    }

    /// An ACK: of our 2xx, of our failure, or of the answer to a change of the session.
    fn ack(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        let is_of_the_invite =
            side == Side::Caller && request.message.cseq().number == self.record.admission.cseq;
        if !is_of_the_invite {
            self.ack_within(ctx, side, request);
            return;
        }
        self.ack_of_invite(ctx, Some(request));
    }

    /// The caller has our final answer. `request` is the ACK if it came within the dialog.
    pub(crate) fn ack_of_invite(&mut self, ctx: &mut Ctx<'_>, request: Option<Request>) {
        let mut heard_2xx = false;
        if let Some(server) = &mut self.legs.caller {
            heard_2xx = server.state() == InviteServerState::Accepted;
            server.handle(ctx.now, InviteServerInput::Ack);
            self.drain_caller(ctx);
        }
        match self.record.phase {
            Phase::Answered => {
                if let Some(request) = request {
                    self.push(ctx, Work::Ack(request));
                }
            }
            Phase::Finished if heard_2xx => self.release_bye_to_caller(ctx),
            // A repeated ACK, or the ACK of a failure.
            Phase::Confirmed | Phase::Finished => {}
            Phase::Inviting => ctx.dropped(DropReason::StrayAck),
        }
    }

    pub(super) fn refuse_request(
        &self,
        ctx: &mut Ctx<'_>,
        request: &Request,
        refuse: Refuse,
        reason: Refusal,
    ) {
        let bytes = messages::refuse(&request.message, request.hop, refuse);
        let to = messages::reply_hop(&request.message, request.hop);
        ctx.event(crate::Event::Refused { reason });
        let method = messages::label(request.message.method());
        ctx.respond(to, method, refuse.status(), bytes);
    }
}
