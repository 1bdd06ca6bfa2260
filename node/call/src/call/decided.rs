//! The outcome of a proposal.

use holdline_model::{CallChange, CdrId, Phase, Rejection, Reply, Step};

use super::{Call, Ctx};
use crate::messages::{self, Refuse};
use crate::options::millis;
use crate::{DropReason, Event, Refusal, Undecided};

/// How often the time is doubled after which an undecided proposal is made again: who cannot keep up is
/// not asked more often.
const MAX_DOUBLINGS: u32 = 4;

/// Whether a call's machine stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Keep,
    /// It is to be dropped; nothing more is said for the call.
    Forget,
}

impl Call {
    /// The replicated state has decided a step, or it is not known whether it has.
    pub(crate) fn decided(
        &mut self,
        ctx: &mut Ctx<'_>,
        step: Step,
        outcome: Result<Reply, Undecided>,
    ) -> Fate {
        let Some(proposal) = self.proposal.as_mut().filter(|p| p.command.step == step) else {
            ctx.dropped(DropReason::StrayDecision);
            return Fate::Keep;
        };
        match outcome {
            Err(Undecided) => {
                // It may have been committed: nothing else may be proposed before this is known.
                let doubled = proposal.retries.min(MAX_DOUBLINGS);
                let pause_ms = millis(ctx.options.propose_retry).saturating_mul(1 << doubled);
                proposal.retry_at.get_or_insert(ctx.now.plus_ms(pause_ms));
                ctx.event(Event::Undecided { call: self.record.call });
                Fate::Keep
            }
            Ok(
                Reply::Done | Reply::Count(_) | Reply::At(_) | Reply::Leased(_) | Reply::Node(_),
            ) => self.accepted(ctx, None),
            Ok(Reply::Admitted(passage)) => {
                self.record.pass(&passage);
                self.accepted(ctx, None)
            }
            Ok(Reply::Refused(refusal)) => self.limited(ctx, refusal),
            Ok(Reply::Ended(cdr)) => self.accepted(ctx, Some(cdr)),
            Ok(Reply::Rejected(rejection)) => self.rejected(ctx, &rejection),
        }
    }

    fn accepted(&mut self, ctx: &mut Ctx<'_>, cdr: Option<CdrId>) -> Fate {
        if let Some(proposal) = self.proposal.take() {
            self.committed(ctx, &proposal.command, proposal.trigger, cdr);
        }
        let rings = self.ringing.is_some() && self.record.phase == Phase::Inviting;
        if rings || self.next_note().is_some() {
            self.note(ctx);
        }
        self.run(ctx);
        Fate::Keep
    }

    fn rejected(&mut self, ctx: &mut Ctx<'_>, rejection: &Rejection) -> Fate {
        match rejection {
            // Somebody else owns the call, or has gone on with it: whatever we know is out of date.
            Rejection::StaleEpoch { .. }
            | Rejection::UnknownSlot { .. }
            | Rejection::UnknownCall { .. }
            | Rejection::StepGap { .. } => {
                ctx.dropped(DropReason::Deposed);
                Fate::Forget
            }
            Rejection::WrongPhase { .. }
            | Rejection::OutOfBounds { .. }
            | Rejection::UnknownNode { .. }
            | Rejection::AlreadyFormed
            | Rejection::NotFormed
            | Rejection::UnknownUser
            | Rejection::UserExists
            | Rejection::OldCSeq { .. }
            | Rejection::TooManyBindings { .. }
            | Rejection::RegistrarFull { .. }
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
            | Rejection::CdrsPurged { .. } => self.refused(ctx, rejection),
        }
    }

    /// No correct owner gets here. The call goes on without the change, and deadlines hold off for
    /// a while, so that a fault of ours cannot become a storm of proposals.
    fn refused(&mut self, ctx: &mut Ctx<'_>, rejection: &Rejection) -> Fate {
        let reason = rejection.to_string();
        ctx.event(Event::Rejected { call: self.record.call, reason });
        let Some(proposal) = self.proposal.take() else { return Fate::Keep };
        if matches!(proposal.command.change, CallChange::Admit(_)) {
            if let Some(invite) = &self.invite {
                let bytes =
                    messages::refuse(invite, self.record.admission.hop, Refuse::InternalError);
                ctx.event(Event::Refused { reason: Refusal::NotAdmitted });
                ctx.respond(self.reply_to, "INVITE", 500, bytes);
            }
            return Fate::Forget;
        }
        self.hold_until = Some(ctx.now.plus_ms(millis(ctx.options.propose_retry)));
        self.run(ctx);
        Fate::Keep
    }
}
