//! The limits for the admin API: reads from this node's copy, changes as entries of the log.

use holdline_model::limit::LimitConfig;
use holdline_model::{Command, Name, ResetLimits, SetLimits};

use super::api::Api;
use crate::admin::seam::{ClusterApiError, LimitFacts};

impl Api {
    pub(super) async fn limit_facts(&self) -> Result<LimitFacts, ClusterApiError> {
        self.read(|state| {
            state.limits(|table| LimitFacts {
                settings: table.settings().clone(),
                view: table.view(),
            })
        })
        .await
    }

    pub(super) async fn replace_limits(
        &self,
        expected: u64,
        config: LimitConfig,
    ) -> Result<u64, ClusterApiError> {
        let set = SetLimits { expected, config, at: self.clock.now() };
        self.committed(&Command::SetLimits(Box::new(set))).await
    }

    pub(super) async fn fill_buckets(&self, class: Option<Name>) -> Result<u64, ClusterApiError> {
        let at = self.clock.now();
        self.committed(&Command::ResetLimits(ResetLimits { class, at })).await
    }
}
