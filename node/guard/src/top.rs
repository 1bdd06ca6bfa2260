//! Heavy hitters: which keys came most often lately.
//!
//! A sketch counts every key; a bounded set of candidates remembers the texts of those with the
//! highest estimates. The set is so small that a scan of its hashes is faster than a heap with an
//! index would be. Time is cut into panes: what is reported covers the pane before and the current
//! one, so between one and two panes.
//!
//! Invariant: a key that came more often than [`Top::error`] plus the least of the candidates'
//! counts within the current pane is among the candidates.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;

use crate::{CountMin, Seed};

/// How large the table is, and how far it looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopOptions {
    /// Counters per row of the sketch.
    pub width: usize,
    /// Keys that are remembered.
    pub candidates: usize,
    /// How long a pane is.
    pub pane_ns: u64,
}

impl Default for TopOptions {
    /// 64 KiB a pane; half a minute to a minute.
    fn default() -> Self {
        Self { width: 4096, candidates: 64, pane_ns: 30_000_000_000 }
    }
}

/// One key and how often it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heavy<K> {
    /// The key.
    pub key: K,
    /// How often, at most.
    pub count: u64,
}

/// The heavy hitters among keys of one kind.
#[derive(Clone, Debug)]
pub struct Top<K> {
    options: TopOptions,
    seed: Seed,
    now: Pane<K>,
    before: Pane<K>,
    pane: u64,
}

#[derive(Clone, Debug)]
struct Pane<K> {
    sketch: CountMin,
    /// Of the candidates; parallel to `counts` and `keys`.
    hashes: Vec<u64>,
    counts: Vec<u32>,
    keys: Vec<K>,
    /// Where the smallest count stands once there is no room.
    least: usize,
}

impl<K: Clone + Eq + Hash + Ord> Top<K> {
    /// An empty table.
    #[must_use]
    pub fn new(options: TopOptions, seed: Seed) -> Self {
        let pane = Pane::new(options);
        Self { options, seed, before: pane.clone(), now: pane, pane: 0 }
    }

    /// Counts one observation. `own` makes the key that is remembered, which is seldom needed.
    pub fn observe<Q>(&mut self, now_ns: u64, key: &Q, own: impl FnOnce(&Q) -> K)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.turn(now_ns);
        let hash = self.seed.hash(key);
        let count = self.now.sketch.observe(hash);
        self.now.remember(self.options.candidates, hash, count, || own(key));
    }

    /// The `limit` keys that came most often, the first most; and over how long they were counted.
    pub fn heaviest(&mut self, now_ns: u64, limit: usize) -> (Vec<Heavy<K>>, u64) {
        self.turn(now_ns);
        let mut counts = BTreeMap::new();
        for pane in [&self.now, &self.before] {
            for (hash, key) in pane.hashes.iter().zip(&pane.keys) {
                let count = self.now.sketch.estimate(*hash);
                let before = self.before.sketch.estimate(*hash);
                counts.insert(key, u64::from(count) + u64::from(before));
            }
        }
        let list = counts.into_iter().map(|(key, count)| Heavy { key: key.clone(), count });
        let pane_ns = self.options.pane_ns.max(1);
        // The first pane has none before it.
        let panes_before = u64::from(self.before.sketch.total() > 0);
        (first(list.collect(), limit), now_ns % pane_ns + panes_before * pane_ns)
    }

    /// How many observations are in what [`Top::heaviest`] reports.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.now.sketch.total().saturating_add(self.before.sketch.total())
    }

    /// By how much a count may be too high, but for one in fifty.
    #[must_use]
    pub fn error(&self) -> u64 {
        self.now.sketch.error().saturating_add(self.before.sketch.error())
    }

    fn turn(&mut self, now_ns: u64) {
        let pane = now_ns / self.options.pane_ns.max(1);
        let passed = pane.saturating_sub(self.pane);
        if passed == 0 {
            return;
        }
        self.pane = pane;
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        if passed > 1 {
            self.before.clear();
        }
    }
}

impl<K> Pane<K> {
    fn new(options: TopOptions) -> Self {
        Self {
            sketch: CountMin::new(options.width),
            hashes: Vec::with_capacity(options.candidates),
            counts: Vec::with_capacity(options.candidates),
            keys: Vec::with_capacity(options.candidates),
            least: 0,
        }
    }

    fn remember(&mut self, room: usize, hash: u64, count: u32, own: impl FnOnce() -> K) {
        if let Some(at) = self.hashes.iter().position(|known| *known == hash) {
            if let Some(known) = self.counts.get_mut(at) {
                *known = count;
            }
            if at == self.least {
                self.find_least();
            }
        } else if self.hashes.len() < room {
            self.hashes.push(hash);
            self.counts.push(count);
            self.keys.push(own());
            self.find_least();
        } else if let (Some(least), Some(least_hash), Some(least_key)) = (
            self.counts.get_mut(self.least),
            self.hashes.get_mut(self.least),
            self.keys.get_mut(self.least),
        ) && *least < count
        {
            (*least, *least_hash, *least_key) = (count, hash, own());
            self.find_least();
        }
    }

    fn find_least(&mut self) {
        let least = self.counts.iter().enumerate().min_by_key(|(_, count)| **count);
        self.least = least.map_or(0, |(at, _)| at);
    }

    fn clear(&mut self) {
        self.sketch.clear();
        self.hashes.clear();
        self.counts.clear();
        self.keys.clear();
        self.least = 0;
    }
}

/// Adds up what several nodes counted; the `limit` heaviest, the first most.
#[must_use]
pub fn merge<K: Ord>(lists: impl IntoIterator<Item = Heavy<K>>, limit: usize) -> Vec<Heavy<K>> {
    let mut counts = BTreeMap::<K, u64>::new();
    for Heavy { key, count } in lists {
        let sum = counts.entry(key).or_default();
        *sum = sum.saturating_add(count);
    }
    first(counts.into_iter().map(|(key, count)| Heavy { key, count }).collect(), limit)
}

/// Ties go by key, so that a list shown twice looks the same.
fn first<K: Ord>(mut list: Vec<Heavy<K>>, limit: usize) -> Vec<Heavy<K>> {
    list.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    list.truncate(limit);
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn top() -> Top<String> {
        Top::new(TopOptions { width: 1024, candidates: 16, pane_ns: 10 * SECOND }, Seed::new(3))
    }

    fn names(list: &[Heavy<String>]) -> Vec<(&str, u64)> {
        list.iter().map(|heavy| (heavy.key.as_str(), heavy.count)).collect()
    }

    #[test]
    fn the_heaviest_come_first_among_many_light_ones() {
        let mut top = top();
        for n in 0..5_000_u64 {
            top.observe(n, format!("light-{n}").as_str(), str::to_owned);
            if n % 5 == 0 {
                top.observe(n, "heavy", str::to_owned);
            }
            if n % 10 == 0 {
                top.observe(n, "half", str::to_owned);
            }
        }
        let error = top.error();
        let (list, over_ns) = top.heaviest(2 * SECOND, 2);
        assert_eq!((list[0].key.as_str(), list[1].key.as_str()), ("heavy", "half"));
        assert!((1_000..=1_000 + error).contains(&list[0].count), "{list:?} ± {error}");
        assert!((500..=500 + error).contains(&list[1].count), "{list:?} ± {error}");
        assert_eq!(over_ns, 2 * SECOND);
    }

    #[test]
    fn what_is_two_panes_old_is_forgotten() {
        let mut top = top();
        top.observe(SECOND, "old", str::to_owned);
        top.observe(11 * SECOND, "new", str::to_owned);
        assert_eq!(names(&top.heaviest(12 * SECOND, 9).0), [("new", 1), ("old", 1)]);
        assert_eq!(top.heaviest(12 * SECOND, 9).1, 12 * SECOND);
        assert_eq!(names(&top.heaviest(21 * SECOND, 9).0), [("new", 1)]);
        assert_eq!(names(&top.heaviest(60 * SECOND, 9).0), []);
    }

    #[test]
    fn lists_of_several_nodes_add_up() {
        let heavy = |key: &str, count| Heavy { key: key.to_owned(), count };
        let merged = merge([heavy("a", 3), heavy("b", 5), heavy("a", 4), heavy("c", 5)], 2);
        assert_eq!(names(&merged), [("a", 7), ("b", 5)]);
    }

    proptest! {
        #[test]
        fn whoever_has_more_than_the_bound_is_found(
            seed in any::<u64>(),
            order in prop::collection::vec(0_u8..200, 500..3_000),
        ) {
            let options = TopOptions { width: 512, candidates: 16, pane_ns: u64::MAX };
            let mut top = Top::<u8>::new(options, Seed::new(seed));
            let mut exact = [0_u64; 200];
            for (n, key) in order.iter().enumerate() {
                // Skewed: a few keys get most.
                let key = key % (1 + key % 13).pow(2).clamp(1, 199);
                top.observe(n as u64, &key, |key| *key);
                exact[usize::from(key)] += 1;
            }
            let (list, _) = top.heaviest(order.len() as u64, 16);
            let least = list.last().map_or(0, |heavy| heavy.count);
            for (key, count) in (0_u8..).zip(exact) {
                let is_listed = list.iter().any(|heavy| heavy.key == key);
                prop_assert!(
                    is_listed || count <= least + top.error(),
                    "{} came {} times, the least listed {}", key, count, least
                );
            }
        }
    }
}
