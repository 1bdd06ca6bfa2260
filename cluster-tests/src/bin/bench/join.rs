//! A node without anything joins a cluster that has much: months of call detail records, and many calls
//! up, while others come and go.
//!
//! The records are put into the nodes' data folders by `bench-store`, which knows what is in them, before
//! they are started; restored from a backup first, so that their log does not reach back to the
//! beginning, and whoever joins has to get a snapshot, as in a cluster that has run for months.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Joiner, Metrics, RPC_PORT};
use serde::Serialize;
use tokio::time::Instant;

use super::figures::{Quantiles, round, short};
use super::run::{Plan, Stand};
use super::system::{Ingress, Kind, System};
use super::{note, say, up};

/// What the join of an empty node takes, and what it does to the others.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Join {
    /// Call detail records in the cluster's state.
    pub(crate) records: u64,
    /// Calls held up.
    pub(crate) calls: u32,
    /// Calls per second beside.
    pub(crate) rate: u32,
    /// From the start of the process that joins until calls may fail over to it, in seconds.
    pub(crate) join_s: f64,
    /// Bytes of the snapshot that it got.
    pub(crate) snapshot_bytes: u64,
    /// From a command's submission to its reply at the other nodes, before.
    pub(crate) before: Option<Quantiles>,
    /// The same from the start of the process that joins until calls may fail over to it.
    pub(crate) during: Option<Quantiles>,
    /// Calls of the load beside that did not go as they should.
    pub(crate) failed: u64,
    /// Calls of the load beside.
    pub(crate) placed: u64,
}

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Much {
    /// Call detail records.
    pub(crate) records: u64,
    /// Calls up.
    pub(crate) calls: u32,
    /// Calls per second beside.
    pub(crate) rate: u32,
}

/// Measures it on fresh clusters.
pub(crate) async fn measure(
    runs: u32,
    much: Much,
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Vec<Join> {
    let mut all = Vec::new();
    for _ in 0..runs {
        match one(much, options, plan).await {
            Ok(join) => {
                say(&join.line());
                all.push(join);
            }
            Err(error) => note(broken, format!("join: {error:#}")),
        }
    }
    all
}

async fn one(much: Much, options: &ClusterOptions, plan: &Plan) -> Result<Join> {
    let max_calls = Some(u64::from(much.calls) * 2 + 50_000);
    let options = ClusterOptions { max_calls, ..options.clone() };
    let cluster = with_records(&options, much.records).await?;
    let system = System::holdline(cluster, Ingress::Follower).await?;
    let mut stand = Stand::beside(Kind::Holdline3, system)?;
    stand.warm_up(plan).await?;
    wait_indexed(stand.system.cluster().context("not a cluster")?, much.records).await?;
    let _held = up::hold(&stand, much.calls, SET_UP_RATE).await?;
    let seconds = u32::try_from((BEFORE * 2 + LIMIT).as_secs())?;
    let callers = stand.start_callers(&Plan { rate: much.rate, seconds, ..*plan })?;
    tokio::time::sleep(BEFORE / 2).await;
    let cluster = stand.system.cluster().context("not a cluster")?;
    let at_first = others(cluster).await?;
    tokio::time::sleep(BEFORE).await;
    let before = others(cluster).await?;
    let join_s = join(cluster).await?;
    let during = others(cluster).await?;
    let snapshot_bytes = bytes_in(&cluster.node(JOINER)?.data_dir.join("snapshots"))?;
    cluster.check_alive()?;
    let (mut placed, mut failed) = (0, 0);
    for caller in callers {
        let ended = caller.end().await?;
        // Those that were cut off by the end are no failures.
        failed += ended.failed;
        placed += ended.failed + ended.successful;
    }
    stand.end_now()?;
    let commit = |from, to| Quantiles::between("holdline_commit_seconds", from, to);
    Ok(Join {
        records: much.records,
        calls: much.calls,
        rate: much.rate,
        join_s: round(join_s),
        snapshot_bytes,
        before: commit(&at_first, &before),
        during: commit(&before, &during),
        failed,
        placed,
    })
}

/// A cluster, not started, whose nodes have so many call detail records.
async fn with_records(options: &ClusterOptions, records: u64) -> Result<Cluster> {
    let mut cluster = Cluster::start(options).await?;
    let folder = cluster.folder().to_owned();
    let (backup, key) = (folder.join("backup"), folder.join("backup.key"));
    let (backup, key) = (path(&backup)?, path(&key)?);
    fs::write(&key, "5e".repeat(32))?;
    private(Path::new(&key))?;
    // An entry holds only so many records.
    for _ in 0..records.div_ceil(RECORDS_PER_ENTRY) {
        done(cluster.operator(&["cdr", "retention", "set", "90d"]))?;
    }
    done(cluster.operator(&["snapshot", "save", &backup, "--key-file", &key]))?;
    let mut folders = Vec::new();
    let ids: Vec<u64> = cluster.running().collect();
    for id in &ids {
        cluster.kill(*id)?;
    }
    for id in ids {
        let node = cluster.node(id)?;
        let (data, config) = (node.data_dir.clone(), path(&node.config)?);
        fs::remove_dir_all(&data)?;
        let mut restore = Command::new(cluster.program());
        restore.args(["snapshot", "restore", &backup, "--config", &config, "--key-file", &key]);
        done(restore)?;
        folders.push(data);
    }
    let began = Instant::now();
    let mut fill = Command::new(store_bench()?);
    fill.args(["records", "--count", &records.to_string()]).args(&folders);
    done(fill)?;
    let took = short(began.elapsed().as_secs_f64());
    say(&format!("join: {records} records are in each node's folder after {took} s"));
    Ok(cluster)
}

/// Starts the node that joins; how many seconds it takes until calls may fail over to it.
async fn join(cluster: &mut Cluster) -> Result<f64> {
    let seed = cluster.site().node(1, RPC_PORT);
    let began = Instant::now();
    cluster.join(JOINER, &Joiner::by(seed))?;
    loop {
        let members = cluster.admin(1).members().await?;
        let safe = members.members.iter().any(|it| it.id == JOINER && it.safe);
        if safe && members.standing(JOINER) == "voter" {
            return Ok(began.elapsed().as_secs_f64());
        }
        ensure!(began.elapsed() < LIMIT, "node {JOINER} has not caught up after {LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until each node has found out where its records are, which it does beside everything else.
async fn wait_indexed(cluster: &Cluster, records: u64) -> Result<()> {
    let began = Instant::now();
    loop {
        let nodes = others(cluster).await?;
        let indexed = |node: &Metrics| node.sum("holdline_cdrs_indexed_total", &[]);
        if nodes.iter().all(|node| indexed(node) >= records as f64) {
            let took = short(began.elapsed().as_secs_f64());
            say(&format!("join: every node has indexed them after {took} s"));
            return Ok(());
        }
        ensure!(began.elapsed() < LIMIT, "the records are not indexed after {LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The metrics of the nodes that were there before.
async fn others(cluster: &Cluster) -> Result<Vec<Metrics>> {
    let mut all = Vec::new();
    for id in cluster.running().filter(|id| *id != JOINER) {
        all.push(cluster.admin(id).metrics().await?);
    }
    Ok(all)
}

fn done(mut command: Command) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

/// `bench-store`, which is built beside this program.
fn store_bench() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("bench-store");
    ensure!(
        program.is_file(),
        "no program at {}: build it with `cargo build --release -p holdline-store-bench`",
        program.display()
    );
    Ok(program)
}

fn bytes_in(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn path(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path that is no text")?.to_owned())
}

/// Secrets that others can read are refused.
fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

impl Join {
    fn line(&self) -> String {
        let p99 = |times: Option<Quantiles>| times.map_or("–".into(), |it| short(it.p99_ms));
        format!(
            "join: {} records and {} calls up, {} calls/s beside: safe to fail over to after {} s; \
             p99 of commits {} ms before, {} ms meanwhile; {} of {} calls failed",
            self.records,
            self.calls,
            self.rate,
            short(self.join_s),
            p99(self.before),
            p99(self.during),
            self.failed,
            self.placed,
        )
    }
}

/// The number of the node that joins.
const JOINER: u64 = 4;
/// As many as `bench-store` gives to an entry that was applied, or fewer.
const RECORDS_PER_ENTRY: u64 = 60_000;
/// Calls per second while the calls are set up.
const SET_UP_RATE: u32 = 500;
const BEFORE: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(100);
