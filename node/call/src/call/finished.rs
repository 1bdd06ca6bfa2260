//! A finished call: a tombstone that gives late messages their old answer (RFC 3261 timers H to J).
//! Nothing is proposed any more.

use holdline_model::Side;
use holdline_sip::message::Message;

use super::work::Work;
use super::{Call, Ctx};
use crate::DropReason;

impl Call {
    pub(super) fn work_finished(&mut self, ctx: &mut Ctx<'_>, work: Work) {
        match work {
            Work::Success { attempt, message } => self.answered_too_late(ctx, attempt, &message),
            Work::Failure { attempt, message } => {
                self.ack_failure(ctx, attempt, &message);
                self.loser_over(ctx, attempt);
            }
            // The same answer as the first time; with BYEs from both sides, the second one's.
            Work::Bye(_, request) | Work::Cancel(request) => self.reply_ok(ctx, &request),
            Work::HangUp => ctx.dropped(DropReason::UnknownCall),
            // It waited for an ACK when the call ended, or did not hear it.
            Work::Reinvited { .. } => self.ack_reinvite(ctx),
            Work::Through(side, request) => self.count(ctx, side, request),
            Work::Updated { from, number, message } => {
                self.answer_through(ctx, from, number, &message);
            }
            Work::Pracked { number, message } => {
                self.answer_through(ctx, Side::Caller, number, &message);
            }
            Work::Silent { attempt } => self.loser_over(ctx, attempt),
            Work::Ack(_)
            | Work::NoAck
            | Work::Provisional { .. }
            | Work::ReinviteProgress { .. }
            | Work::ReinviteAck(_)
            | Work::ReinviteNoAck
            | Work::Refreshed { .. }
            | Work::Gone { .. } => {}
        }
    }

    /// A 2xx for a call that is over. If it is the one that the record knows, only its ACK was lost.
    fn answered_too_late(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: &Message) {
        if self.is_the_answer(attempt, message) {
            self.ack_callee(ctx);
        } else {
            self.hang_up_other(ctx, attempt, message);
            self.loser_over(ctx, attempt);
        }
    }
}
