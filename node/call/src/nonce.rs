//! Numbers of new calls: a seeded, deterministic generator (SplitMix64, public domain algorithm by
//! Sebastiano Vigna). Not for secrets; the engine checks each number against the calls it knows.

/// The generator. The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Nonces {
    state: u64,
}

impl Nonces {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub(crate) const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }
}

/// Spreads the bits of a number evenly; also used to jitter resends by call id.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// FNV-1a: short, the same everywhere.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    fnv_from(0xcbf2_9ce4_8422_2325, bytes)
}

/// The same, going on from the hash of what came before.
pub(crate) fn fnv_from(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_published_sequence() {
        let mut nonces = Nonces::new(1_234_567);
        let drawn = [nonces.draw(), nonces.draw(), nonces.draw()];
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
