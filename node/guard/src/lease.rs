//! Leased tokens: a slice of a bucket that the cluster keeps is taken by this node at once, through
//! consensus, and spent here one by one without asking anybody.
//!
//! The bucket was charged when the slice was leased. So nothing is ever spent twice, and a node
//! that dies has spent its slice as far as the bucket is concerned. A slice is good for a short
//! time only: what is not spent by then is gone (under-use, which is counted), because tokens kept for
//! long and spent at once would be a burst that the bucket never allowed.
//!
//! Invariant: never more is taken than was granted.
//! Invariant: over any time, taken ≤ what the bucket gave out in that time and one slice's life
//! before it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where leased tokens are. Clones do not exist: share it. Taking is wait-free but for those who
/// take at the same moment.
#[derive(Debug, Default)]
pub struct Purse {
    /// Each: until when it is good, in milliseconds of the node's clock (upper 40 bits), and how
    /// many are left (lower 24 bits).
    slices: [AtomicU64; SLICES],
    taken: AtomicU64,
    refused: AtomicU64,
    granted: AtomicU64,
    expired: AtomicU64,
}

/// How many tokens so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurseCounts {
    /// Leased from the cluster.
    pub granted: u64,
    /// Spent.
    pub taken: u64,
    /// Leased, but not spent in time: the under-use.
    pub expired: u64,
    /// Asked for when there were none.
    pub refused: u64,
    /// Left.
    pub left: u64,
}

impl Purse {
    /// An empty purse.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `cost` tokens if one slice has so many.
    pub fn take(&self, now_ns: u64, cost: u32) -> bool {
        let (now_ms, cost) = (now_ns / MS, u64::from(cost));
        let spend = |slice: u64| {
            let (until_ms, left) = (slice >> TOKEN_BITS, slice & MAX_TOKENS);
            (until_ms > now_ms && left >= cost).then(|| slice - cost)
        };
        let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        let taken = self.slices.iter().any(|slice| slice.fetch_update(done, seen, spend).is_ok());
        if taken {
            self.taken.fetch_add(cost, Ordering::Relaxed);
        } else {
            self.refused.fetch_add(cost, Ordering::Relaxed);
        }
        taken
    }

    /// A slice was leased, good until `until_ns`. More than fits is lost, and counts as expired.
    pub fn grant(&self, now_ns: u64, tokens: u32, until_ns: u64) {
        self.expire(now_ns);
        self.granted.fetch_add(u64::from(tokens), Ordering::Relaxed);
        let tokens = u64::from(tokens);
        let kept = tokens.min(MAX_TOKENS);
        let slice = (until_ns / MS).min(MAX_MS) << TOKEN_BITS | kept;
        let is_free = |old: u64| (old & MAX_TOKENS == 0).then_some(slice);
        let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        let placed = self.slices.iter().any(|old| old.fetch_update(done, seen, is_free).is_ok());
        let lost = if placed { tokens - kept } else { tokens };
        self.expired.fetch_add(lost, Ordering::Relaxed);
    }

    /// Writes off what is not good any more. Called now and then; taking does not depend on it.
    pub fn expire(&self, now_ns: u64) {
        let now_ms = now_ns / MS;
        for slice in &self.slices {
            let over = |slice: u64| (slice != 0 && slice >> TOKEN_BITS <= now_ms).then_some(0);
            let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
            if let Ok(old) = slice.fetch_update(done, seen, over) {
                self.expired.fetch_add(old & MAX_TOKENS, Ordering::Relaxed);
            }
        }
    }

    /// How many so far.
    #[must_use]
    pub fn counts(&self) -> PurseCounts {
        let left = self.slices.iter().map(|slice| slice.load(Ordering::Relaxed) & MAX_TOKENS).sum();
        PurseCounts {
            granted: self.granted.load(Ordering::Relaxed),
            taken: self.taken.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            left,
        }
    }
}

/// How large a slice is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandOptions {
    /// For how long a slice is to last.
    pub horizon_ns: u64,
    /// At least so many, so that the first ones need not wait.
    pub min_tokens: u32,
    /// At most so many.
    pub max_tokens: u32,
    /// Without demand for so long, nothing is leased any more.
    pub idle_ns: u64,
}

impl Default for DemandOptions {
    fn default() -> Self {
        Self { horizon_ns: 300_000_000, min_tokens: 8, max_tokens: 100_000, idle_ns: 5_000_000_000 }
    }
}

/// Follows the demand for tokens and says how many to lease next.
#[derive(Clone, Debug)]
pub struct Demand {
    options: DemandOptions,
    /// Tokens asked for per second lately, in thousandths.
    rate_milli: u64,
    last: Option<(u64, u64)>,
    asked_at_ns: Option<u64>,
}

impl Demand {
    /// Nothing was asked for yet.
    #[must_use]
    pub const fn new(options: DemandOptions) -> Self {
        Self { options, rate_milli: 0, last: None, asked_at_ns: None }
    }

    /// How many tokens to lease now; `None`: enough are left, or nobody wants any. To be asked
    /// several times per horizon.
    pub fn wanted(&mut self, now_ns: u64, counts: PurseCounts) -> Option<u32> {
        let asked = counts.taken.saturating_add(counts.refused);
        let (before_ns, before) = *self.last.get_or_insert((now_ns, asked));
        let span_ns = now_ns.saturating_sub(before_ns);
        if span_ns > 0 {
            let new = asked.saturating_sub(before);
            let rate = u128::from(new) * 1_000_000_000_000 / u128::from(span_ns);
            let rate = u64::try_from(rate).unwrap_or(u64::MAX);
            // Follows a rise at once and a fall slowly.
            self.rate_milli =
                rate.max((self.rate_milli.saturating_mul(7) / 8).saturating_add(rate / 8));
            self.last = Some((now_ns, asked));
            if new > 0 {
                self.asked_at_ns = Some(now_ns);
            }
        } else if asked > 0 && self.asked_at_ns.is_none() {
            self.asked_at_ns = Some(now_ns);
        }
        let asked_at = self.asked_at_ns?;
        if now_ns.saturating_sub(asked_at) >= self.options.idle_ns {
            return None;
        }
        let horizon = u128::from(self.rate_milli) * u128::from(self.options.horizon_ns);
        let need = u64::try_from(horizon / 1_000_000_000_000).unwrap_or(u64::MAX);
        let need = need.max(u64::from(self.options.min_tokens));
        // Half used up: the next one is on its way before the rest is gone.
        if counts.left > need / 2 {
            return None;
        }
        let missing = need.saturating_sub(counts.left).min(u64::from(self.options.max_tokens));
        u32::try_from(missing).ok().filter(|tokens| *tokens > 0)
    }
}

/// Slices at the same time: what is left of the last one, the current one, and those on their way.
const SLICES: usize = 4;

const TOKEN_BITS: u32 = 24;
const MAX_TOKENS: u64 = (1 << TOKEN_BITS) - 1;
const MAX_MS: u64 = (1 << (64 - TOKEN_BITS)) - 1;
const MS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_granted_can_be_spent_once_and_in_time() {
        let purse = Purse::new();
        assert!(!purse.take(0, 1));
        purse.grant(0, 3, 100 * MS);
        assert!(purse.take(MS, 2));
        assert!(!purse.take(MS, 2), "one is left");
        assert!(purse.take(99 * MS, 1));
        assert!(!purse.take(99 * MS, 1));
        purse.grant(99 * MS, 5, 200 * MS);
        assert!(!purse.take(200 * MS, 1), "it is over");
        purse.expire(200 * MS);
        let counts = purse.counts();
        assert_eq!((counts.granted, counts.taken, counts.expired, counts.left), (8, 3, 5, 0));
        assert_eq!(counts.refused, 5);
    }

    #[test]
    fn a_slice_too_many_is_written_off() {
        let purse = Purse::new();
        for _ in 0..5 {
            purse.grant(0, 10, 100 * MS);
        }
        assert_eq!(purse.counts().left, 40);
        assert_eq!(purse.counts().expired, 10);
    }

    #[test]
    fn threads_never_spend_more_than_was_granted() {
        let purse = Purse::new();
        purse.grant(0, 10_000, 100 * MS);
        let taken: usize = std::thread::scope(|scope| {
            let spend = || scope.spawn(|| (0..5_000).filter(|_| purse.take(MS, 1)).count());
            let threads: Vec<_> = (0..4).map(|_| spend()).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 10_000);
        assert_eq!(purse.counts().refused, 10_000);
    }

    #[test]
    fn slices_follow_the_demand() {
        let purse = Purse::new();
        let mut demand = Demand::new(DemandOptions::default());
        assert_eq!(demand.wanted(0, purse.counts()), None, "nobody asked");
        purse.take(0, 1);
        assert_eq!(demand.wanted(50 * MS, purse.counts()), Some(8), "the least");
        let mut now = 50 * MS;
        let mut largest = 0;
        // 1,000 a second, with a lease that takes 10 ms.
        for _ in 0..200 {
            for _ in 0..10 {
                now += MS;
                purse.take(now, 1);
            }
            if let Some(tokens) = demand.wanted(now, purse.counts()) {
                largest = largest.max(tokens);
                purse.grant(now, tokens, now + 1_000 * MS);
            }
        }
        assert!((150..=330).contains(&largest), "{largest} for 300 ms at 1,000 a second");
        let counts = purse.counts();
        assert!(counts.refused < 50, "{counts:?}");
        now += 5_000 * MS;
        purse.expire(now);
        assert_eq!(demand.wanted(now, purse.counts()), None, "nobody asks any more");
        let counts = purse.counts();
        assert_eq!(counts.granted, counts.taken + counts.expired + counts.left);
    }

    proptest! {
        #[test]
        fn the_books_are_true(
            steps in prop::collection::vec((0_u64..300, 0_u32..3, 1_u32..40), 1..200),
        ) {
            let purse = Purse::new();
            let mut now = 0;
            let (mut granted, mut taken) = (0_u64, 0_u64);
            for (ms, what, tokens) in steps {
                now += ms * MS;
                if what == 0 {
                    purse.grant(now, tokens, now + 500 * MS);
                    granted += u64::from(tokens);
                } else if purse.take(now, tokens) {
                    taken += u64::from(tokens);
                }
                let counts = purse.counts();
                prop_assert_eq!((counts.granted, counts.taken), (granted, taken));
                prop_assert_eq!(counts.granted, counts.taken + counts.expired + counts.left);
            }
        }
    }
}
