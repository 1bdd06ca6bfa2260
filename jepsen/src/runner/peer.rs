//! The peer's column: the same callers, callees, kills and ledgers against a cluster of three
//! Kamailio nodes from Debian, with dialogs over DMQ.
//!
//! The harness moves the floating address itself, [`MOVE_AFTER`] the kill, to a node that is alive,
//! and makes every host forget where it was: sooner and more surely than an operator's keepalived
//! would. Kamailio writes no records here, so that a call counts as kept if its two users were
//! served; that is easier than what is asked of Holdline.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdline_cluster_tests::cluster::{SIP_PORT, Site};
use holdline_cluster_tests::ua::Agent;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::plan::{RATE, commit, now};
use super::salvo::{Half, Salvo};
use super::{END_LIMIT, FRESH, Say, WARM_UP, background};
use crate::fact::{Effect, Heal, Inject, Run};
use crate::history::{History, Recorder};
use crate::workload::{Calls, Dice, Kind};
use crate::world::{Agents, Lan, NODES, Place, has};

/// How long after a kill the address moves.
const MOVE_AFTER: Duration = Duration::from_millis(300);
/// How long a node is dead.
const DEAD: Duration = Duration::from_secs(4);
/// How long a node is given to find the others again: DMQ pings once a minute, and announces a new
/// node at once.
const BACK: Duration = Duration::from_secs(3);
/// The configuration.
const CONFIG: &str = include_str!("../../peers/kamailio.cfg");

/// Why there is no peer's column.
#[derive(Debug, thiserror::Error)]
pub enum PeerMissing {
    /// It is not installed.
    #[error("kamailio is missing: apt-get install kamailio kamailio-extra-modules")]
    NotInstalled,
    /// It needs hosts.
    #[error("it needs hosts of its own (root and network namespaces)")]
    NoHosts,
}

/// Kamailio nodes on hosts; ended when dropped.
struct Nodes {
    // First, so that they end before their hosts go.
    children: Vec<Option<Child>>,
    folder: tempfile::TempDir,
    site: Site,
    lan: Lan,
}

/// Kills each of the nodes so many times, with calls in every phase.
///
/// # Errors
/// [`PeerMissing`] if there is nothing to run; else if the run could not be carried through.
pub async fn run_peer(
    place: Place,
    kills: u64,
    seed: u64,
    say: Say<'_>,
) -> anyhow::Result<History> {
    if !has("kamailio") {
        return Err(PeerMissing::NotInstalled.into());
    }
    let Place::Lan(lan) = place else { return Err(PeerMissing::NoHosts.into()) };
    let recorder = Recorder::default();
    recorder.fact("run", "run", &fact(kills, seed));
    let mut nodes = Nodes::start(lan)?;
    let agents = Arc::new(Agents {
        caller: Agent::start(nodes.site.caller(), seed.wrapping_mul(2))?,
        callee: Agent::start(nodes.site.callee(), seed.wrapping_mul(2).wrapping_add(1))?,
    });
    let calls = Arc::new(Calls::new(agents, recorder.clone()).await?);
    let mut dice = Dice::new(seed);
    let mut tasks = JoinSet::new();
    let watched = Arc::clone(&calls);
    tasks.spawn(async move { watched.watch().await });
    tokio::time::sleep(BACK).await;
    let addresses: Vec<_> = (1..=NODES).map(|id| (id, nodes.site.node(id, SIP_PORT))).collect();
    let mut traffic = JoinSet::new();
    traffic.spawn(background(Arc::clone(&calls), addresses.clone(), RATE, dice.fork()));
    tokio::time::sleep(WARM_UP).await;
    for id in 1..=kills {
        let node = dice.between(1, NODES);
        say(&format!("fault {id} of {kills}: kill (kamailio {node})"));
        nodes.strike(id, node, &calls, &recorder, &mut dice).await?;
        tokio::time::sleep(DEAD / 3).await;
    }
    traffic.abort_all();
    for via in addresses {
        calls.place(Kind::FRESH, via, FRESH / 3, None).await?;
    }
    let deadline = Instant::now() + END_LIMIT;
    while calls.still_open() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    calls.give_up();
    calls.testify();
    Ok(recorder.history())
}

fn fact(kills: u64, seed: u64) -> Run {
    Run {
        system: "kamailio".into(),
        workloads: vec!["calls".into()],
        planned: (0..kills).map(|_| "kill-random".to_owned()).collect(),
        phases: Kind::PHASES.iter().map(|kind| kind.phase.to_owned()).collect(),
        seed,
        command: format!("cargo run -p jepsen -- peer --kills {kills} --seed {seed}"),
        commit: commit(),
        started: now(),
        world: "lan".into(),
        transport: "udp".into(),
        nodes: NODES,
        ..Run::default()
    }
}

impl Nodes {
    fn start(lan: Lan) -> anyhow::Result<Self> {
        let (network, control) = Lan::networks();
        let site = Site::made(network, control);
        let folder = tempfile::Builder::new().prefix("jepsen-kamailio-").tempdir()?;
        let children = (0..NODES).map(|_| None).collect();
        let mut nodes = Self { children, folder, site, lan };
        for id in 1..=NODES {
            let host = Lan::host_name(id);
            let namespace = nodes.lan.namespace(&host);
            // A node listens on addresses that it may get later.
            let allow = "sysctl -q -w net.ipv4.ip_nonlocal_bind=1";
            crate::world::run(&format!("ip netns exec {namespace} {allow}"))?;
            nodes.lan.ip(&host, &nodes.address("add", id))?;
            nodes.launch(id)?;
        }
        Ok(nodes)
    }

    fn address(&self, what: &str, id: u64) -> String {
        format!("address {what} {}/32 dev eth0", self.site.node(id, SIP_PORT).ip())
    }

    fn config(&self, id: u64) -> anyhow::Result<PathBuf> {
        let mut text = CONFIG.to_owned();
        let first = if id == 1 { 2 } else { 1 };
        for place in 1..=NODES {
            let ip = self.site.node(place, SIP_PORT).ip().to_string();
            text = text.replace(&format!("VIP{place}"), &ip);
        }
        for (word, ip) in [
            ("OWN", self.site.node(id, 0).ip()),
            ("FIRST", self.site.node(first, 0).ip()),
            ("UAS", self.site.callee().ip()),
        ] {
            let ip = ip.to_string();
            let replaced = |line: &str| {
                let comment = line.trim_start().starts_with('#');
                if comment { line.to_owned() } else { line.replace(word, &ip) }
            };
            text = text.lines().map(replaced).collect::<Vec<_>>().join("\n");
        }
        let path = self.folder.path().join(format!("kamailio-{id}.cfg"));
        std::fs::write(&path, text + "\n")?;
        Ok(path)
    }

    fn launch(&mut self, id: u64) -> anyhow::Result<()> {
        let config = self.config(id)?;
        let run = self.folder.path().join(format!("run-{id}"));
        std::fs::create_dir_all(&run)?;
        let log = std::fs::File::options().create(true).append(true).open(run.join("log"))?;
        let wrapper = self.lan.wrapper(id);
        let (program, args) = wrapper.split_first().context("no wrapper")?;
        let child = Command::new(program)
            .args(args)
            .args(["kamailio", "-DD", "-f"])
            .arg(config)
            .arg("-Y")
            .arg(&run)
            .arg("-P")
            .arg(run.join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("kamailio")?;
        let place = usize::try_from(id - 1)?;
        *self.children.get_mut(place).context("no such node")? = Some(child);
        Ok(())
    }

    /// Kills a node with all its processes.
    fn kill(&mut self, id: u64) -> anyhow::Result<Vec<u32>> {
        let place = usize::try_from(id - 1)?;
        let Some(mut child) = self.children.get_mut(place).and_then(Option::take) else {
            anyhow::bail!("kamailio {id} does not run");
        };
        let family = family(child.id());
        for pid in &family {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw) {
                // A process that has gone already is as good.
                let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        child.wait()?;
        Ok(family)
    }

    async fn strike(
        &mut self,
        id: u64,
        node: u64,
        calls: &Calls,
        recorder: &Recorder,
        dice: &mut Dice,
    ) -> anyhow::Result<()> {
        let heir = node % NODES + 1;
        let via = (node, self.site.node(node, SIP_PORT));
        let mut salvo = Salvo::load(calls, id, via).await?;
        salvo.fire(Half::Before).await?;
        tokio::time::sleep(Duration::from_micros(dice.between(0, 6000))).await;
        let inject = Inject { id, fault: "kill-random".into(), targets: vec![node], leader: None };
        recorder.fact("nemesis", "inject", &inject);
        let killed = self.kill(node)?;
        salvo.fire(Half::After).await?;
        // A process that nobody has waited for yet has no command line any more (proc(5)).
        let command = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut gone = false;
        for _ in 0..50 {
            gone = killed.iter().all(|pid| command(pid).is_empty());
            if gone {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let evidence =
            format!("{} processes killed; the address moves to node {heir}", killed.len());
        recorder.fact("nemesis", "effect", &Effect { id, took_effect: gone, evidence });
        tokio::time::sleep(MOVE_AFTER).await;
        self.move_address(node, node, heir)?;
        salvo.go_on().await?;
        tokio::time::sleep(DEAD).await;
        recorder.fact("nemesis", "heal", &Heal { id });
        self.launch(node)?;
        tokio::time::sleep(BACK).await;
        self.move_address(node, heir, node)?;
        recorder.fact("nemesis", "healed", &Heal { id });
        salvo.finish().await?;
        Ok(())
    }

    /// Moves the address that belongs to a node from one host to another.
    fn move_address(&self, of: u64, from: u64, to: u64) -> anyhow::Result<()> {
        let ip = self.site.node(of, SIP_PORT).ip();
        self.lan.ip(&Lan::host_name(from), &self.address("del", of))?;
        self.lan.ip(&Lan::host_name(to), &self.address("add", of))?;
        for host in (1..=NODES).map(Lan::host_name).chain(["client".to_owned()]) {
            self.lan.ip(&host, &format!("neigh flush to {ip}"))?;
        }
        Ok(())
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for id in 1..=NODES {
            // Those that do not run need no end.
            let _ended = self.kill(id);
        }
    }
}

/// A process and its descendants.
fn family(parent: u32) -> Vec<u32> {
    let mut all = vec![parent];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(path).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    all
}
