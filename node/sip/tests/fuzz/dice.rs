//! A seeded source of chance: the same seed, the same run, on every machine.

use std::time::{Duration, Instant};

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// 0 to `below` - 1; 0 if there is nothing to choose from.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.draw() % u64::try_from(below.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// One time in `of`.
    pub(crate) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// So many characters of a set.
    pub(crate) fn text(&mut self, set: &str, from: usize, to: usize) -> String {
        let set: Vec<char> = set.chars().collect();
        let length = from + self.below(to - from + 1);
        (0..length).map(|_| set[self.below(set.len())]).collect()
    }
}

/// The seeds of a run: `usual` of them, or as many times that as HOLDLINE_FUZZ says, the same each time;
/// then, if HOLDLINE_FUZZ_SECONDS says so, those that follow until so much time has passed.
pub(crate) fn seeds(usual: u64) -> impl Iterator<Item = u64> {
    let first = first_seed();
    let sure = first.saturating_add(usual * number("HOLDLINE_FUZZ").unwrap_or(1));
    let length = number("HOLDLINE_FUZZ_SECONDS").map_or(Duration::ZERO, Duration::from_secs);
    let began = now();
    // The clock is asked now and then only: it costs as much as a small case.
    (first..).take_while(move |seed| {
        *seed < sure || !seed.is_multiple_of(16) || now().duration_since(began) < length
    })
}

/// Where runs begin: the same place each time, or where HOLDLINE_FUZZ_SEED says.
pub(crate) fn first_seed() -> u64 {
    number("HOLDLINE_FUZZ_SEED").unwrap_or(4475)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "bounds how long a test runs, and nothing else")]
fn now() -> Instant {
    Instant::now()
}

/// Prints what is being tried if a panic comes of it, and how to try it again.
pub(crate) struct Case<'a> {
    pub(crate) seed: u64,
    pub(crate) bytes: &'a [u8],
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay: HOLDLINE_FUZZ_SEED={} (the first case of the run)", self.seed);
            eprintln!("bytes: {}", self.bytes.escape_ascii());
        }
    }
}
