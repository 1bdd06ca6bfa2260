//! `holdline node --config FILE`: prepares the process and runs the node until a signal.

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CliError;
use crate::clock::Clock;
use crate::config::Config;
use crate::node_runner::{NodeContext, NodeRunner};
use crate::{panic_hook, telemetry};

/// The node could not be run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The log cannot be set up.
    #[error("{0}")]
    Log(#[from] telemetry::LogError),
    /// The metrics cannot be set up.
    #[error("{0}")]
    Metrics(#[from] telemetry::MetricsError),
    /// The runtime cannot be started, or signals cannot be heard.
    #[error("the process cannot be set up: {0}; look at its limits (ulimit -a)")]
    Runtime(#[from] std::io::Error),
    /// The node cannot start or go on.
    #[error("node {id}: {cause}")]
    Failed {
        /// Which node.
        id: holdline_model::NodeId,
        /// Why, and what to do.
        cause: String,
    },
}

pub(super) fn run(
    path: &Path,
    join: Option<&str>,
    end_with_parent: bool,
    runner: &dyn NodeRunner,
) -> Result<(), CliError> {
    if end_with_parent {
        let term = Some(rustix::process::Signal::TERM);
        rustix::process::set_parent_process_death_signal(term)
            .map_err(|error| NodeError::Runtime(error.into()))?;
    }
    let config = match join {
        Some(seed) => Config::load_joining(path, seed)?,
        None => Config::load(path)?,
    };
    prepared(config, runner).map_err(CliError::Node)
}

fn prepared(config: Config, runner: &dyn NodeRunner) -> Result<(), NodeError> {
    telemetry::init_log(&config.log)?;
    panic_hook::install();
    let metrics = telemetry::install_metrics()?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(config.node.threads.get())
        .enable_all()
        .thread_name("holdline")
        .on_thread_start(|| {
            // Where it fails, timers are as punctual as ever.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
        })
        .build()?;
    let id = config.node.id;
    runtime.block_on(async {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let ended = CancellationToken::new();
        let signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        tasks.spawn(stop_on_signal(signals, stop.clone(), ended.clone()));
        tasks.spawn(telemetry::upkeep(metrics.clone(), stop.clone()));
        let clock = Clock::start();
        let (all, end) = (tasks.clone(), stop.clone());
        let ran = runner.run(NodeContext { config, clock, tasks, stop, metrics }).await;
        end.cancel();
        ended.cancel();
        all.close();
        if tokio::time::timeout(END, all.wait()).await.is_err() {
            tracing::warn!(tasks = all.len(), "tasks that did not end in time are abandoned");
        }
        ran.map_err(|error| NodeError::Failed { id, cause: chain(error.as_ref()) })
    })
}

/// How late the kernel may wake the runtime's threads for a timer, so that one wake-up serves several:
/// a third of all wake-ups are for timers, and none of ours minds 4 ms. What is safe only in time (leases) is
/// held against the clock when it is used.
const TIMER_SLACK_NS: u64 = 4_000_000;

/// Stops the node at the first signal, and the process at the second one while the node is ending.
async fn stop_on_signal(
    [mut term, mut int]: [Signal; 2],
    stop: CancellationToken,
    ended: CancellationToken,
) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = ended.cancelled() => return,
    }
    tracing::info!("asked to stop; a second signal ends the process at once");
    stop.cancel();
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = ended.cancelled() => return,
    }
    tracing::warn!("asked to stop twice: the process ends at once; its slots move to others");
    std::process::abort();
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// How long ending may take.
const END: Duration = Duration::from_secs(10);
