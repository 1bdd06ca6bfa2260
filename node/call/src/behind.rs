//! Requests that this node would refuse by what it does not know: calls to users who are nowhere or unknown,
//! and credentials that prove nothing, as far as it has applied.
//!
//! A REGISTER is answered when its own node has applied it, and a user is said to be written when a majority
//! has it; the other nodes follow within milliseconds. What comes to one of them meanwhile is not refused by
//! what that node does not know yet: it waits until the node has applied everything that was committed when
//! it came, and is looked at once more. Only then is nobody there, or the password wrong.
//!
//! Users who are unknown and passwords that are wrong wait alike, so that the time until the answer does not
//! tell who exists.
//!
//! Nothing is said meanwhile, so the sender repeats its request, and a CANCEL; both are passed over.
//!
//! Bounded: at most [`MAX_WAITING`] wait; further ones are refused by what is known.

use std::collections::{BTreeMap, HashSet};

use holdline_model::{Millis, SlotId};
use holdline_sip::message::{Message, Method};

use crate::call::Request;
use crate::messages::Refuse;
use crate::outside::Caller;
use crate::transfer::Named;
use crate::{CallEngine, DropReason, Output, Refusal, refused};

/// The requests that wait.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// By ticket.
    waiting: BTreeMap<u64, Waiting>,
    /// Their transactions.
    keys: HashSet<u64>,
    last_ticket: u64,
}

/// A request that waits.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A call to nobody.
    Call(Box<Placing>),
    /// An INVITE or REGISTER whose credentials prove nothing.
    Unproved { request: Box<Request>, slot: SlotId },
}

/// A call whose caller is known, and that may come from there.
#[derive(Debug)]
pub(crate) struct Placing {
    pub(crate) request: Request,
    pub(crate) slot: SlotId,
    pub(crate) caller: Caller,
    pub(crate) named: Named,
}

impl Waiting {
    fn request(&self) -> &Request {
        match self {
            Self::Call(placing) => &placing.request,
            Self::Unproved { request, .. } => request,
        }
    }

    fn key(&self) -> u64 {
        refused::key(&self.request().message)
    }

    fn slot(&self) -> SlotId {
        match self {
            Self::Call(placing) => placing.slot,
            Self::Unproved { slot, .. } => *slot,
        }
    }
}

impl Behind {
    /// Whether this transaction's request waits (RFC 3261 section 17.2.3; 9.1 for CANCEL).
    pub(crate) fn holds(&self, request: &Message) -> bool {
        !self.keys.is_empty() && self.keys.contains(&refused::key(request))
    }

    /// Whether one more may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// The slot is not ours any more: the repetition of the request goes to its next owner.
    pub(crate) fn lost(&mut self, slot: SlotId) {
        let keys = &mut self.keys;
        self.waiting.retain(|_, waiting| {
            let stays = waiting.slot() != slot;
            if !stays {
                keys.remove(&waiting.key());
            }
            stays
        });
    }

    fn put(&mut self, waiting: Waiting) -> u64 {
        self.last_ticket += 1;
        self.keys.insert(waiting.key());
        self.waiting.insert(self.last_ticket, waiting);
        self.last_ticket
    }

    fn take(&mut self, ticket: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&ticket)?;
        self.keys.remove(&waiting.key());
        Some(waiting)
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
        placing: Placing,
        is_current: bool,
        (refuse, reason): (Refuse, Refusal),
    ) {
        if is_current || !self.behind.has_room() {
            self.refuse(&placing.request, refuse, reason);
        } else {
            self.catch_up_before(Waiting::Call(Box::new(placing)));
        }
    }

    /// Looks at a request once more when this node has applied what is committed by now. There has to be room.
    pub(crate) fn catch_up_before(&mut self, waiting: Waiting) {
        let ticket = self.behind.put(waiting);
        self.out.push_back(Output::CatchUp { ticket });
    }

    /// This node has applied what was committed when the request came, or does not get to it.
    pub(crate) fn caught_up(&mut self, now: Millis, ticket: u64, is_current: bool) {
        let Some(waiting) = self.behind.take(ticket) else {
            self.dropped(DropReason::StrayDecision);
            return;
        };
        if !is_current {
            let retry_after = self.options.retry_after;
            let request = waiting.request();
            if *request.message.method() == Method::Invite {
                self.refused.insert(now, &request.message, retry_after);
            }
            self.refuse(request, Refuse::Unavailable(retry_after), Refusal::NotCurrent);
            return;
        }
        match waiting {
            Waiting::Call(placing) => self.place(now, *placing, true),
            Waiting::Unproved { request, slot } => self.outside(now, *request, slot, true),
        }
    }

    /// It was told while nothing may be said: the sender repeats its request.
    pub(crate) fn caught_up_in_silence(&mut self, ticket: u64) {
        self.behind.take(ticket);
        self.dropped(DropReason::Suspended);
    }
}

/// Requests that wait at the same time, at most.
pub(crate) const MAX_WAITING: usize = 256;
