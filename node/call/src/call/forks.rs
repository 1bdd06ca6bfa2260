//! 2xx answers that are not the call's: of another fork, or of a target that was given up. Each is
//! hung up at once and then acknowledged (RFC 3261 section 13.2.2.4); the record knows nothing of
//! them.
//!
//! Invariant: a fork is not acknowledged before it has answered our BYE (which section 15 allows a
//! caller to send without an ACK). Its 2xx, repeated for want of an ACK, is all that the next owner
//! would know it by.

use holdline_model::Dialog;
use holdline_sip::message::Message;
use holdline_sip::transaction::{NonInviteClient, NonInviteClientState};

use super::legs::Fork;
use super::responses::heard;
use super::{Call, Ctx};
use crate::dialogs;
use crate::messages;
use crate::{DropReason, Event};

impl Call {
    /// The dialog with the callee that the record knows: of the answer, or of one that came late.
    pub(super) fn callee_dialog(&self) -> Option<&Dialog> {
        let late = || self.record.end.as_ref().and_then(|end| end.late_answer.as_deref());
        self.record.answer.as_ref().map(|answer| &answer.callee).or_else(late)
    }

    /// Whether a 2xx is the one that the record knows.
    pub(super) fn is_the_answer(&self, attempt: u16, message: &Message) -> bool {
        attempt == self.record.attempt
            && self
                .callee_dialog()
                .is_some_and(|dialog| dialogs::tag_of(&dialog.remote) == message.to().tag)
    }

    pub(super) fn hang_up_other(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: &Message) {
        if let Some(dialog) =
            dialogs::callee(&self.record, self.invite.as_deref(), attempt, message)
        {
            self.hang_up_fork(ctx, attempt, dialog);
        }
    }

    /// BYE for a dialog that is not the call's. A repeated 2xx gets its ACK once the BYE is answered.
    pub(super) fn hang_up_fork(&mut self, ctx: &mut Ctx<'_>, attempt: u16, dialog: Dialog) {
        let mut forks = self.legs.forks.iter();
        if let Some(known) = forks.position(|fork| fork.dialog.remote == dialog.remote) {
            self.ack_fork_if_hung_up(ctx, known);
            return;
        }
        if self.legs.forks.len() >= ctx.options.max_forks {
            ctx.dropped(DropReason::TooManyForks);
            return;
        }
        let bye = messages::fork_bye(&self.record, attempt, &dialog);
        let bye = NonInviteClient::new(
            ctx.now,
            ctx.options.timers,
            dialog.hop.transport.is_reliable(),
            bye,
        );
        self.legs.forks.push(Fork { dialog: Box::new(dialog), attempt, bye });
        self.drain_forks(ctx);
    }

    /// A fork has answered our BYE.
    pub(super) fn fork_answered(&mut self, ctx: &mut Ctx<'_>, message: &Message) {
        let branch = message.top_via().branch.unwrap_or_default();
        let mut forks = self.legs.forks.iter();
        let answered = forks.position(|fork| {
            messages::fork_branch(&self.record, 'y', fork.attempt, &fork.dialog) == branch
        });
        let Some(index) = answered else { return };
        if let Some(fork) = self.legs.forks.get_mut(index) {
            heard(&mut fork.bye, ctx, message);
        }
        self.ack_fork_if_hung_up(ctx, index);
        self.drain_forks(ctx);
    }

    fn ack_fork_if_hung_up(&self, ctx: &mut Ctx<'_>, index: usize) {
        let Some(fork) = self.legs.forks.get(index) else { return };
        if fork.bye.state() == NonInviteClientState::Completed {
            let ack = messages::fork_ack(&self.record, fork.attempt, &fork.dialog);
            ctx.send(fork.dialog.hop, ack);
        }
    }

    /// Drops forks whose BYE is over.
    pub(super) fn drain_forks(&mut self, ctx: &mut Ctx<'_>) {
        let call = self.record.call;
        self.legs.forks.retain_mut(|fork| {
            let hop = fork.dialog.hop;
            let outcome = super::transact::drain_request(&mut fork.bye, |bytes| {
                ctx.out.push_back(crate::Output::Send { hop, bytes });
            });
            if outcome.gave_up {
                let what = crate::Unconfirmed::Bye;
                ctx.out.push_back(crate::Output::Event(Event::GaveUp { call, what }));
            }
            !outcome.over
        });
    }
}
