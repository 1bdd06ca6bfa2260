//! The policies: each puts trunks of the same priority in order, for one call.

use super::{HashOver, Policy};
use crate::nonce::{fnv, fnv_from, mix};

/// What a policy looks at, of one trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    /// Its place in the tier, as configured.
    pub(super) position: usize,
    pub(super) name: &'a str,
    pub(super) weight: u16,
    /// Calls it has, and was given since they were counted.
    pub(super) calls: u64,
    pub(super) latency_ms: Option<u32>,
}

/// What a policy remembers from call to call, for one tier of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// How many calls came so far.
    calls: usize,
    /// How much each trunk is owed, by its place in the tier.
    owed: Vec<i64>,
}

impl Turn {
    /// Turns that begin somewhere: engines that are given different seeds do not all begin with the
    /// same trunk.
    pub(super) fn starting(seed: u64) -> Self {
        Self { calls: usize::try_from(mix(seed) & 0xffff).unwrap_or_default(), owed: Vec::new() }
    }

    /// Puts usable trunks in order. `key` is what the policy hashes over, if it does.
    pub(super) fn order(&mut self, policy: Policy, key: &[u8], of: &mut Vec<Candidate<'_>>) {
        if of.len() < 2 {
            return;
        }
        match policy {
            Policy::InOrder => {}
            Policy::RoundRobin => self.rotate(of),
            Policy::Weighted => self.by_weight(of),
            Policy::LeastCalls => {
                self.rotate(of);
                // Compared as fractions calls / weight, without dividing.
                of.sort_by(|a, b| share(a, b).cmp(&share(b, a)));
            }
            Policy::LowestLatency => self.by_latency(of),
            Policy::Hash(HashOver::CallId | HashOver::Source | HashOver::User) => {
                of.sort_by_cached_key(|trunk| std::cmp::Reverse(score(key, trunk)));
            }
        }
    }

    fn rotate(&mut self, of: &mut [Candidate<'_>]) {
        let by = self.calls.checked_rem(of.len()).unwrap_or(0);
        self.calls = self.calls.wrapping_add(1);
        of.rotate_left(by);
    }

    /// Smooth weighted round robin: each trunk is owed its weight for every call, the one that is owed
    /// most gets it and pays what all were owed. Weights 5, 1, 1 give a a b a c a a, not a a a a a b c.
    fn by_weight(&mut self, of: &mut [Candidate<'_>]) {
        let places = of.iter().map(|trunk| trunk.position + 1).max().unwrap_or(0);
        if self.owed.len() < places {
            self.owed.resize(places, 0);
        }
        let mut total = 0;
        for trunk in of.iter() {
            let weight = i64::from(trunk.weight);
            total += weight;
            if let Some(owed) = self.owed.get_mut(trunk.position) {
                *owed += weight;
            }
        }
        let owed = |trunk: &Candidate<'_>| self.owed.get(trunk.position).copied().unwrap_or(0);
        of.sort_by_key(|trunk| std::cmp::Reverse(owed(trunk)));
        if let Some(owed) = of.first().and_then(|first| self.owed.get_mut(first.position)) {
            *owed -= total;
        }
    }

    /// The fastest first. Those that are about as fast take turns, so that noise does not send all
    /// calls to one; a trunk that was never measured counts among the fastest, so that it is.
    fn by_latency(&mut self, of: &mut [Candidate<'_>]) {
        let latency = |trunk: &Candidate<'_>| trunk.latency_ms.unwrap_or(0);
        let best = of.iter().filter_map(|trunk| trunk.latency_ms).min().unwrap_or(0);
        let about = best.saturating_add(best / ABOUT_PART).saturating_add(ABOUT_MS);
        of.sort_by_key(latency);
        let near = of.iter().take_while(|trunk| latency(trunk) <= about).count();
        if let Some(near) = of.get_mut(..near) {
            self.rotate(near);
        }
    }
}

fn share(of: &Candidate<'_>, other: &Candidate<'_>) -> u64 {
    of.calls.saturating_mul(u64::from(other.weight))
}

/// Rendezvous hashing (Thaler and Ravishankar): each trunk draws as many numbers as it has weight,
/// from the key and its own name alone; the highest wins.
fn score(key: &[u8], trunk: &Candidate<'_>) -> u64 {
    let seed = fnv_from(fnv(trunk.name.as_bytes()), key);
    (0..u64::from(trunk.weight))
        .map(|draw| mix(seed.wrapping_add(mix(draw + 1))))
        .max()
        .unwrap_or(0)
}

/// Latencies that differ by less than this part, or by so many milliseconds, are about the same.
const ABOUT_PART: u32 = 8;
const ABOUT_MS: u32 = 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn trunk(position: usize, name: &str, weight: u16) -> Candidate<'_> {
        Candidate { position, name, weight, calls: 0, latency_ms: None }
    }

    fn firsts(policy: Policy, trunks: &[Candidate<'_>], calls: usize) -> String {
        let mut turn = Turn::default();
        let mut first = |key: usize| {
            let mut of = trunks.to_vec();
            turn.order(policy, key.to_string().as_bytes(), &mut of);
            of[0].name.to_owned()
        };
        (0..calls).map(&mut first).collect()
    }

    #[test]
    fn round_robin_takes_turns_and_keeps_the_others_in_order() {
        let trunks = [trunk(0, "a", 1), trunk(1, "b", 1), trunk(2, "c", 1)];
        assert_eq!(firsts(Policy::RoundRobin, &trunks, 7), "abcabca");
        let mut of = trunks.to_vec();
        let mut turn = Turn { calls: 1, owed: Vec::new() };
        turn.order(Policy::RoundRobin, b"", &mut of);
        assert_eq!(of.iter().map(|trunk| trunk.name).collect::<String>(), "bca");
    }

    #[test]
    fn weights_are_interleaved_smoothly() {
        let trunks = [trunk(0, "a", 5), trunk(1, "b", 1), trunk(2, "c", 1)];
        assert_eq!(firsts(Policy::Weighted, &trunks, 14), "aabacaaaabacaa");
    }

    #[test]
    fn weights_hold_among_those_that_are_left() {
        let trunks = [trunk(0, "a", 5), trunk(2, "c", 1)];
        let firsts = firsts(Policy::Weighted, &trunks, 60);
        assert_eq!(firsts.matches('a').count(), 50);
    }

    #[test]
    fn the_fewest_calls_in_proportion_to_the_weight_come_first() {
        let with = |calls, trunk| Candidate { calls, ..trunk };
        let trunks =
            [with(10, trunk(0, "a", 1)), with(25, trunk(1, "b", 3)), with(9, trunk(2, "c", 1))];
        assert_eq!(firsts(Policy::LeastCalls, &trunks, 3), "bbb");
        let even = [trunk(0, "a", 1), trunk(1, "b", 1)];
        assert_eq!(firsts(Policy::LeastCalls, &even, 4), "abab", "ties take turns");
    }

    #[test]
    fn the_fastest_come_first_and_those_as_fast_take_turns() {
        let with = |latency_ms, trunk| Candidate { latency_ms, ..trunk };
        let trunks = [
            with(Some(80), trunk(0, "a", 1)),
            with(Some(40), trunk(1, "b", 1)),
            with(Some(46), trunk(2, "c", 1)),
        ];
        assert_eq!(firsts(Policy::LowestLatency, &trunks, 4), "bcbc");
        let unmeasured = [with(Some(40), trunk(0, "a", 1)), trunk(1, "b", 1)];
        assert_eq!(firsts(Policy::LowestLatency, &unmeasured, 2), "ba");
    }

    #[test]
    fn only_the_share_of_a_trunk_that_goes_is_moved() {
        let all = [trunk(0, "a", 1), trunk(1, "b", 1), trunk(2, "c", 2), trunk(3, "d", 1)];
        let policy = Policy::Hash(HashOver::CallId);
        let before = firsts(policy, &all, 4_000);
        let after = firsts(policy, &[all[0], all[1], all[2]], 4_000);
        let mut shares: BTreeMap<char, usize> = BTreeMap::new();
        for (was, is) in before.chars().zip(after.chars()) {
            *shares.entry(was).or_default() += 1;
            assert!(was == 'd' || was == is, "{was} moved to {is}");
        }
        for (name, share) in [('a', 800), ('b', 800), ('c', 1_600), ('d', 800)] {
            let difference = shares[&name].abs_diff(share);
            assert!(difference < share / 8, "{name}: {} of 4000", shares[&name]);
        }
    }
}
