//! How fresh the admin API's answers are.

use std::time::Duration;

use async_trait::async_trait;

use super::api::Api;
use crate::admin::seam::{ClusterApiError, ConsistencyApi};

#[async_trait]
impl ConsistencyApi for Api {
    async fn linearize(&self) -> Result<(), ClusterApiError> {
        self.raft
            .linearize(WAIT)
            .await
            .map_err(|error| ClusterApiError::NotCurrent(Box::new(error)))
    }

    fn state_age_ms(&self) -> Option<u64> {
        let age = self.raft.state_age()?;
        Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Longer than an election, shorter than a client's patience.
const WAIT: Duration = Duration::from_millis(2_000);
