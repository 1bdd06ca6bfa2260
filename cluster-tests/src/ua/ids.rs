//! Names that must not repeat within a run (branches, tags, Call-IDs), drawn from a seed so that a
//! run can be repeated.

/// A source of unique tokens.
#[derive(Debug)]
pub(super) struct Ids {
    seed: u64,
    counter: u64,
}

impl Ids {
    /// Agents of one test need different seeds.
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next token: 16 hexadecimal digits.
    pub(super) fn token(&mut self) -> String {
        self.counter += 1;
        format!("{:016x}", mix(mix(self.seed) ^ self.counter))
    }

    /// The next branch (RFC 3261 section 8.1.1.7).
    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.token())
    }
}

/// The output function of SplitMix64: a bijection, so tokens of one seed never collide.
const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
