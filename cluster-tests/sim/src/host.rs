//! One node: its machine, its clocks, and a runtime of its own with a paused clock.
//!
//! A crash drops the runtime with everything in it, as a kill drops a process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use holdline::clock::Clock;
use holdline::compose::Node;
use holdline::config::Config;
use holdline::node_runner::{NodeContext, NodeRunner as _};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::disk::Disk;
use crate::machine::{SimMachine, Started};
use crate::net::{HostId, Net};
use crate::os::{self, Reading};

/// A node and its machine.
#[derive(Debug)]
pub struct Host {
    /// Which machine.
    pub id: HostId,
    config: Config,
    net: Net,
    hosts: Arc<BTreeMap<SocketAddr, HostId>>,
    /// Its disk.
    pub disk: Disk,
    /// How its clocks run.
    pub clocks: Clocks,
    metrics: PrometheusHandle,
    run: Option<Run>,
    paused: bool,
}

/// How the clocks of a machine differ from true time.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// What its monotonic clock showed at the beginning.
    pub origin: Duration,
    /// What its wall clock shows when true time is 0.
    pub wall: Duration,
    /// How many milliseconds it counts in a million.
    pub rate: u64,
}

impl Clocks {
    fn reading(&self, true_ms: u64) -> Reading {
        let elapsed = Duration::from_millis(self.local_ms(true_ms));
        Reading { monotonic: self.origin, wall: self.wall }.after(elapsed)
    }

    fn local_ms(&self, true_ms: u64) -> u64 {
        true_ms * self.rate / 1_000_000
    }
}

/// One run of the node's process.
#[derive(Debug)]
struct Run {
    runtime: Runtime,
    base: tokio::time::Instant,
    at_base: Reading,
    booted_local_ms: u64,
    node: JoinHandle<Result<(), String>>,
    stop: CancellationToken,
    started: Arc<Mutex<Option<Started>>>,
}

impl Host {
    /// A machine that is off.
    #[must_use]
    pub fn new(
        id: HostId,
        config: Config,
        net: Net,
        hosts: Arc<BTreeMap<SocketAddr, HostId>>,
        disk: Disk,
        clocks: Clocks,
        metrics: PrometheusHandle,
    ) -> Self {
        Self { id, config, net, hosts, disk, clocks, metrics, run: None, paused: false }
    }

    /// Whether its process runs.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.run.is_some()
    }

    /// The node, if it runs and has started.
    #[must_use]
    pub fn started(&self) -> Option<Started> {
        let run = self.run.as_ref()?;
        run.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts the process.
    ///
    /// # Errors
    /// The runtime cannot be made.
    pub fn boot(&mut self, now_ms: u64) -> anyhow::Result<()> {
        if self.run.is_some() {
            bail!("{} runs already", self.id);
        }
        let at_base = self.clocks.reading(now_ms);
        let _still = os::still(at_base);
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.context("a runtime")?;
        let entered = runtime.enter();
        let base = tokio::time::Instant::now();
        let _clock = os::follow(base, at_base);
        let started = Arc::default();
        let machine = SimMachine {
            place: self.net.boot(self.id),
            disk: self.disk.clone(),
            hosts: Arc::clone(&self.hosts),
            started: Arc::clone(&started),
        };
        let stop = CancellationToken::new();
        let context = NodeContext {
            config: self.config.clone(),
            clock: Clock::start(),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            metrics: self.metrics.clone(),
        };
        let node = runtime.spawn(async move {
            let ran = Node::on(machine).run(context).await;
            ran.map_err(|error| error.to_string())
        });
        drop(entered);
        let booted_local_ms = self.clocks.local_ms(now_ms);
        self.run = Some(Run { runtime, base, at_base, booted_local_ms, node, stop, started });
        Ok(())
    }

    /// Lets the process run until a moment of true time. Returns how it ended, if it did.
    pub fn step(&mut self, now_ms: u64) -> Option<Result<(), String>> {
        if self.paused {
            return None;
        }
        let run = self.run.as_mut()?;
        let local = self.clocks.local_ms(now_ms).saturating_sub(run.booted_local_ms);
        let until = run.base + Duration::from_millis(local);
        let entered = run.runtime.enter();
        let clock = os::follow(run.base, run.at_base);
        let passed = until.saturating_duration_since(tokio::time::Instant::now());
        run.runtime.block_on(async {
            if passed > AT_ONCE {
                // It was paused: all of that time passes before anything else is done.
                tokio::time::advance(passed).await;
            }
            tokio::time::sleep_until(until).await;
        });
        let ended = run.node.is_finished().then(|| {
            let node = &mut run.node;
            run.runtime.block_on(node).unwrap_or_else(|error| Err(error.to_string()))
        });
        drop(clock);
        drop(entered);
        if ended.is_some() {
            self.end(true);
        }
        ended
    }

    /// Stops the process where it stands, as SIGSTOP does, or lets it go on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether the process stands still.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Tells the process to stop, as SIGTERM does.
    pub fn tell_to_stop(&self) {
        if let Some(run) = &self.run {
            run.stop.cancel();
        }
    }

    /// Ends the process where it stands; of the disk only what was durable is left. A process that is
    /// killed leaves a machine that resets its connections.
    pub fn crash(&mut self, resets: bool) {
        self.end(resets);
    }

    fn end(&mut self, resets: bool) {
        self.paused = false;
        let Some(run) = self.run.take() else { return };
        self.net.end(self.id, resets);
        self.disk = self.disk.crash();
        let at = run.at_base;
        let _still = os::still(at);
        drop(run);
    }

    /// Sets the wall clock forward or back.
    pub fn jump_wall(&mut self, ms: i64) {
        let jump = Duration::from_millis(ms.unsigned_abs());
        let jumped = |wall: Duration| {
            if ms < 0 { wall.saturating_sub(jump) } else { wall + jump }
        };
        self.clocks.wall = jumped(self.clocks.wall);
        if let Some(run) = &mut self.run {
            run.at_base.wall = jumped(run.at_base.wall);
        }
    }

    /// Calls `ask` as if within the process, with its clock.
    pub fn within<T>(&self, ask: impl FnOnce(&Started, Instant) -> T) -> Option<T> {
        let run = self.run.as_ref()?;
        let started = self.started()?;
        let _entered = run.runtime.enter();
        let _clock = os::follow(run.base, run.at_base);
        Some(ask(&started, now()))
    }

    /// Runs `work` in the process.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(run) = &self.run {
            let _task = run.runtime.spawn(work);
        }
    }
}

/// More than a step, whatever the clock's rate.
const AT_ONCE: Duration = Duration::from_millis(10);

#[expect(clippy::disallowed_methods, reason = "a simulated clock")]
fn now() -> Instant {
    Instant::now()
}
