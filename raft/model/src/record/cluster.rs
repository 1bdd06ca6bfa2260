//! What a cluster was formed with.

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Millis, Roster};

/// Written by the entry that forms the cluster; afterwards only the roster changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// Tells this cluster from others.
    pub cluster: ClusterId,
    /// How many slots there are, numbered from 0.
    pub slots: u16,
    /// When.
    pub formed_at: Millis,
    /// Which numbers were given to nodes.
    pub roster: Roster,
}
