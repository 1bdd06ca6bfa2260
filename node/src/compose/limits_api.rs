//! The limits for the admin API: reads from this node's copy, changes as entries of the log.

use holdline_model::limit::LimitConfig;
use holdline_model::{Command, Name, Reply, ResetLimits, SetLimits};

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
        self.change_limits(&Command::SetLimits(Box::new(set))).await
    }

    pub(super) async fn fill_buckets(&self, class: Option<Name>) -> Result<u64, ClusterApiError> {
        let at = self.clock.now();
        self.change_limits(&Command::ResetLimits(ResetLimits { class, at })).await
    }

    async fn change_limits(&self, command: &Command) -> Result<u64, ClusterApiError> {
        match self.commit(command).await? {
            Reply::At(index) => {
                self.apply_up_to(index).await;
                Ok(index)
            }
            Reply::Rejected(rejection) => Err(ClusterApiError::Refused(rejection)),
            Reply::Done
            | Reply::Count(_)
            | Reply::Ended(_)
            | Reply::Admitted(_)
            | Reply::Refused(_)
            | Reply::Leased(_)
            | Reply::Node(_) => Err(ClusterApiError::NoMajority),
        }
    }
}
