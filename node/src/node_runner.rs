//! The seam between the command line and the node: `holdline node` prepares a process, the composition root runs a
//! node in it.

use std::error::Error;

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;

/// What a node is given by its process. Log, metrics and panic hook are set up already.
#[derive(Debug)]
pub struct NodeContext {
    /// Its configuration.
    pub config: Config,
    /// The process's one clock.
    pub clock: Clock,
    /// Every task is started through this.
    pub tasks: TaskTracker,
    /// Cancelled when the process is asked to stop (SIGTERM, SIGINT); a second signal kills it.
    pub stop: CancellationToken,
    /// Renders the metrics for the admin API.
    pub metrics: PrometheusHandle,
}

/// Runs a node.
#[async_trait]
pub trait NodeRunner: Send + Sync {
    /// Starts a node and runs it until `context.stop` is cancelled. When it returns, everything that
    /// it started through `context.tasks` has been told to end; the caller waits for that.
    ///
    /// # Errors
    /// The node cannot start or go on. The text names what, where and what to do: it is the last
    /// thing that an operator sees.
    async fn run(&self, context: NodeContext) -> Result<(), Box<dyn Error + Send + Sync>>;
}
