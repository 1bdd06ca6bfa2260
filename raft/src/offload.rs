//! Runs what blocks on the disk.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;
use tokio_util::task::TaskTracker;

/// Runs `work` on a thread that may block, and waits for it.
///
/// A runtime with a single thread has given up on parallelism; there `work` runs at once. So a
/// simulation, which is such a runtime, has no second thread whose progress nobody could repeat.
///
/// Must be called within a tokio runtime. Dropping the future does not stop the work.
///
/// # Errors
/// The work panicked, or the runtime is shutting down.
pub async fn offload<T: Send + 'static>(
    tasks: &TaskTracker,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tasks.spawn_blocking(work).await
}
