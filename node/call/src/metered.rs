//! Requests that spend leased tokens: those outside of dialogs that are no calls.
//!
//! One for which there is nothing yet, but may be in a moment, waits here for a short time: what is
//! wanted for the first time, or again after a while, must be leased first, and that is a commit away.
//! Nothing is said meanwhile, so its sender's repetitions go on (RFC 3261 section 17.1.2); they do no
//! harm, since each kind of request is known again by what it is about, or has no effect.
//!
//! Bounded: at most [`MAX_HELD`] wait, each for at most [`HOLD_MS`]; then they are refused.

use holdline_model::limit::{self, Operation};
use holdline_model::{Millis, SlotId};

use crate::call::Request;
use crate::messages::Refuse;
use crate::{Allowed, CallEngine, Event, Refusal, Routing};

/// A request that waits for tokens.
#[derive(Debug)]
pub(crate) struct Held {
    until: Millis,
    slot: SlotId,
    request: Request,
}

/// What waits, and when it is looked at next.
#[derive(Debug, Default)]
pub(crate) struct HeldRequests {
    all: Vec<Held>,
    look_at: Option<Millis>,
    /// Until when the request that is being handled may go on waiting, if it has waited.
    patience: Option<Millis>,
}

impl HeldRequests {
    pub(crate) const fn next_timer(&self) -> Option<Millis> {
        self.look_at
    }

    /// The slot is not ours any more: its next owner will be asked again.
    pub(crate) fn lost(&mut self, slot: SlotId) {
        self.all.retain(|held| held.slot != slot);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

impl CallEngine {
    /// Whether a request is let in. If it is not, it was answered, or waits and comes again by
    /// [`CallEngine::outside`].
    pub(crate) fn allows(
        &mut self,
        now: Millis,
        slot: SlotId,
        operation: Operation,
        (tenant, trunk): (&str, &str),
        request: &Request,
    ) -> bool {
        let message = &request.message;
        let (caller, called) = (
            Routing::number(message.from().uri),
            Routing::number(message.request_uri().unwrap_or_default()),
        );
        let asked = limit::Request {
            operation,
            pop: &self.options.pop,
            tenant,
            trunk,
            source: request.hop.peer.ip(),
            caller: &caller,
            called: &called,
        };
        let throttled = match self.allowance.take(&asked, self.held.patience.is_some()) {
            Allowed::Pass => return true,
            Allowed::Refused(throttled) => throttled,
            Allowed::Wait(throttled) => {
                let until = self.held.patience.unwrap_or(now.plus_ms(HOLD_MS));
                if now < until && self.held.all.len() < MAX_HELD {
                    let request = Request { hop: request.hop, message: message.clone() };
                    self.held.all.push(Held { until, slot, request });
                    self.held.look_at.get_or_insert(now.plus_ms(LOOK_EVERY_MS));
                    return false;
                }
                throttled
            }
        };
        let (status, retry_after_ms) = (throttled.status, throttled.retry_after_ms);
        self.event(Event::Throttled { class: throttled.class, operation, status });
        self.refuse(request, Refuse::Limited { status, retry_after_ms }, Refusal::Limited);
        false
    }

    /// The same for a request whose sender is known by its address alone.
    pub(crate) fn allows_from(
        &mut self,
        now: Millis,
        slot: SlotId,
        operation: Operation,
        request: &Request,
    ) -> bool {
        let trunk = self.source(request.hop);
        let (tenant, trunk) =
            trunk.map(|trunk| (trunk.tenant.clone(), trunk.name.clone())).unwrap_or_default();
        self.allows(now, slot, operation, (&tenant, &trunk), request)
    }

    /// Looks again at what waits.
    pub(crate) fn tick_held(&mut self, now: Millis) {
        if self.held.look_at.is_none_or(|at| now < at) {
            return;
        }
        self.held.look_at = None;
        for Held { until, slot, request } in std::mem::take(&mut self.held.all) {
            self.held.patience = Some(until);
            self.outside(now, request, slot, false);
        }
        self.held.patience = None;
    }
}

/// How long a request waits for tokens: less than what its sender waits before it repeats it.
const HOLD_MS: u64 = 300;

/// How often it is looked whether there are some.
const LOOK_EVERY_MS: u64 = 10;

/// Requests that wait at the same time, at most.
const MAX_HELD: usize = 1_024;
