//! The tables with the limits among them, as `apply` sees them.

use holdline_model::State;

use crate::LimitTable;

/// The replicated tables, limits included.
pub trait LimitState: State {
    /// Looks at the limits, or changes them. What is changed is written with the batch.
    ///
    /// # Errors
    /// As the tables': fatal to the node.
    fn limits<T>(&mut self, act: impl FnOnce(&mut LimitTable) -> T) -> Result<T, Self::Error>;
}
