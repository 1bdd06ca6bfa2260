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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trial {
    /// When the INVITE was sent by this owner.
    since: Option<Millis>,
    /// The first answer was told.
    is_heard: bool,
    /// Whether it works was told.
    is_judged: bool,
}

impl Trial {
    pub(super) fn begun(now: Millis) -> Self {
        Self { since: Some(now), ..Self::default() }
    }
}

impl Call {
    /// The trunk that is tried has answered our INVITE.
    pub(super) fn trunk_answered(&mut self, ctx: &mut Ctx<'_>, message: &Message) {
        if let Some(since) = self.trial.since.filter(|_| !self.trial.is_heard) {
            self.trial.is_heard = true;
            self.tell_trunk(ctx, Heard::First { after_ms: ctx.now.since(since) });
        }
        let heard = match status_of(message) {
            // The next hop has it; that says nothing of the trunk beyond.
            100 => return,
            101..=299 => Heard::Progress,
            503 if self.has_other_place() => Heard::OtherPlace,
            status => Heard::Failed { status, retry_after_s: retry_after(message) },
        };
        if !self.trial.is_judged
            || matches!(heard, Heard::Failed { status: 503, .. } | Heard::OtherPlace)
        {
            self.trial.is_judged = true;
            self.tell_trunk(ctx, heard);
        }
    }

    /// The trunk that is tried said nothing in time.
    pub(super) fn trunk_silent(&mut self, ctx: &mut Ctx<'_>) {
        if !self.trial.is_heard && !self.trial.is_judged {
            self.trial.is_judged = true;
            let heard = if self.has_other_place() { Heard::OtherPlace } else { Heard::Silent };
            self.tell_trunk(ctx, heard);
        }
    }

    fn tell_trunk(&self, ctx: &mut Ctx<'_>, heard: Heard) {
        let Some(target) = self.record.targets.get(usize::from(self.record.attempt)) else {
            return;
        };
        let tried_at = self.trial.since.unwrap_or(ctx.now);
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
