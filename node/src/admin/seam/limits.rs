//! The limits, as the API reads them.

use std::sync::Arc;

use holdline_limit::{LimitView, Settings};

/// The configuration in force, and how everything stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFacts {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// How it stands.
    pub view: LimitView,
}
