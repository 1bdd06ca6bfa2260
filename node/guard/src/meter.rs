//! How often something may happen: the generic cell rate algorithm (ITU-T I.371), one number per
//! key. No division and no float on the way.

/// So many per second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time that one takes up.
    period_ns: u64,
    /// How far ahead of an even pace one may be.
    ahead_ns: u64,
}

impl Rate {
    /// `per_second` on average, `burst` at once. Both count as at least 1.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        let burst = if burst == 0 { 1 } else { burst };
        Self::every(SECOND_NS / per_second as u64, burst)
    }

    /// `per_minute` on average, `burst` at once. Both count as at least 1.
    #[must_use]
    pub const fn per_minute(per_minute: u32, burst: u32) -> Self {
        let per_minute = if per_minute == 0 { 1 } else { per_minute };
        let burst = if burst == 0 { 1 } else { burst };
        Self::every(60 * SECOND_NS / per_minute as u64, burst)
    }

    const fn every(period_ns: u64, burst: u32) -> Self {
        let period_ns = if period_ns == 0 { 1 } else { period_ns };
        Self { period_ns, ahead_ns: period_ns.saturating_mul((burst - 1) as u64) }
    }
}

/// When the next one would be on time. A new meter is idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    due_ns: u64,
}

impl Meter {
    /// Takes one, if the rate allows it now.
    pub const fn take(&mut self, now_ns: u64, rate: Rate) -> bool {
        let due_ns = if self.due_ns > now_ns { self.due_ns } else { now_ns };
        if due_ns - now_ns > rate.ahead_ns {
            return false;
        }
        self.due_ns = due_ns.saturating_add(rate.period_ns);
        true
    }

    /// Whether the past no longer counts: it is as a new one would be.
    #[must_use]
    pub const fn is_idle(&self, now_ns: u64) -> bool {
        self.due_ns <= now_ns
    }
}

const SECOND_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_then_an_even_pace() {
        let rate = Rate::new(10, 3);
        let mut meter = Meter::default();
        let taken: Vec<bool> = (0..5).map(|_| meter.take(SECOND_NS, rate)).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert!(!meter.take(SECOND_NS + 99_999_999, rate));
        assert!(meter.take(SECOND_NS + 100_000_000, rate));
        assert!(!meter.is_idle(SECOND_NS + 300_000_000));
        assert!(meter.is_idle(SECOND_NS + 400_000_000));
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_rate_and_burst(
            per_second in 1_u32..2_000,
            burst in 1_u32..50,
            steps in prop::collection::vec(0_u64..20_000_000, 1..400),
        ) {
            let rate = Rate::new(per_second, burst);
            let mut meter = Meter::default();
            let mut now = 0;
            let mut taken = Vec::new();
            for step in steps {
                now += step;
                if meter.take(now, rate) {
                    taken.push(now);
                }
            }
            let period = SECOND_NS / u64::from(per_second);
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let count = (last - first + 1) as u64;
                    prop_assert!(count <= (to - from) / period + u64::from(burst) + 1);
                }
            }
        }
    }
}
