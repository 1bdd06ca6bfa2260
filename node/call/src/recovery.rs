//! Taking calls over: their machines are rebuilt from their records, and what was committed but
//! perhaps not sent is sent again, paced, so that a takeover of many calls is no storm.
//!
//! The pace of a slot is half of what its calls have caused in messages lately, which its tombstones
//! tell: so new calls and resends together stay below twice the usual rate. Calls in progress come
//! first, and tombstones as young as the youngest, for which the last owner may have said nothing. The
//! others come later, the youngest first: the older one is, the more often the last owner has said the
//! same already, and at first the callers repeat what they said while there was no owner, which is
//! as much again as they usually say. Slots resend side by side, so that none waits for another's tombstones.

use std::cmp::Reverse;
use std::num::NonZeroU32;

use holdline_model::{CallId, CallRecord, Epoch, Millis, Phase, SlotId, limits};

use crate::call::Call;
use crate::nonce::mix;
use crate::{CallEngine, DropReason, Event};

/// Hands out times for the resends of one slot.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    interval_us: u64,
    /// When the next call may resend, in microseconds.
    next_us: u64,
    /// What is added once, after the first, because slots that are gained together are not to go on
    /// together.
    phase_us: u64,
}

impl Pacer {
    /// For a slot whose calls have ended as `ended` says, gained at `now`. `most` is per second.
    pub(crate) fn new(now: Millis, slot: SlotId, ended: Ended, most: NonZeroU32) -> Self {
        let usual_per_s = ended.calls.saturating_mul(MESSAGES_PER_CALL * 1_000) / ended.within_ms();
        let per_s = (usual_per_s / 2).max(LEAST_PER_S).min(u64::from(most.get()));
        let interval_us = 1_000_000 / per_s.max(1);
        let phase_us = mix(u64::from(slot.0)) % interval_us.max(1);
        Self { interval_us, next_us: now.plus_ms(1).0.saturating_mul(1_000), phase_us }
    }

    /// When the next call may resend.
    pub(crate) fn next(&mut self) -> Millis {
        let at_us = self.next_us;
        let phase_us = std::mem::take(&mut self.phase_us);
        self.next_us = at_us.saturating_add(self.interval_us).saturating_add(phase_us);
        Millis(at_us / 1_000)
    }
}

/// What a slot's tombstones tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    calls: u64,
    oldest: Option<Millis>,
    youngest: Option<Millis>,
}

impl Ended {
    fn of<'a>(records: impl IntoIterator<Item = &'a CallRecord>) -> Self {
        let mut all = Self::default();
        for at in records.into_iter().filter_map(|record| Some(record.end.as_ref()?.at)) {
            all.calls += 1;
            all.oldest = Some(all.oldest.map_or(at, |oldest| oldest.min(at)));
            all.youngest = all.youngest.max(Some(at));
        }
        all
    }

    /// The time in which they ended. Tombstones do not say how long there have been calls at all.
    fn within_ms(self) -> u64 {
        let span = self.oldest.zip(self.youngest).map(|(oldest, youngest)| youngest.since(oldest));
        span.unwrap_or_default().clamp(LEAST_SPAN_MS, limits::TOMBSTONE_MS)
    }
}

/// Calls that ended within a shorter time say nothing about the usual rate.
const LEAST_SPAN_MS: u64 = 2_000;

/// What an ordinary call has us send, answers included: 100, INVITE, 180, 200, ACK, BYE, 200.
const MESSAGES_PER_CALL: u64 = 7;

/// A slot without tombstones may resend as much, per second.
const LEAST_PER_S: u64 = 25;

/// Tombstones that are older than the youngest by more than this were seen to by the last owner: longer than
/// it takes from the commit to the message, also on a busy node.
const YOUNG_MS: u64 = 200;

/// How long the resends of older tombstones wait: a message without an answer is repeated after 500 and
/// 1,500 ms (RFC 3261, section 17.1.2.2).
const OLDER_AFTER_MS: u64 = 2_000;

impl CallEngine {
    /// Rebuilds those calls of a slot that are not known yet.
    pub(crate) fn recover(
        &mut self,
        now: Millis,
        slot: SlotId,
        epoch: Epoch,
        mut records: Vec<CallRecord>,
    ) {
        records.retain(|record| !self.calls.contains_key(&record.call) && !is_swept(record, now));
        records.sort_by_key(turn);
        let ended = Ended::of(&records);
        let pacer = |from| Pacer::new(from, slot, ended, self.options.recovery_rate);
        let (mut first, mut later) = (pacer(now), pacer(now.plus_ms(OLDER_AFTER_MS)));
        for record in records {
            let id = record.call;
            let resend_at = match record.phase {
                Phase::Confirmed if has_nothing_to_resend(&record) => now,
                Phase::Finished if is_older(&record, ended.youngest) => later.next(),
                Phase::Inviting | Phase::Answered | Phase::Confirmed | Phase::Finished => {
                    first.next()
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

/// The order in which calls resend: those in progress, then tombstones from the youngest on. Within,
/// an order of its own for each call, so that neighbours in the table do not resend together.
fn turn(record: &CallRecord) -> (Option<Reverse<Millis>>, u64, CallId) {
    let ended = record.end.as_ref().map(|end| Reverse(end.at));
    (ended, mix(record.call.nonce), record.call)
}

/// A confirmed call owes nobody anything, unless the callee's ACK carries the caller's SDP, or a
/// change of the session is under way.
fn has_nothing_to_resend(record: &CallRecord) -> bool {
    let reinvite = record.session.as_ref().and_then(|state| state.reinvite.as_ref());
    record.losers().is_empty()
        && record.answer.as_ref().is_none_or(|answer| answer.ack.is_empty())
        && reinvite.is_none_or(|reinvite| reinvite.acked && reinvite.ack.is_empty())
}

/// Whether a tombstone is clearly older than the youngest.
fn is_older(record: &CallRecord, youngest: Option<Millis>) -> bool {
    let ended = record.end.as_ref().map(|end| end.at.plus_ms(YOUNG_MS));
    ended.is_some_and(|ended| youngest.is_some_and(|youngest| ended < youngest))
}

/// Whether a tombstone's time is over.
fn is_swept(record: &CallRecord, now: Millis) -> bool {
    record.end.as_ref().is_some_and(|end| end.at.plus_ms(limits::TOMBSTONE_MS) <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(calls: u64, within_ms: u64) -> Ended {
        Ended { calls, oldest: Some(Millis(50)), youngest: Some(Millis(50 + within_ms)) }
    }

    fn times(ended: Ended, most: u32, count: usize) -> Vec<u64> {
        let most = NonZeroU32::new(most).unwrap();
        let mut pacer = Pacer::new(Millis(1_000), SlotId(3), ended, most);
        (0..count).map(|_| pacer.next().0).collect()
    }

    #[test]
    fn a_slot_resends_at_half_the_rate_of_messages_that_its_calls_have_caused() {
        // 10 calls/s make 70 messages/s.
        for (calls, within_ms) in [(320, 32_000), (100, 10_000), (20, 500)] {
            let times = times(ended(calls, within_ms), 2_000, 37);
            assert_eq!(times[0], 1_001);
            assert_eq!(times[36] - times[1], 1_000, "35 in a second");
        }
    }

    #[test]
    fn a_slot_without_tombstones_may_resend_a_little_and_none_more_than_the_most() {
        let span = |times: Vec<u64>| times.last().unwrap() - times[1];
        assert_eq!(span(times(Ended::default(), 2_000, 27)), 1_000);
        assert_eq!(span(times(ended(1_000_000, 32_000), 2_000, 2_002)), 1_000);
        assert_eq!(span(times(Ended::default(), 10, 12)), 1_000);
    }
}
