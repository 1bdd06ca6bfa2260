//! A token bucket by itself: what each value of an `each` has.
//!
//! It remembers what is missing, not what is there: a full bucket is nothing at all, and an absent
//! one is full. A leaky bucket is the same thing seen from the other side: what is missing here is
//! what is in there.
//!
//! Invariant: over any window, what was taken is at most rate × time + size.

use serde::{Deserialize, Serialize};

/// Rate and size of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Billionths of a token per millisecond.
    pub rate: u64,
    /// What it holds, in billionths of a token: the burst, and the debt that is allowed.
    pub size: u64,
}

/// What is missing from a bucket, and when that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Billionths of a token.
    pub missing: u64,
    /// By the limits' clock.
    pub at_ms: u64,
}

impl Bucket {
    /// Lets time pass.
    pub const fn fill(&mut self, now_ms: u64, shape: Shape) {
        let passed = now_ms.saturating_sub(self.at_ms);
        self.missing = self.missing.saturating_sub(shape.rate.saturating_mul(passed));
        self.at_ms = now_ms;
    }

    /// Whether it is full, and need not be remembered.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.missing == 0
    }

    /// What can be taken.
    #[must_use]
    pub const fn level(&self, shape: Shape) -> u64 {
        shape.size.saturating_sub(self.missing)
    }

    /// How long until `amount` can be taken, in milliseconds; 0 if it can be now.
    #[must_use]
    pub const fn wait_ms(&self, amount: u64, shape: Shape) -> u64 {
        wait_ms(amount.saturating_sub(self.level(shape)), shape.rate)
    }

    /// Takes what was found to be there.
    pub const fn take(&mut self, amount: u64) {
        self.missing = self.missing.saturating_add(amount);
    }

    /// When it will be full, by the limits' clock.
    #[must_use]
    pub const fn full_at_ms(&self, shape: Shape) -> u64 {
        self.at_ms.saturating_add(wait_ms(self.missing, shape.rate))
    }
}

/// How long a rate takes for an amount, in milliseconds, rounded up.
pub(crate) const fn wait_ms(amount: u64, rate: u64) -> u64 {
    if rate == 0 {
        return if amount == 0 { 0 } else { u64::MAX };
    }
    amount.div_ceil(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { rate: 3, size: 100 };

    #[test]
    fn it_holds_its_size_and_fills_at_its_rate() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.level(SHAPE), 100);
        bucket.take(100);
        assert_eq!(bucket.wait_ms(10, SHAPE), 4, "rounded up");
        bucket.fill(4, SHAPE);
        assert_eq!(bucket.level(SHAPE), 12);
        assert_eq!(bucket.full_at_ms(SHAPE), 4 + 30);
        bucket.fill(34, SHAPE);
        assert!(bucket.is_full());
        assert_eq!(bucket.level(SHAPE), 100, "no more than its size");
    }

    #[test]
    fn a_rate_of_nothing_never_fills() {
        let shape = Shape { rate: 0, size: 10 };
        let bucket = Bucket { missing: 10, at_ms: 0 };
        assert_eq!(bucket.wait_ms(1, shape), u64::MAX);
    }
}
