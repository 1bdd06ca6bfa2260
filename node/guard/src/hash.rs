//! Hashing with a seed that peers do not know, so that nobody can choose addresses or numbers that
//! fall together.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

/// A secret for hashing; each node and each run has another one. Its debug form hides it.
#[derive(Clone, Copy)]
pub struct Seed(u64);

impl Seed {
    /// From random bits.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The hash of a value.
    #[must_use]
    pub fn hash<T: Hash + ?Sized>(&self, value: &T) -> u64 {
        FixedState::with_seed(self.0).hash_one(value)
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}
