//! The cluster and the two agents, in their place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdline_cluster_tests::cluster::{Admin, Cluster, ClusterOptions, Health, Site};
use holdline_cluster_tests::ua::Agent;
use tokio::time::Instant;

use super::disk::Disk;
use super::lan::{CONTROL, INTERFACE, Lan, NETWORK};
use super::place::{FAKETIME, Needs, Place};
use super::tools::Tools;
use crate::history::Recorder;

/// Nodes of every run.
pub const NODES: u64 = 3;
/// Pause between two looks at the cluster.
const POLL: Duration = Duration::from_millis(50);
/// How long nodes may take to be ready for the first time.
const START_LIMIT: Duration = Duration::from_secs(60);
/// What is said of a node that is drained.
pub const DRAINED: &str = "is drained";
/// What is said of a node that was not running.
const STARTED: &str = "was started";
/// A node that is still drained after so long stays so.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// Starts after which a node is given up.
const STARTS: u32 = 12;
/// Not a secret: every run has it, and only hosts of its own see it.
const TOKEN: &str = "jepsen-0123456789-jepsen-0123456789";
/// How long the switch lets calls last if a fault needs them to end by themselves.
pub const SHORT_CALLS_MS: u64 = 3000;
/// How far apart the monotonic clocks of two hosts begin, in seconds.
const ORIGINS_APART_S: u64 = 100_000;

/// The two sides of all calls.
#[derive(Debug)]
pub struct Agents {
    /// Who calls.
    pub caller: Agent,
    /// Who is called.
    pub callee: Agent,
}

/// A cluster, its agents, and what strikes it.
#[derive(Debug)]
pub struct World {
    /// The processes.
    pub cluster: Cluster,
    /// The agents.
    pub agents: Arc<Agents>,
    /// Where everything is written down.
    pub recorder: Recorder,
    /// Programs that faults use.
    pub tools: Option<Tools>,
    /// Data folders that are file systems.
    pub disks: BTreeMap<u64, Disk>,
    // Last, so that it goes when the processes have ended.
    place: Place,
}

/// How a cluster came back.
#[derive(Clone, Debug)]
pub struct Converge {
    /// Whether it did in time.
    pub ok: bool,
    /// How long it took.
    pub took: Duration,
    /// What was still wrong.
    pub missing: String,
}

impl World {
    /// Starts a cluster and the agents. The calling thread must be on the client's host already.
    ///
    /// # Errors
    /// If something cannot be had, or the cluster is not ready within a minute.
    pub async fn open(
        place: Place,
        needs: &[Needs],
        seed: u64,
        recorder: Recorder,
    ) -> anyhow::Result<Self> {
        let (site, options) = match &place {
            Place::Lan(_) => {
                let options = ClusterOptions {
                    interface: Some(INTERFACE.into()),
                    admin_token: Some(TOKEN.into()),
                    ..options(needs)
                };
                (Site::made(NETWORK, CONTROL), options)
            }
            Place::Loopback { .. } => {
                let options = options(needs);
                (Site::claim(options.nodes)?, options)
            }
        };
        let cluster = Cluster::prepare_at(site, &options)?;
        let agents = Agents {
            caller: Agent::start(cluster.site().caller(), seed.wrapping_mul(2))?,
            callee: Agent::start(cluster.site().callee(), seed.wrapping_mul(2).wrapping_add(1))?,
        };
        let tools = needs.iter().any(|need| matches!(need, Needs::Disk | Needs::Shim));
        let tools = if tools { Some(Tools::build(cluster.folder())?) } else { None };
        let agents = Arc::new(agents);
        let mut world = Self { cluster, agents, recorder, tools, disks: BTreeMap::new(), place };
        for id in 1..=NODES {
            world.equip(id, needs).with_context(|| format!("preparing node {id}"))?;
        }
        for id in 1..=NODES {
            world.cluster.restart(id)?;
        }
        let up = world.converge(START_LIMIT).await;
        anyhow::ensure!(up.ok, "the cluster is not ready after {START_LIMIT:?}: {}", up.missing);
        Ok(world)
    }

    /// What stands between a node and its host.
    fn equip(&mut self, id: u64, needs: &[Needs]) -> anyhow::Result<()> {
        let folder = self.cluster.folder().to_owned();
        let mut wrapper = self.lan().map(|lan| lan.wrapper(id)).unwrap_or_default();
        if needs.contains(&Needs::Origins) {
            let origin = (id * ORIGINS_APART_S).to_string();
            wrapper.extend(["unshare", "-T", "--monotonic"].map(str::to_owned));
            wrapper.push(origin);
        }
        let mut preload = Vec::new();
        let mut env = vec![("HOLDLINE_MUTANT_NODE".to_owned(), id.to_string())];
        if let Some(tools) = self.tools.as_ref().filter(|_| needs.contains(&Needs::Shim)) {
            preload.push(tools.fsync_shim.display().to_string());
            let control = folder.join(format!("fsync-{id}")).display().to_string();
            env.push(("JEPSEN_FSYNC_CONTROL".to_owned(), control));
        }
        if needs.contains(&Needs::FakeTime) {
            preload.push(FAKETIME.to_owned());
            let clock = folder.join(format!("clock-{id}"));
            std::fs::write(&clock, "+0\n")?;
            env.push(("FAKETIME_TIMESTAMP_FILE".to_owned(), clock.display().to_string()));
            env.push(("FAKETIME_NO_CACHE".to_owned(), "1".to_owned()));
            env.push(("FAKETIME_DONT_FAKE_MONOTONIC".to_owned(), "1".to_owned()));
        }
        if !preload.is_empty() {
            env.push(("LD_PRELOAD".to_owned(), preload.join(":")));
        }
        let node = self.cluster.node(id)?;
        node.wrapper = wrapper;
        node.env = env;
        let data_dir = node.data_dir.clone();
        if needs.contains(&Needs::Disk) {
            let disk = Disk::mount(&data_dir)?;
            // The node's folder is to be empty, as on its first day.
            std::fs::remove_dir(data_dir.join("lost+found"))?;
            self.disks.insert(id, disk);
        }
        Ok(())
    }

    /// The hosts, if there are any.
    #[must_use]
    pub const fn lan(&self) -> Option<&Lan> {
        match &self.place {
            Place::Lan(lan) => Some(lan),
            Place::Loopback { .. } => None,
        }
    }

    /// The hosts.
    ///
    /// # Errors
    /// If there are none: a fault that needs them was not to be chosen.
    pub fn hosts(&self) -> anyhow::Result<&Lan> {
        self.lan().context("this world has no hosts")
    }

    /// `lan` or `loopback`.
    #[must_use]
    pub const fn place(&self) -> &'static str {
        self.place.word()
    }

    /// All nodes' numbers.
    pub fn ids(&self) -> impl Iterator<Item = u64> + use<> {
        1..=NODES
    }

    /// The admin API of each node.
    #[must_use]
    pub fn admins(&self) -> Vec<(u64, Admin)> {
        self.ids().map(|id| (id, self.cluster.admin(id))).collect()
    }

    /// The leader that the node with the newest term knows of.
    ///
    /// # Errors
    /// If nobody knows one within 20 s.
    pub async fn leader(&self) -> anyhow::Result<u64> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut newest: Option<Health> = None;
            for (_, admin) in self.admins() {
                let Ok(health) = admin.health().await else { continue };
                if newest.as_ref().is_none_or(|known| known.term < health.term) {
                    newest = Some(health);
                }
            }
            if let Some(leader) = newest.and_then(|health| health.leader) {
                return Ok(leader);
            }
            anyhow::ensure!(Instant::now() < deadline, "no node knows a leader");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts every node that does not run, and waits until all are up, agree, and have their slots.
    pub async fn converge(&mut self, limit: Duration) -> Converge {
        let start = Instant::now();
        let mut starts = 0;
        loop {
            let missing = match self.missing().await {
                Ok(missing) => missing,
                Err(error) => format!("{error:#}"),
            };
            let took = start.elapsed();
            starts += u32::from(missing.ends_with(STARTED));
            // A node that ends again and again will not come back.
            // Somebody has to undrain it.
            let drained = missing.ends_with(DRAINED) && took >= DRAIN_LIMIT;
            if missing.is_empty() || took >= limit || starts > STARTS || drained {
                return Converge { ok: missing.is_empty(), took, missing };
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What is still wrong; empty if nothing is.
    async fn missing(&mut self) -> anyhow::Result<String> {
        for id in self.ids() {
            self.reap(id).await?;
            if !self.cluster.node(id)?.started() {
                self.cluster.restart(id)?;
                return Ok(format!("node {id} {STARTED}"));
            }
        }
        for (id, admin) in self.admins() {
            let health = match admin.health().await {
                Ok(health) => health,
                Err(error) => return Ok(format!("node {id}: {error}")),
            };
            if let Some(drained) = health.members.iter().find(|member| member.draining) {
                return Ok(format!("node {} {DRAINED}", drained.id));
            }
            if health.status != "green" {
                return Ok(format!("node {id} says {}", health.status));
            }
            if let Some(away) = health.members.iter().find(|m| m.slots_owned != m.slots_home) {
                let what = format!("node {} owns {} slots", away.id, away.slots_owned);
                return Ok(format!("node {id} says: {what}, {} are its own", away.slots_home));
            }
            if !admin.ready().await {
                return Ok(format!("node {id} is not ready"));
            }
        }
        Ok(String::new())
    }

    /// Forgets a process that has ended by itself; says whether it had.
    ///
    /// # Errors
    /// If there is no such node.
    pub async fn reap(&mut self, id: u64) -> anyhow::Result<bool> {
        let node = self.cluster.node(id)?;
        if node.exited().is_none() {
            return Ok(false);
        }
        node.wait_exit(Duration::from_secs(1)).await?;
        Ok(true)
    }
}

/// How the nodes are configured: with snapshots so often that a node that was away needs one.
fn options(needs: &[Needs]) -> ClusterOptions {
    let short = needs.contains(&Needs::ShortCalls);
    ClusterOptions {
        raft: vec![("snapshot_every".into(), 400), ("snapshot_keep".into(), 50)],
        max_call_duration_ms: short.then_some(SHORT_CALLS_MS),
        ..ClusterOptions::default()
    }
}
