//! How call detail records are kept, as the API shows and changes it.

use async_trait::async_trait;
use holdline_model::{CdrId, CdrKeeping, Millis, Name};

use super::ClusterApiError;

/// Retention, cursors and purges of call detail records.
#[async_trait]
pub trait CdrApi: Send + Sync + 'static {
    /// How they are kept, and how far each consumer has come.
    async fn cdr_keeping(&self) -> Result<CdrKeeping, ClusterApiError>;

    /// Commits how long they are kept, in milliseconds, 0 for ever; only over that version, if one
    /// is given. The index of the entry.
    async fn retain_cdrs(
        &self,
        expected: Option<u64>,
        keep_ms: u64,
    ) -> Result<u64, ClusterApiError>;

    /// Commits how far a consumer has come; `None` removes it. The index of the entry.
    async fn set_cdr_cursor(
        &self,
        sink: Name,
        cursor: Option<CdrId>,
    ) -> Result<u64, ClusterApiError>;

    /// Has those purged whose calls ended before a time, in bounded lots; how many went. Forced:
    /// whatever consumers have not come so far.
    async fn purge_cdrs(&self, before: Millis, forced: bool) -> Result<u64, ClusterApiError>;
}
