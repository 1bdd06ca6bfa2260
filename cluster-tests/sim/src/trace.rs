//! What happened, in order: a hash of it always, the lines on demand.
//!
//! Two runs of one seed have the same trace. Where they have not, the marks that are printed once a
//! second tell when they parted.

use std::fmt::{self, Write as _};
use std::io::Write as _;

/// The trace of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: u64,
    prints: bool,
    line: String,
}

impl Trace {
    /// An empty trace; `prints` says whether its lines go to the standard output.
    #[must_use]
    pub fn new(prints: bool) -> Self {
        Self { hash: FNV_OFFSET, prints, ..Self::default() }
    }

    /// Notes what happened at a time of the simulation, in microseconds.
    pub fn note(&mut self, at_us: u64, what: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string does not fail.
        let _infallible = writeln!(self.line, "{:>6}.{:03} {what}", at_us / 1000, at_us % 1000);
        self.hash = fnv(self.hash, self.line.as_bytes());
        self.lines += 1;
        if self.prints {
            // A reader that has gone does not end the run.
            let _gone = std::io::stdout().write_all(self.line.as_bytes());
        }
    }

    /// The hash of all lines so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there are.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }
}

/// FNV-1a: what is hashed is ours, so nobody looks for collisions.
#[must_use]
pub fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// What FNV-1a starts from.
pub const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
