//! Why a scene could not be played to its end.

use crate::cluster::ClusterError;
use crate::ua::AgentError;

/// A scene broke off.
#[derive(thiserror::Error)]
pub enum StageError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A user agent.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

debug_in_words!(StageError);
