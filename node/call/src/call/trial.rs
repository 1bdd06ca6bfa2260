//! What a call tells of the trunk that it tries, each thing once per attempt.
//!
//! Nothing of it is replicated: a new owner resends the INVITE and tells what comes of that. It
//! does not know when its predecessor sent it first, so it measures no latency.

use holdline_model::Millis;
use holdline_sip::message::{HeaderName, Message};

use super::{Call, Ctx};
use crate::Event;
use crate::messages::status_of;
use crate::trunks::{Heard, TrunkNews};

/// What is still to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// When the INVITE was sent by this owner.
    since: Option<Millis>,
    /// The first answer was told.
    is_heard: bool,
    /// Whether it works was told.
    is_judged: bool,
}

impl Trial {
    /// Of a target that a predecessor has tried.
    pub(super) const fn none() -> Self {
        Self { since: None, is_heard: false, is_judged: false }
    }

    pub(super) fn begun(now: Millis) -> Self {
        Self { since: Some(now), ..Self::none() }
    }
}

impl Call {
    /// The trunk of a target that is tried has answered our INVITE.
    pub(super) fn trunk_answered(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: &Message) {
        let Some(mut trial) = self.branch(attempt).map(|branch| branch.trial) else { return };
        if let Some(since) = trial.since.filter(|_| !trial.is_heard) {
            trial.is_heard = true;
            self.tell_trunk(ctx, attempt, trial, Heard::First { after_ms: ctx.now.since(since) });
        }
        let heard = match status_of(message) {
            // The next hop has it; that says nothing of the trunk beyond.
            100 => None,
            101..=299 => Some(Heard::Progress),
            503 if self.has_other_place(attempt) => Some(Heard::OtherPlace),
            status => Some(Heard::Failed { status, retry_after_s: retry_after(message) }),
        };
        if let Some(heard) = heard
            && (!trial.is_judged
                || matches!(heard, Heard::Failed { status: 503, .. } | Heard::OtherPlace))
        {
            trial.is_judged = true;
            self.tell_trunk(ctx, attempt, trial, heard);
        }
        if let Some(branch) = self.branch(attempt) {
            branch.trial = trial;
        }
    }

    /// The trunk of a target that is tried said nothing in time.
    pub(super) fn trunk_silent(&mut self, ctx: &mut Ctx<'_>, attempt: u16) {
        let trial = self.branch(attempt).map_or_else(Trial::none, |branch| branch.trial);
        if !trial.is_heard && !trial.is_judged {
            if let Some(branch) = self.branch(attempt) {
                branch.trial.is_judged = true;
            }
            let is_one_of_many = self.has_other_place(attempt);
            let heard = if is_one_of_many { Heard::OtherPlace } else { Heard::Silent };
            self.tell_trunk(ctx, attempt, trial, heard);
        }
    }

    fn tell_trunk(&self, ctx: &mut Ctx<'_>, attempt: u16, trial: Trial, heard: Heard) {
        let Some(target) = self.record.targets.get(usize::from(attempt)) else { return };
        let tried_at = trial.since.unwrap_or(ctx.now);
        let (trunk, peer) = (target.trunk.clone(), target.hop.peer);
        ctx.event(Event::Trunk(TrunkNews { trunk, tried_at, peer, heard }));
    }
}

/// The seconds of a Retry-After; a comment or parameters may follow them (RFC 3261 section 20.33).
fn retry_after(message: &Message) -> Option<u32> {
    let value = std::str::from_utf8(message.header(HeaderName::RetryAfter)?).ok()?;
    let digits = value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}
