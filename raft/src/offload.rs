//! Runs what blocks on the disk.

use std::io;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
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

/// The same for work that takes long and that nobody waits for: it gets the processor when nobody else
/// wants it (a thread of its own, with niceness 10).
///
/// Must be called within a tokio runtime. Dropping the future does not stop the work.
///
/// # Errors
/// There is no thread to be had, or the work panicked.
pub async fn aside<T: Send + 'static>(
    tasks: &TaskTracker,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    let (tell, told) = oneshot::channel();
    let token = tasks.token();
    std::thread::Builder::new().name("aside".to_owned()).spawn(move || {
        // On Linux that is this thread alone. Where it fails, the work is in the way of others.
        let _ = rustix::process::setpriority_process(None, NICE);
        // Whoever asked may have gone.
        let _ = tell.send(work());
        drop(token);
    })?;
    told.await.map_err(|_| io::Error::other("the work broke off"))
}

const NICE: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn work_aside_is_nice_and_nobody_else_becomes_so() {
        let tasks = TaskTracker::new();
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        assert_eq!(aside(&tasks, nice).await.unwrap(), NICE);
        assert_eq!((nice(), offload(&tasks, nice).await.unwrap()), (before, before));
        let broken: io::Result<()> = aside(&tasks, || panic!("as it must")).await;
        assert_eq!(broken.unwrap_err().to_string(), "the work broke off");
        tasks.close();
        tasks.wait().await;
    }
}
