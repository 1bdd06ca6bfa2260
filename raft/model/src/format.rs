//! Formats: what may stand in the log, in the tables and in messages between nodes.
//!
//! | format | since | what it adds |
//! |---|---|---|
//! | 2 | 0.1.0 | the first that is kept |
//! | 3 | 0.1.0 | [`LocationRecord::former`](crate::LocationRecord::former); [`SetFormat`](crate::SetFormat) |
//!
//! The format is part of the replicated state: every node changes it at the same entry. What a format adds
//! may be written from that entry on, and not before.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Format(pub u8);

impl Format {
    /// The oldest that this program reads, and that of a cluster that has said nothing else.
    pub const OLDEST: Self = Self(2);
    /// The newest that this program reads.
    pub const NEWEST: Self = Self(3);
    /// Former contacts of devices are kept.
    pub const FORMER_CONTACTS: Self = Self(3);

    /// The format of that number, if this program reads it.
    #[must_use]
    pub fn known(number: u32) -> Option<Self> {
        let format = u8::try_from(number).ok().map(Self)?;
        (Self::OLDEST..=Self::NEWEST).contains(&format).then_some(format)
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::OLDEST
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
