//! Commands about trunks.

use serde::{Deserialize, Serialize};

use crate::{Millis, Name};

/// An administrator wants a trunk to be called, or not. It holds until it is said otherwise, on all
/// nodes and over restarts; it is no matter whether the trunk is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTrunk {
    /// Which trunk; at most [`crate::limits::MAX_NAME_BYTES`].
    pub trunk: Name,
    /// Whether calls may be sent to it.
    pub enabled: bool,
    /// The proposer's time.
    pub at: Millis,
}
