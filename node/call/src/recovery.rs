//! Taking calls over: their machines are rebuilt from their records, and what was committed but
//! perhaps not sent is sent again, paced, so that a takeover of many calls is no storm.

use std::num::NonZeroU32;

use holdline_model::{CallRecord, Epoch, Millis, Phase, limits};

use crate::call::Call;
use crate::nonce::mix;
use crate::{CallEngine, DropReason, Event};

/// Hands out times for resends: never more per second than a given rate, however many slots are
/// gained at once.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    interval_us: u64,
    /// The earliest time for the next resend, in microseconds.
    next_us: u64,
}

impl Pacer {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self { interval_us: 1_000_000 / u64::from(per_second.get()).min(1_000_000), next_us: 0 }
    }

    /// When the next call may resend; always after `now`.
    pub(crate) fn next(&mut self, now: Millis) -> Millis {
        let at_us = self.next_us.max(now.plus_ms(1).0.saturating_mul(1_000));
        self.next_us = at_us.saturating_add(self.interval_us);
        Millis(at_us / 1_000)
    }
}

impl CallEngine {
    /// Rebuilds the calls that are not known yet.
    pub(crate) fn recover(&mut self, now: Millis, epoch: Epoch, mut records: Vec<CallRecord>) {
        records.retain(|record| !self.calls.contains_key(&record.call) && !is_swept(record, now));
        // An order of its own for each call: neighbours in the table do not resend together.
        records.sort_by_key(|record| (mix(record.call.nonce), record.call));
        for record in records {
            let id = record.call;
            let resend_at = match record.phase {
                Phase::Confirmed if has_nothing_to_resend(&record) => now,
                Phase::Inviting | Phase::Answered | Phase::Confirmed | Phase::Finished => {
                    self.pacer.next(now)
                }
            };
            match Call::recover(&mut self.ctx(now), record, epoch, resend_at) {
                Ok((call, resent)) => {
                    self.insert(call);
                    self.event(Event::Recovered { call: id, resent });
                }
                Err(_) => self.dropped(DropReason::BadRecord),
            }
        }
    }
}

/// A confirmed call owes nobody anything, unless the callee's ACK carries the caller's SDP, or a
/// change of the session is under way.
fn has_nothing_to_resend(record: &CallRecord) -> bool {
    let reinvite = record.session.as_ref().and_then(|state| state.reinvite.as_ref());
    record.answer.as_ref().is_none_or(|answer| answer.ack.is_empty())
        && reinvite.is_none_or(|reinvite| reinvite.acked && reinvite.ack.is_empty())
}

/// Whether a tombstone's time is over.
fn is_swept(record: &CallRecord, now: Millis) -> bool {
    record.end.as_ref().is_some_and(|end| end.at.plus_ms(limits::TOMBSTONE_MS) <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_resends_to_the_rate_also_across_slots() {
        let mut pacer = Pacer::new(NonZeroU32::new(2_000).unwrap());
        let times: Vec<u64> = (0..5).map(|_| pacer.next(Millis(1_000)).0).collect();
        assert_eq!(times, [1_001, 1_001, 1_002, 1_002, 1_003]);
        assert_eq!(pacer.next(Millis(1_001)), Millis(1_003));
        assert_eq!(pacer.next(Millis(9_000)), Millis(9_001));
    }
}
