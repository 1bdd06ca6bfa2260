//! Commands about limits. An administrator's, but for the tick, which the leader proposes.

use serde::{Deserialize, Serialize};

use crate::limit::LimitConfig;
use crate::{Millis, Name, NodeId};

/// Replaces all limits, atomically. Classes that keep their name keep what they have saved up, as far
/// as the new burst goes; new ones are full. A faulty configuration changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLimits {
    /// The version that is to be replaced; 0 for the first.
    pub expected: u64,
    /// The new limits.
    pub config: LimitConfig,
    /// The proposer's time.
    pub at: Millis,
}

/// Fills the bucket of a class and those beneath it, or all buckets: from then on the promise
/// "no more than rate x time + burst" counts anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetLimits {
    /// The class or `each`; none for all.
    pub class: Option<Name>,
    /// The proposer's time.
    pub at: Millis,
}

/// Time passes for the buckets. The leader proposes it while any bucket is not full, so that a
/// cluster without calls fills its buckets, too; entries may then be taken by their word only for
/// the short time since the last one (`raft/limit/src/clock.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitTick {
    /// Who proposes.
    pub node: NodeId,
    /// The proposer's time.
    pub at: Millis,
}
