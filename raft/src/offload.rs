//! Runs what blocks on the disk.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
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
/// wants it (threads of their own, with niceness 10, at most eight; further work waits for one).
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
    let token = tasks.token();
    let working = nice_threads()?.spawn_blocking(move || {
        let done = work();
        drop(token);
        done
    });
    working.await.map_err(|_| io::Error::other("the work broke off"))
}

/// The process's nice threads. They stay for a while when they have nothing to do: what comes once a second
/// finds its thread, with its memory, as it left it.
fn nice_threads() -> io::Result<Handle> {
    let mut threads = NICE_THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*threads {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_current_thread()
        .thread_name("aside")
        .max_blocking_threads(MOST)
        .on_thread_start(|| {
            // On Linux that is this thread alone. Where it fails, the work is in the way of others.
            let _ = rustix::process::setpriority_process(None, NICE);
        })
        .build()?;
    let handle = runtime.handle().clone();
    *threads = Some(runtime);
    Ok(handle)
}

/// Never dropped: its threads end with the process.
static NICE_THREADS: Mutex<Option<Runtime>> = Mutex::new(None);

const NICE: i32 = 10;

/// Nice threads at the same time, at most.
const MOST: usize = 8;

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
