//! Turns delays into the pace of new calls: once an interval, the controller is told the least
//! delays, and sets the gate.

use std::sync::Arc;
use std::time::Duration;

use holdline_guard::{Load, Overload, OverloadState};
use holdline_transport::{KernelQueues, Ports};
use metrics::gauge;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Protection;
use super::pressure::nanos;

/// Runs until `stop` is cancelled.
pub(crate) async fn run(protection: Arc<Protection>, ports: Ports, stop: CancellationToken) {
    let Some(options) = protection.config.overload else { return };
    let mut control = Overload::new(options);
    loop {
        let mut least_lag_ns = None;
        for _ in 0..TICKS {
            let before = protection.clock.monotonic();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
            let slept_ns = nanos(protection.clock.monotonic(), before);
            let tick_ns = u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
            let lag_ns = slept_ns.saturating_sub(tick_ns);
            least_lag_ns = Some(least_lag_ns.map_or(lag_ns, |least: u64| least.min(lag_ns)));
        }
        let load = load(&protection, ports.kernel_queues(), least_lag_ns.unwrap_or(0));
        let before = control.state();
        let after = control.interval(protection.clock.elapsed_ns(), load, protection.gate.counts());
        apply(&protection, load, before, after);
    }
}

/// What this interval was like.
fn load(protection: &Protection, kernel: KernelQueues, lag_ns: u64) -> Load {
    let own = protection.pressure.take();
    let wait_ns = u64::try_from(kernel.least_wait.as_nanos()).unwrap_or(u64::MAX);
    let dropped = own.dropped.saturating_add(kernel.dropped);
    Load { queue_ns: own.queue_ns.max(wait_ns), dropped, lag_ns, ..own }
}

fn apply(protection: &Protection, load: Load, before: OverloadState, after: OverloadState) {
    let rate = match after {
        OverloadState::Open => None,
        OverloadState::Limited { per_second } => Some(per_second),
    };
    protection.gate.set(rate);
    protection.set_overload(after, load);
    gauge!("holdline_overload_limited").set(if rate.is_some() { 1.0 } else { 0.0 });
    gauge!("holdline_overload_calls_per_second").set(rate.map_or(0.0, float));
    gauge!("holdline_overload_queue_delay_seconds").set(seconds(load.queue_ns));
    gauge!("holdline_overload_timer_lag_seconds").set(seconds(load.lag_ns));
    gauge!("holdline_overload_commit_delay_seconds").set(seconds(load.commit_ns));
    match (before, after) {
        (OverloadState::Open, OverloadState::Limited { per_second }) => warn!(
            per_second,
            queue_ms = load.queue_ns / 1_000_000,
            dropped = load.dropped,
            lag_ms = load.lag_ns / 1_000_000,
            commit_ms = load.commit_ns / 1_000_000,
            "this node is overloaded: it answers new calls 503 beyond this rate; calls up go on"
        ),
        (OverloadState::Limited { .. }, OverloadState::Open) => {
            info!("this node is not overloaded any more: it lets all new calls in");
        }
        (OverloadState::Open, OverloadState::Open)
        | (OverloadState::Limited { .. }, OverloadState::Limited { .. }) => {}
    }
}

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// How often the lateness of a timer is looked at, and how often per interval.
const TICK: Duration = Duration::from_millis(20);
const TICKS: usize = 5;
