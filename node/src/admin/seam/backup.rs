//! The replicated state as a stream.

use async_trait::async_trait;
use axum::body::Bytes;
use tokio::sync::mpsc;

use super::ClusterApiError;

/// Pieces of a backup, in order; an error is the last. A stream that ends without an error is whole
/// if it says so itself, by its footer.
pub type BackupStream = mpsc::Receiver<Result<Bytes, ClusterApiError>>;

/// Taking backups.
#[async_trait]
pub trait BackupApi: Send + Sync + 'static {
    /// Streams this node's state as of now. Whoever drops the stream ends it.
    async fn back_up(&self) -> Result<BackupStream, ClusterApiError>;
}
