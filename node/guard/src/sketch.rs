//! A count-min sketch with conservative update (Cormode and Muthukrishnan 2005; Estan and Varghese
//! 2002).
//!
//! Invariant: an estimate is never below the true count.
//! Invariant: with `width` w and N observations, an estimate exceeds the true count by more than
//! e·N/w with a probability of at most e^-[`DEPTH`] (1.8 %); conservative update only lowers it.

/// Rows, each with a hash of its own.
pub(crate) const DEPTH: usize = 4;

/// Counts of keys, by their hash, in bounded room.
#[derive(Clone, Debug)]
pub struct CountMin {
    mask: usize,
    rows: [Box<[u32]>; DEPTH],
    total: u64,
}

impl CountMin {
    /// A sketch with `width` counters per row, rounded up to a power of two.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let width = width.clamp(2, MAX_WIDTH).next_power_of_two();
        let rows = std::array::from_fn(|_| vec![0; width].into_boxed_slice());
        Self { mask: width - 1, rows, total: 0 }
    }

    /// Counts one observation of a key; its new estimate.
    pub fn observe(&mut self, hash: u64) -> u32 {
        self.total = self.total.saturating_add(1);
        let places = self.places(hash);
        let raised = self.lowest(&places).saturating_add(1);
        for (row, place) in self.rows.iter_mut().zip(places) {
            if let Some(counter) = row.get_mut(place) {
                *counter = raised.max(*counter);
            }
        }
        raised
    }

    /// How often a key was observed, or a little more.
    #[must_use]
    pub fn estimate(&self, hash: u64) -> u32 {
        self.lowest(&self.places(hash))
    }

    /// How many observations were counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// By how much an estimate may be too high, but for one in fifty: e·N/w, rounded up.
    #[must_use]
    pub fn error(&self) -> u64 {
        let width = u64::try_from(self.mask).unwrap_or(u64::MAX).saturating_add(1);
        // e is below 2.7183.
        self.total.saturating_mul(27_183).div_ceil(width.saturating_mul(10_000))
    }

    /// Forgets everything; keeps its room.
    pub fn clear(&mut self) {
        self.rows.iter_mut().for_each(|row| row.fill(0));
        self.total = 0;
    }

    fn lowest(&self, places: &[usize; DEPTH]) -> u32 {
        let counters = self.rows.iter().zip(places).filter_map(|(row, place)| row.get(*place));
        counters.copied().min().unwrap_or(0)
    }

    /// Double hashing: row i looks at the first half of the hash plus i times the second.
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a hash are wanted")]
    fn places(&self, hash: u64) -> [usize; DEPTH] {
        let (first, step) = (hash as u32, (hash >> 32) as u32 | 1);
        let mut place = first;
        std::array::from_fn(|_| {
            let found = place as usize & self.mask;
            place = place.wrapping_add(step);
            found
        })
    }
}

/// 4 rows of so many counters are 16 MiB.
const MAX_WIDTH: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Seed;

    proptest! {
        #[test]
        fn estimates_are_never_too_low_and_seldom_too_high(
            seed in any::<u64>(),
            keys in prop::collection::vec(0_u32..2_000, 1..4_000),
        ) {
            let seed = Seed::new(seed);
            let mut sketch = CountMin::new(256);
            let mut exact = BTreeMap::<u32, u64>::new();
            for key in &keys {
                sketch.observe(seed.hash(key));
                *exact.entry(*key).or_default() += 1;
            }
            prop_assert_eq!(sketch.total(), keys.len() as u64);
            let mut beyond = 0;
            for (key, count) in &exact {
                let estimate = u64::from(sketch.estimate(seed.hash(key)));
                prop_assert!(estimate >= *count, "{} counted as {}", count, estimate);
                beyond += usize::from(estimate > count + sketch.error());
            }
            // 1.8 % are expected at most; five times that would be a fault of the hashing.
            prop_assert!(beyond * 11 <= exact.len() + 44, "{} of {}", beyond, exact.len());
        }
    }

    #[test]
    fn a_heavy_key_among_many_light_ones_is_counted_within_the_bound() {
        let seed = Seed::new(7);
        let mut sketch = CountMin::new(4096);
        for light in 0..100_000_u32 {
            sketch.observe(seed.hash(&light));
            if light % 10 == 0 {
                sketch.observe(seed.hash("heavy"));
            }
        }
        let estimate = u64::from(sketch.estimate(seed.hash("heavy")));
        assert!((10_000..=10_000 + sketch.error()).contains(&estimate), "{estimate}");
        assert_eq!(sketch.error(), 74);
        sketch.clear();
        assert_eq!((sketch.estimate(seed.hash("heavy")), sketch.total()), (0, 0));
    }
}
