//! The recorder behind `metrics`: every metric of the catalog is described, and those whose zero
//! says something are there from the start.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Kind, Metric, PROCESS};

/// The recorder cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The process has a recorder already, or a histogram has no buckets.
    #[error("metrics cannot be recorded: {0}")]
    Build(#[from] BuildError),
}

/// Installs the process's recorder. Once per process.
///
/// # Errors
/// There is a recorder already.
pub fn install() -> Result<PrometheusHandle, MetricsError> {
    let handle = builder()?.install_recorder()?;
    describe_all();
    Ok(handle)
}

/// Describes every metric to the current recorder.
pub(super) fn describe_all() {
    let recorded = || catalog::all().filter(|metric| metric.section != PROCESS);
    recorded().for_each(describe);
    recorded().filter(|metric| metric.labels.is_empty()).for_each(zero);
}

/// Moves recorded values out of the recorder's buffers, which grow until that happens; ends when
/// `stop` is cancelled.
pub async fn upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            _ = ticks.tick() => handle.run_upkeep(),
            () = stop.cancelled() => return,
        }
    }
}

pub(super) fn builder() -> Result<PrometheusBuilder, BuildError> {
    let histograms = catalog::all().filter_map(|metric| match metric.kind {
        Kind::Histogram(buckets) => Some((metric.name, buckets)),
        Kind::Counter | Kind::Gauge => None,
    });
    histograms.into_iter().try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets.bounds())
    })
}

fn describe(metric: &Metric) {
    match metric.kind {
        Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
        Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.help),
    }
}

/// A rate over a counter that appears with its first event misses that event.
fn zero(metric: &Metric) {
    if matches!(metric.kind, Kind::Counter) {
        metrics::counter!(metric.name).increment(0);
    }
}

const UPKEEP: Duration = Duration::from_secs(5);
