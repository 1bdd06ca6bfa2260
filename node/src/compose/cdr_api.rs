//! The admin API's view of how call detail records are kept.

use async_trait::async_trait;
use holdline_model::{CdrCommand, CdrCursor, CdrId, CdrKeeping, Command, Millis, Name, RetainCdrs};
use holdline_raft::{ProposeError, SubmitError};

use super::api::Api;
use crate::admin::seam::{CdrApi, ClusterApiError};
use crate::switch::cdrs::{self, PurgeError};

#[async_trait]
impl CdrApi for Api {
    async fn cdr_keeping(&self) -> Result<CdrKeeping, ClusterApiError> {
        Ok(self.state.cdr_keeping())
    }

    async fn retain_cdrs(
        &self,
        expected: Option<u64>,
        keep_ms: u64,
    ) -> Result<u64, ClusterApiError> {
        let at = self.clock.now();
        self.committed(&Command::Cdr(CdrCommand::Retain(RetainCdrs { expected, keep_ms, at })))
            .await
    }

    async fn set_cdr_cursor(
        &self,
        sink: Name,
        cursor: Option<CdrId>,
    ) -> Result<u64, ClusterApiError> {
        let at = self.clock.now();
        self.committed(&Command::Cdr(CdrCommand::Cursor(CdrCursor { sink, cursor, at }))).await
    }

    async fn purge_cdrs(&self, before: Millis, forced: bool) -> Result<u64, ClusterApiError> {
        let at = self.clock.now();
        let mut purged = 0;
        loop {
            let lot = cdrs::purge(&self.raft, &self.state, &self.tasks, before, forced, at).await;
            match lot.map_err(told)?.records {
                0 => return Ok(purged),
                records => purged += records as u64,
            }
        }
    }
}

fn told(error: PurgeError) -> ClusterApiError {
    match error {
        PurgeError::State(error) => ClusterApiError::Unreadable(Box::new(error)),
        PurgeError::Stopping | PurgeError::Propose(ProposeError::Submit(SubmitError::Stopped)) => {
            ClusterApiError::Stopping
        }
        PurgeError::Propose(ProposeError::Submit(_)) => ClusterApiError::Overloaded,
        PurgeError::Propose(ProposeError::Undecided(_)) | PurgeError::Unknown => {
            ClusterApiError::Undecided
        }
        PurgeError::Rejected(rejection) => ClusterApiError::Refused(rejection),
    }
}
