//! New calls that were refused for the moment, so that a repeated INVITE gets the same answer.
//!
//! A refusal keeps no transaction. But its INVITE may come again before the answer arrives, and if it
//! were admitted then, the caller would take the refusal for the outcome while the callee rings.
//!
//! Bounded: when there is no room, the oldest are forgotten; a repetition of one of those is looked
//! at anew. Not replicated: a repetition that reaches the next owner is looked at anew, too.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use holdline_model::{Millis, limits};
use holdline_sip::message::Message;

/// What was refused lately.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// By the INVITE's transaction: what Retry-After said.
    answers: HashMap<u64, Duration>,
    /// When each was refused, the oldest first.
    order: VecDeque<(Millis, u64)>,
}

impl Refused {
    /// What Retry-After said to this INVITE, if it was refused.
    pub(crate) fn find(&self, invite: &Message) -> Option<Duration> {
        if self.answers.is_empty() { None } else { self.answers.get(&key(invite)).copied() }
    }

    /// An INVITE is refused.
    pub(crate) fn insert(&mut self, now: Millis, invite: &Message, retry_after: Duration) {
        while let Some((at, oldest)) = self.order.front().copied() {
            if self.order.len() < MAX_REFUSED && now.since(at) < limits::TOMBSTONE_MS {
                break;
            }
            self.order.pop_front();
            self.answers.remove(&oldest);
        }
        let key = key(invite);
        if self.answers.insert(key, retry_after).is_none() {
            self.order.push_back((now, key));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

/// Tells the transaction of an INVITE, or of its CANCEL, from others: RFC 3261 sections 17.2.3 and 9.1, and the
/// Call-ID because peers choose their branches.
pub(crate) fn key(invite: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    let via = invite.top_via();
    (via.branch, via.host, via.port).hash(&mut hasher);
    (invite.call_id(), invite.from().tag, invite.cseq().number).hash(&mut hasher);
    hasher.finish()
}

/// About 1 MiB.
pub(crate) const MAX_REFUSED: usize = 32_768;
