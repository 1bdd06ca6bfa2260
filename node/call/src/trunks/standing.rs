//! What probing says of a trunk.

use std::fmt;

/// Whether a trunk answers OPTIONS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It answers, or is not asked.
    #[default]
    Active,
    /// It missed a probe; it is used, and asked more often, until that is settled.
    Probing,
    /// It missed too many; it gets no calls until it has answered a few times in a row.
    Greylisted,
}

impl Standing {
    /// The word used in gossip, in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Probing => "probing",
            Self::Greylisted => "greylisted",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Probing, Self::Greylisted].into_iter().find(|it| it.as_str() == word)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
