//! When each call wants to be looked at next: one entry per call, ordered by time.
//!
//! Not a set of callbacks: a call's machine knows what is due, this only knows when to ask it.
//!
//! Invariant: `by_time` and `by_call` hold the same entries.

use std::collections::{BTreeMap, BTreeSet};

use holdline_model::{CallId, Millis};

/// At most one wake-up time per call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Millis, CallId)>,
    by_call: BTreeMap<CallId, Millis>,
}

impl Timers {
    /// Replaces a call's wake-up time; `None` removes it.
    pub(crate) fn set(&mut self, call: CallId, at: Option<Millis>) {
        let before = match at {
            Some(at) => self.by_call.insert(call, at),
            None => self.by_call.remove(&call),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, call));
        }
        if let Some(at) = at {
            self.by_time.insert((at, call));
        }
    }

    /// The earliest wake-up time.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// A call whose time is `now` or before, the longest due first; its entry is removed.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<CallId> {
        let (at, call) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.remove(&(at, call));
        self.by_call.remove(&call);
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdline_model::SlotId;

    const fn call(nonce: u64) -> CallId {
        CallId { slot: SlotId(1), nonce }
    }

    #[test]
    fn a_later_setting_replaces_the_earlier_one() {
        let mut timers = Timers::default();
        timers.set(call(1), Some(Millis(10)));
        timers.set(call(2), Some(Millis(20)));
        timers.set(call(1), Some(Millis(30)));
        assert_eq!(timers.next(), Some(Millis(20)));
        timers.set(call(2), None);
        assert_eq!(timers.next(), Some(Millis(30)));
    }

    #[test]
    fn due_calls_come_in_order_of_time() {
        let mut timers = Timers::default();
        timers.set(call(1), Some(Millis(20)));
        timers.set(call(2), Some(Millis(10)));
        timers.set(call(3), Some(Millis(21)));
        assert_eq!(timers.pop_due(Millis(20)), Some(call(2)));
        assert_eq!(timers.pop_due(Millis(20)), Some(call(1)));
        assert_eq!(timers.pop_due(Millis(20)), None);
    }
}
