//! What administrators want of the trunks. One record, since nearly always it is empty.

use serde::{Deserialize, Serialize};

use crate::{Millis, Name};

/// The trunks that are not to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisabledTrunks {
    /// By name, each once; at most [`crate::limits::MAX_DISABLED_TRUNKS`].
    pub trunks: Vec<DisabledTrunk>,
}

/// A trunk that is not to be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisabledTrunk {
    /// Its name.
    pub trunk: Name,
    /// Since when.
    pub since: Millis,
}

impl DisabledTrunks {
    /// Since when a trunk is disabled, if it is.
    #[must_use]
    pub fn since(&self, trunk: &str) -> Option<Millis> {
        let found = self.trunks.iter().find(|disabled| disabled.trunk.as_str() == trunk);
        found.map(|disabled| disabled.since)
    }
}
