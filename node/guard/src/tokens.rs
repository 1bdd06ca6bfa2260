//! An amount of tokens.

/// An amount, in billionths of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tokens(pub u64);

impl Tokens {
    /// One token.
    pub const ONE: Self = Self(1_000_000_000);

    /// Whole tokens.
    #[must_use]
    pub const fn whole(tokens: u64) -> Self {
        Self(tokens.saturating_mul(Self::ONE.0))
    }
}
