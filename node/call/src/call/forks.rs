//! 2xx answers that are not the call's: of another fork, or of a target that was given up. Each is
//! acknowledged and hung up at once (RFC 3261 section 13.2.2.4); the record knows nothing of them.

use holdline_model::Dialog;
use holdline_sip::message::Message;
use holdline_sip::transaction::NonInviteClient;

use super::legs::Fork;
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

    /// ACK and BYE for a dialog that is not the call's. Repeated 2xx get the ACK again.
    pub(super) fn hang_up_fork(&mut self, ctx: &mut Ctx<'_>, attempt: u16, dialog: Dialog) {
        let (local, to) = (self.local(), dialog.peer);
        let known = self.legs.forks.iter().any(|fork| fork.dialog.remote == dialog.remote);
        if !known && self.legs.forks.len() >= ctx.options.max_forks {
            ctx.dropped(DropReason::TooManyForks);
            return;
        }
        ctx.send(local, to, messages::fork_ack(self.record.call, attempt, &dialog));
        if known {
            return;
        }
        let bye = messages::fork_bye(self.record.call, attempt, &dialog);
        let bye = NonInviteClient::new(ctx.now, ctx.options.timers, false, bye);
        self.legs.forks.push(Fork { dialog: Box::new(dialog), attempt, bye });
        self.drain_forks(ctx);
    }

    /// Drops forks whose BYE is over.
    pub(super) fn drain_forks(&mut self, ctx: &mut Ctx<'_>) {
        let local = self.record.admission.local;
        let call = self.record.call;
        self.legs.forks.retain_mut(|fork| {
            let to = fork.dialog.peer;
            let outcome = super::transact::drain_request(&mut fork.bye, |bytes| {
                ctx.out.push_back(crate::Output::Send { from: local, to, bytes });
            });
            if outcome.gave_up {
                let what = crate::Unconfirmed::Bye;
                ctx.out.push_back(crate::Output::Event(Event::GaveUp { call, what }));
            }
            !outcome.over
        });
    }
}
