//! The calls that were written last, decoded: a call's commands come close together, and each of
//! them begins with the record that the one before has left.
//!
//! Two generations: what is written goes into the young one; when that is full it becomes the old
//! one, and what the old one still held is let go. A call that is asked for is taken out, because
//! whoever asks is about to write it again.
//!
//! Invariant: what it holds equals the stored record as of the last written batch.

use std::collections::HashMap;
use std::mem;

use holdline_model::{CallId, CallRecord, Phase};

/// Calls of one generation, at most: with both, some 16,000 calls of two to three KiB.
const GENERATION: usize = 8_192;

/// Records by call.
#[derive(Debug, Default)]
pub(super) struct Recent {
    young: HashMap<CallId, Box<CallRecord>>,
    old: HashMap<CallId, Box<CallRecord>>,
}

impl Recent {
    /// Takes a call's record out, if it is here.
    pub(super) fn take(&mut self, call: CallId) -> Option<Box<CallRecord>> {
        self.young.remove(&call).or_else(|| self.old.remove(&call))
    }

    /// Notes what was written for a call; `None` if it was deleted. A finished call is not kept:
    /// nothing but its sweep asks for it, half a minute later.
    pub(super) fn written(&mut self, call: CallId, record: Option<Box<CallRecord>>) {
        self.old.remove(&call);
        let Some(record) = record.filter(|record| record.phase != Phase::Finished) else {
            self.young.remove(&call);
            return;
        };
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(call, record);
    }

    /// Forgets all: the state was replaced.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::samples::{call, call_id};

    fn record(nonce: u64, phase: Phase) -> Option<Box<CallRecord>> {
        Some(Box::new(call(call_id(1, nonce), phase)))
    }

    #[test]
    fn a_record_is_there_once() {
        let (mut recent, id) = (Recent::default(), call_id(1, 7));
        recent.written(id, record(7, Phase::Answered));
        assert_eq!(recent.take(id), record(7, Phase::Answered));
        assert_eq!(recent.take(id), None);
    }

    #[test]
    fn a_finished_or_deleted_call_is_gone() {
        let (mut recent, id) = (Recent::default(), call_id(1, 7));
        recent.written(id, record(7, Phase::Answered));
        recent.written(id, record(7, Phase::Finished));
        assert_eq!(recent.take(id), None);
        recent.written(id, record(7, Phase::Answered));
        recent.written(id, None);
        assert_eq!(recent.take(id), None);
    }

    #[test]
    fn the_newest_record_wins_over_both_generations() {
        let (mut recent, id) = (Recent::default(), call_id(1, 7));
        recent.written(id, record(7, Phase::Inviting));
        for nonce in 100..100 + GENERATION as u64 {
            recent.written(call_id(1, nonce), record(nonce, Phase::Inviting));
        }
        assert!(recent.old.contains_key(&id), "it has become old");
        recent.written(id, record(7, Phase::Confirmed));
        assert_eq!(recent.take(id), record(7, Phase::Confirmed));
        assert_eq!(recent.take(id), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut recent = Recent::default();
        for nonce in 0..3 * GENERATION as u64 {
            recent.written(call_id(1, nonce), record(nonce, Phase::Inviting));
            assert!(recent.young.len() <= GENERATION && recent.old.len() <= GENERATION);
        }
        assert_eq!(recent.take(call_id(1, 0)), None, "the oldest are gone");
    }
}
