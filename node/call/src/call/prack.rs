//! Reliable provisional answers (RFC 3262), from the callee through us to the caller.
//!
//! The callee repeats one until it is acknowledged, and each repetition is relayed: no timer of ours is
//! needed, and none could be lost. Its number for the caller is ours, because the answers of all
//! targets and forks are one sequence there. A PRACK goes through to the fork that the answer came from.

use holdline_model::{CallChange, Dialog, Pracked, Side};
use holdline_sip::message::{HeaderName, Message, Method};

use super::work::{Request, Work};
use super::{Call, Ctx};
use crate::messages::Refuse;
use crate::{Refusal, dialogs};

impl Call {
    /// The RSeq of a provisional answer, if it is to be relayed reliably: the caller must have said
    /// that it can, and only one target is tried, since those tried together are not offered it.
    pub(super) fn rseq_of(&self, attempt: u16, answer: &Message) -> Option<u32> {
        if self.record.is_branch(attempt) {
            return None;
        }
        let invite = self.invite.as_deref()?;
        let says = |message: &Message, name: HeaderName| {
            message.list(name).iter().any(|option| option.eq_ignore_ascii_case("100rel"))
        };
        let can = says(invite, HeaderName::Supported) || says(invite, HeaderName::Require);
        (can && says(answer, HeaderName::Require)).then(|| answer.rseq()).flatten()
    }

    /// A PRACK of the caller's.
    pub(super) fn prack(&mut self, ctx: &mut Ctx<'_>, side: Side, request: Request) {
        let Some((dialog, rack)) = self.pracked_dialog(side, &request.message) else {
            // Section 3: it matches no provisional answer.
            self.refuse_request(ctx, &request, Refuse::NoDialog, Refusal::NoDialog);
            return;
        };
        let number = request.message.cseq().number;
        let too_many = (Refuse::Overlapping, Refusal::TooManyRequests);
        let objection = self.runs_ahead(side, number).then_some(too_many);
        if let Some((refuse, reason)) = objection.or_else(|| self.objection_to_more(ctx)) {
            self.refuse_request(ctx, &request, refuse, reason);
            return;
        }
        self.pass_in(ctx, side, request, &dialog, Some(rack));
    }

    /// The early dialog that a PRACK goes to, and what it acknowledges there.
    fn pracked_dialog(&self, side: Side, prack: &Message) -> Option<(Dialog, (u32, u16))> {
        let rack = prack.rack().filter(|rack| rack.method == Method::Invite)?;
        if side != Side::Caller || rack.cseq != self.record.admission.cseq {
            return None;
        }
        let index = usize::try_from(rack.rseq).ok()?.checked_sub(1)?;
        let reliable = self.record.session.as_ref()?.reliable.get(index)?;
        let answer = Message::parse(reliable.response.clone()).ok()?;
        let invite = self.invite.as_deref();
        let dialog = dialogs::callee(&self.record, invite, reliable.attempt, &answer)?;
        Some((dialog, (reliable.rseq, reliable.attempt)))
    }

    /// A PRACK has its 2xx: committed before that is relayed.
    pub(super) fn prack_answered(&mut self, ctx: &mut Ctx<'_>, number: u32, message: Message) {
        let mut known = self.legs.through.iter();
        let Some(exchange) = known.find(|exchange| exchange.is(Side::Caller, number)) else {
            return;
        };
        let Some(rack) = exchange.request.message.rack() else { return };
        let change = CallChange::Pracked(Pracked { rseq: rack.rseq });
        self.propose(ctx, change, Some(Work::Pracked { number, message }));
    }
}
