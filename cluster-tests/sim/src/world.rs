//! A cluster, its far ends and the network between them, stepped by the millisecond.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdline_cluster_tests::ua::Order;
use holdline_model::NodeId;
use metrics_exporter_prometheus::PrometheusHandle;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::config::{self, BACKUP, CALLEE, CALLER, Cluster};
use crate::disk::Disk;
use crate::far_end::FarEnd;
use crate::faults::Fault;
use crate::host::{Clocks, Host};
use crate::invariants::leader::Leaders;
use crate::invariants::owner::{self, Acting};
use crate::judge::{Judge, OnTheWire};
use crate::net::{HostId, Link, Net};
use crate::random::Random;
use crate::run::Mutant;
use crate::trace::Trace;

/// Everything that a run is made of.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub net: Net,
    /// Who judges.
    pub judge: Judge,
    /// The nodes.
    pub hosts: Vec<Host>,
    /// Who calls.
    pub caller: FarEnd,
    /// Who is called, and who is called when that fails.
    pub callees: [FarEnd; 2],
    /// Who was elected.
    pub leaders: Leaders,
    /// Whether clocks run so unevenly that leases may overlap: only the state is safe then.
    pub lease_unsafe: bool,
    now_ms: u64,
    /// A node that has ended by itself comes back then.
    back: BTreeMap<usize, u64>,
    _folder: TempDir,
}

/// The node with the slow clock: openraft's order of candidates seldom lets the first one lead.
pub const SLOW: usize = 0;

/// 2026-01-01, in seconds since 1970.
const TRUE_START_S: u64 = 1_767_225_600;

/// How long a node stays down that has ended by itself.
const BACK_AFTER_MS: u64 = 1_000;

impl World {
    /// A cluster whose machines are all off.
    ///
    /// # Errors
    /// The temporary folder cannot be had.
    pub fn new(
        cluster: Cluster,
        skew: u64,
        random: &mut Random,
        trace: Trace,
        metrics: &PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("holdline-sim-").tempdir_in(scratch())?;
        let net = Net::new(random.fork(), trace);
        let judge = Judge::new(cluster.nodes)?;
        net.tap(Box::new(OnTheWire(judge.clone())));
        let nodes = 0..cluster.nodes;
        let hosts_by_rpc: Arc<BTreeMap<SocketAddr, HostId>> =
            Arc::new(nodes.clone().map(|node| (config::rpc(node), HostId(node))).collect());
        let mut hosts = Vec::new();
        for node in nodes {
            let id = HostId(node);
            let config = cluster.config(node, &folder.path().join(node.to_string()))?;
            let disk = Disk::new(id, Arc::new(judge.clone()));
            disk.set_sync(random.between(0, 2));
            let clocks = clocks(random, skew);
            let (net, by_rpc) = (net.clone(), Arc::clone(&hosts_by_rpc));
            hosts.push(Host::new(id, config, net, by_rpc, disk, clocks, metrics.clone()));
        }
        let base = Instant::now();
        let mut far_end = |at: SocketAddr, number: usize| {
            let place = net.boot(HostId(cluster.nodes + number));
            FarEnd::new(at, place, random.number(), base)
        };
        let (caller, callees) = (far_end(CALLER, 0), [far_end(CALLEE, 1), far_end(BACKUP, 2)]);
        Ok(Self {
            net,
            judge,
            hosts,
            caller,
            callees,
            leaders: Leaders::default(),
            lease_unsafe: false,
            now_ms: 0,
            back: BTreeMap::new(),
            _folder: folder,
        })
    }

    /// Puts a known bug beneath the nodes.
    pub fn put_in(&mut self, mutant: Option<Mutant>) {
        match mutant {
            Some(Mutant::LyingDisks) => self.hosts.iter().for_each(|host| host.disk.lie()),
            Some(Mutant::SlowClock) => self.with(SLOW, |host| host.clocks.rate /= 2),
            Some(Mutant::SpeaksTooSoon) => self.judge.learn_late(),
            None => {}
        }
    }

    /// The time.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Lets a millisecond pass.
    ///
    /// # Errors
    /// A node cannot be started.
    pub fn step(&mut self) -> anyhow::Result<()> {
        self.now_ms += 1;
        let now = self.now_ms;
        for arrived in self.net.advance(now * 1_000) {
            let far_ends = std::iter::once(&mut self.caller).chain(&mut self.callees);
            for far_end in far_ends.filter(|it| it.local == arrived.to) {
                far_end.receive(now, arrived.from, &arrived.bytes);
            }
        }
        self.caller.tick(now);
        self.callees.iter_mut().for_each(|callee| callee.tick(now));
        let due: Vec<usize> =
            self.back.iter().filter(|(_, at)| **at <= now).map(|(node, _)| *node).collect();
        for node in due {
            self.boot(node)?;
        }
        for (node, host) in self.hosts.iter_mut().enumerate() {
            if let Some(ended) = host.step(now) {
                let how = ended.map_or_else(|error| error, |()| "stopped in order".to_owned());
                self.net.note(format_args!("{} has ended: {how}", host.id));
                self.back.entry(node).or_insert(now + BACK_AFTER_MS);
            }
        }
        self.look();
        Ok(())
    }

    /// Starts a node that is off.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn boot(&mut self, node: usize) -> anyhow::Result<()> {
        self.back.remove(&node);
        let Some(host) = self.hosts.get_mut(node).filter(|host| !host.is_up()) else {
            return Ok(());
        };
        self.net.note(format_args!("{} is started", host.id));
        host.boot(self.now_ms)
    }

    /// The invariants of every step.
    fn look(&mut self) {
        let mut acting = Vec::new();
        // A process that stands still acts for nothing, and its clock is not asked.
        for host in self.hosts.iter().filter(|host| !host.is_paused()) {
            let Some(started) = host.started() else { continue };
            let (leads, term) = {
                let leadership = started.raft.leadership();
                let leadership = leadership.borrow();
                (leadership.is_me, leadership.term)
            };
            if leads && let Some(fault) = self.leaders.leads(host.id, term) {
                self.judge.fault(fault);
            }
            acting.extend(host.within(|started, now| {
                let me = NodeId(u64::try_from(host.id.0).unwrap_or(u64::MAX) + 1);
                let may = started.raft.lease().is_valid(now) && started.api.local().slots_owned > 0;
                let slots = if may { started.raft.state().slots() } else { Vec::new() };
                let mine = slots.into_iter().filter(|slot| slot.owner == me);
                let acting = mine.filter_map(|slot| {
                    let reason = slot.history.last()?.reason;
                    Some(Acting { host: host.id, slot: slot.slot, epoch: slot.epoch, reason })
                });
                acting.collect::<Vec<_>>()
            }));
        }
        let acting: Vec<Acting> = acting.into_iter().flatten().collect();
        for fault in owner::faults(&acting) {
            if !self.lease_unsafe {
                self.judge.fault(format!("{} ms: {fault}", self.now_ms));
            }
        }
    }

    /// Places a call, or gives another order to the caller.
    pub fn order(&mut self, order: Order) {
        self.caller.order(self.now_ms, order);
    }

    /// Begins a fault.
    pub fn begin(&mut self, fault: Fault) {
        self.net.note(format_args!("fault: {fault:?}"));
        match fault {
            Fault::CutOneWay(one, other) => self.cut(one, other, true),
            Fault::Cut(one, other) => {
                self.cut(one, other, true);
                self.cut(other, one, true);
            }
            Fault::Deaf(node) => self.cut_all(node, (false, true), false),
            Fault::Mute(node) => self.cut_all(node, (true, false), false),
            Fault::Isolate(node) => self.cut_all(node, (true, true), false),
            Fault::Unplug(node) => self.cut_all(node, (true, true), true),
            Fault::Loss(rate) => self.net.set_links(|link| link.loss = rate),
            Fault::Delay(ms) => self.net.set_links(|link| link.jitter_us = ms * 1_000),
            Fault::Disorder(rate) => self.net.set_links(|link| {
                (link.double, link.reorder) = (rate, rate);
            }),
            Fault::Kill(node) => self.crash(node, true),
            Fault::PowerCut(node) => self.crash(node, false),
            Fault::Blackout => (0..self.hosts.len()).for_each(|node| self.crash(node, false)),
            Fault::Pause(node) => self.with(node, |host| host.pause(true)),
            Fault::Stop(node) => self.with(node, |host| host.tell_to_stop()),
            Fault::SlowDisk(node, ms) => self.with(node, |host| host.disk.set_sync(ms)),
            Fault::DiskFails(node) => {
                self.with(node, |host| host.disk.fail(holdline_storage::engine::Fault::Io));
            }
            Fault::WallJump(node, ms) => self.with(node, |host| host.jump_wall(ms)),
            Fault::Drain(node) => self.drain(node, true),
            Fault::HangUp(node) => self.hang_up(node),
        }
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// A node cannot be started.
    pub fn end(&mut self, fault: Fault) -> anyhow::Result<()> {
        self.net.note(format_args!("over: {fault:?}"));
        let usual = Link::default();
        match fault {
            Fault::CutOneWay(one, other) => self.cut(one, other, false),
            Fault::Cut(one, other) => {
                self.cut(one, other, false);
                self.cut(other, one, false);
            }
            Fault::Deaf(node) | Fault::Mute(node) | Fault::Isolate(node) | Fault::Unplug(node) => {
                self.mend(node);
            }
            Fault::Loss(_) => self.net.set_links(|link| link.loss = usual.loss),
            Fault::Delay(_) => self.net.set_links(|link| link.jitter_us = usual.jitter_us),
            Fault::Disorder(_) => self.net.set_links(|link| {
                (link.double, link.reorder) = (usual.double, usual.reorder);
            }),
            Fault::Kill(node) | Fault::PowerCut(node) => self.boot(node)?,
            Fault::Blackout => {
                for node in 0..self.hosts.len() {
                    self.boot(node)?;
                }
            }
            Fault::SlowDisk(node, _) => self.with(node, |host| host.disk.set_sync(1)),
            Fault::Pause(node) => self.with(node, |host| host.pause(false)),
            Fault::Drain(node) => self.drain(node, false),
            // A node that stopped by itself, or was told to, comes back by itself.
            Fault::Stop(_) | Fault::DiskFails(_) | Fault::WallJump(..) | Fault::HangUp(_) => {}
        }
        Ok(())
    }

    /// Everything works again from now on.
    ///
    /// # Errors
    /// A node cannot be started.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        self.net.note(format_args!("everything is healed"));
        self.net.set_links(|link| *link = Link::default());
        for node in 0..self.hosts.len() {
            self.with(node, |host| {
                host.disk.set_sync(1);
                host.pause(false);
            });
            self.boot(node)?;
            self.drain(node, false);
        }
        Ok(())
    }

    fn with(&mut self, node: usize, change: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(node) {
            change(host);
        }
    }

    fn crash(&mut self, node: usize, resets: bool) {
        self.back.remove(&node);
        self.with(node, |host| host.crash(resets));
    }

    fn cut(&self, from: usize, to: usize, cut: bool) {
        self.net.set_link(HostId(from), HostId(to), |link| link.cut = cut);
    }

    /// Cuts a node off: what it says, what it hears; from the far ends, too.
    fn cut_all(&self, node: usize, (says, hears): (bool, bool), far_ends: bool) {
        let others = if far_ends { self.hosts.len() + 3 } else { self.hosts.len() };
        for other in (0..others).filter(|other| *other != node) {
            if says {
                self.cut(node, other, true);
            }
            if hears {
                self.cut(other, node, true);
            }
        }
    }

    fn mend(&self, node: usize) {
        for other in (0..self.hosts.len() + 3).filter(|other| *other != node) {
            self.cut(node, other, false);
            self.cut(other, node, false);
        }
    }

    /// Asks any node that runs.
    fn drain(&self, node: usize, draining: bool) {
        let asked = self.hosts.iter().find_map(|host| Some((host, host.started()?)));
        let Some((host, started)) = asked else { return };
        let id = NodeId(u64::try_from(node).unwrap_or(u64::MAX) + 1);
        host.spawn(async move {
            // A cluster without a majority refuses; the run goes on without.
            let _refused = started.api.set_draining(id, draining).await;
        });
    }

    fn hang_up(&self, node: usize) {
        let Some(host) = self.hosts.get(node) else { return };
        let Some(started) = host.started() else { return };
        host.spawn(async move {
            let calls = started.raft.state().calls(None, 1);
            if let Some(call) = calls.ok().and_then(|page| page.calls.into_iter().next()) {
                // It may have ended meanwhile.
                let _over = started.api.hang_up(call.call).await;
            }
        });
    }
}

/// Memory rather than a disk, where there is such a folder: what is synced there is never needed again.
fn scratch() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

fn clocks(random: &mut Random, skew: u64) -> Clocks {
    Clocks {
        origin: Duration::from_millis(random.between(10_000, 10_000_000)),
        wall: Duration::from_secs(TRUE_START_S) + Duration::from_millis(random.between(0, 200)),
        rate: 1_000_000 - skew + random.between(0, skew * 2),
    }
}
