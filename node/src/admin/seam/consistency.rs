//! How fresh this node's copy of the state is.

use async_trait::async_trait;

use super::ClusterApiError;

/// Freshness.
#[async_trait]
pub trait ConsistencyApi: Send + Sync + 'static {
    /// Waits, for a bounded time, until this node shows everything that was committed before this
    /// was asked.
    async fn linearize(&self) -> Result<(), ClusterApiError>;

    /// How old this node's copy may be, in milliseconds; `None` if that was never known.
    fn state_age_ms(&self) -> Option<u64>;
}
