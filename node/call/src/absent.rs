//! Calls to users who are nowhere, or unknown, as far as this node has applied.
//!
//! A REGISTER is answered when its own node has applied it; the others follow within milliseconds. A call
//! that comes to one of them meanwhile is not refused by what that node does not know yet: it waits until
//! the node has applied everything that was committed when the call came, and is looked at once more.
//! Only then is nobody there.
//!
//! Nothing is said meanwhile, so the caller repeats its INVITE, and its CANCEL; both are passed over.
//!
//! Bounded: at most [`MAX_WAITING`] wait; further ones are refused by what is known.

use std::collections::BTreeMap;

use holdline_model::{Millis, SlotId};
use holdline_sip::message::Message;

use crate::call::Request;
use crate::messages::Refuse;
use crate::outside::Caller;
use crate::transfer::Named;
use crate::{CallEngine, DropReason, Output, Refusal, refused};

/// The calls that wait.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    waiting: BTreeMap<u64, Waiting>,
    last_ticket: u64,
}

/// A call whose caller is known, and that may come from there.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: Request,
    pub(crate) slot: SlotId,
    pub(crate) caller: Caller,
    pub(crate) named: Named,
}

impl Absent {
    /// Whether the INVITE of this transaction waits (RFC 3261 section 17.2.3; 9.1 for CANCEL).
    pub(crate) fn holds(&self, request: &Message) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let wanted = refused::key(request);
        self.waiting.values().any(|known| refused::key(&known.request.message) == wanted)
    }

    /// The slot is not ours any more: the repetition of the INVITE goes to its next owner.
    pub(crate) fn lost(&mut self, slot: SlotId) {
        self.waiting.retain(|_, waiting| waiting.slot != slot);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl CallEngine {
    /// Nobody is there, as far as is known. `is_current`: what is known is everything that was committed when
    /// the call came.
    pub(crate) fn nobody_there(
        &mut self,
        waiting: Waiting,
        is_current: bool,
        (refuse, reason): (Refuse, Refusal),
    ) {
        if is_current || self.absent.waiting.len() >= MAX_WAITING {
            self.refuse(&waiting.request, refuse, reason);
            return;
        }
        self.absent.last_ticket += 1;
        let ticket = self.absent.last_ticket;
        self.absent.waiting.insert(ticket, waiting);
        self.out.push_back(Output::CatchUp { ticket });
    }

    /// This node has applied what was committed when the call came, or does not get to it.
    pub(crate) fn caught_up(&mut self, now: Millis, ticket: u64, is_current: bool) {
        let Some(waiting) = self.absent.waiting.remove(&ticket) else {
            self.dropped(DropReason::StrayDecision);
            return;
        };
        if is_current {
            self.place(now, waiting, true);
        } else {
            let retry_after = self.options.retry_after;
            self.refused.insert(now, &waiting.request.message, retry_after);
            self.refuse(&waiting.request, Refuse::Unavailable(retry_after), Refusal::NotCurrent);
        }
    }

    /// It was told while nothing may be said: the caller repeats its INVITE.
    pub(crate) fn caught_up_in_silence(&mut self, ticket: u64) {
        self.absent.waiting.remove(&ticket);
        self.dropped(DropReason::Suspended);
    }
}

/// Calls that wait at the same time, at most.
pub(crate) const MAX_WAITING: usize = 256;
