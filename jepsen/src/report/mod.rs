//! What a history shows, for people and for programs.

mod html;
mod losses;
mod summary;
mod svg;

pub use html::html;
pub use losses::losses;
pub use summary::{json, text};

/// Milliseconds of a time in a history.
const fn ms(nanos: u64) -> u64 {
    nanos / 1_000_000
}
