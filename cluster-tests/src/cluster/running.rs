//! A cluster of real processes in a temporary folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::admin::{Admin, AdminError};
use super::binary::{BinaryMissing, holdline_binary};
use super::config::{ADMIN_PORT, CERTS, ClusterOptions, Joiner, SIP_PORT, TOKEN_FILE, Transport};
use super::node::{Node, NodeError};
use super::site::{Site, SiteTaken};
use super::view::{CdrView, Health};
use crate::ua::{Certificates, Over};

/// Pause between looks at a condition that is waited for.
const POLL: Duration = Duration::from_millis(20);
/// How long a cluster may take from start to ready.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Log lines printed for a node of a cluster that failed.
const TAIL_LINES: usize = 40;

/// Real processes, ended when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    site: Site,
    program: PathBuf,
    nodes: BTreeMap<u64, Node>,
    folder: Option<TempDir>,
    token: Option<String>,
    passed: bool,
    options: ClusterOptions,
}

/// Why a cluster is not as it should be.
#[derive(thiserror::Error)]
pub enum ClusterError {
    /// No program to start.
    #[error(transparent)]
    Binary(#[from] BinaryMissing),
    /// No addresses.
    #[error(transparent)]
    Site(#[from] SiteTaken),
    /// The folder or a file in it.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A process.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The admin API.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A node ended although nobody told it to.
    #[error("node {id} ended by itself ({status}); the end of its log:\n{tail}")]
    Died {
        /// Which node.
        id: u64,
        /// How.
        status: std::process::ExitStatus,
        /// The end of its log.
        tail: String,
    },
    /// No such node, or none that runs.
    #[error("no such node is running")]
    NoNode,
    /// A condition was not met in time.
    #[error("not within {limit:?}: {what}; last seen: {seen}")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
        /// What was seen last.
        seen: String,
    },
}

debug_in_words!(ClusterError);

impl Cluster {
    /// Writes the configuration of a cluster on addresses that nobody uses; starts nothing.
    ///
    /// # Errors
    /// If there is no program, no address or no room.
    pub fn prepare(options: &ClusterOptions) -> Result<Self, ClusterError> {
        Self::prepare_at(Site::claim(options.nodes)?, options)
    }

    /// The same on given addresses.
    ///
    /// # Errors
    /// As [`Cluster::prepare`].
    pub fn prepare_at(site: Site, options: &ClusterOptions) -> Result<Self, ClusterError> {
        let program = holdline_binary()?;
        let file = |path: &Path, cause| ClusterError::File { path: path.to_owned(), cause };
        let folder = tempfile::Builder::new().prefix("holdline-").tempdir();
        let folder = folder.map_err(|cause| file(&std::env::temp_dir(), cause))?;
        if options.has_tls() {
            let made = Certificates::make(folder.path(), &site.addresses());
            made.map_err(|cause| file(folder.path(), cause))?;
        }
        if options.node_tls {
            let dir = folder.path().join(CERTS);
            certs(&program, &["init", "--cluster", &options.name], &dir)
                .map_err(|cause| file(&dir, cause))?;
            for id in 1..=u64::from(options.nodes) {
                certs(&program, &["issue", &id.to_string()], &dir)
                    .map_err(|cause| file(&dir, cause))?;
            }
        }
        let mut nodes = BTreeMap::new();
        for id in 1..=u64::from(options.nodes) {
            let node = options.node(id, folder.path());
            let text = options.toml(&site, id, &node.data_dir, None);
            fs::write(&node.config, text).map_err(|cause| file(&node.config, cause))?;
            nodes.insert(id, node);
        }
        let token = options.admin_token.clone();
        if let Some(token) = &token {
            let path = folder.path().join(TOKEN_FILE);
            let open = fs::File::options().create_new(true).write(true).mode(0o600).open(&path);
            let written = open.and_then(|mut file| file.write_all(token.as_bytes()));
            written.map_err(|cause| file(&path, cause))?;
        }
        let options = options.clone();
        Ok(Self { site, program, nodes, folder: Some(folder), token, passed: false, options })
    }

    /// Starts a node that joins, at the addresses of number `place`; does not wait. It gets that
    /// number only if it is the next one.
    ///
    /// # Errors
    /// If there is such a node already, or no room.
    pub fn join(&mut self, place: u64, joiner: &Joiner) -> Result<(), ClusterError> {
        self.prepare_join(place, joiner)?;
        let node = self.nodes.get_mut(&place).ok_or(ClusterError::NoNode)?;
        Ok(node.start(&self.program)?)
    }

    /// Writes the configuration of a node that joins; does not start it.
    ///
    /// # Errors
    /// If there is no room.
    pub fn prepare_join(&mut self, place: u64, joiner: &Joiner) -> Result<(), ClusterError> {
        let node = self.options.node(place, self.folder());
        let text = self.options.toml(&self.site, place, &node.data_dir, Some(joiner));
        let file = |cause| ClusterError::File { path: node.config.clone(), cause };
        fs::write(&node.config, text).map_err(file)?;
        self.nodes.insert(place, node);
        Ok(())
    }

    /// Takes a node that has ended out of the cluster's books.
    pub fn forget(&mut self, id: u64) {
        self.nodes.remove(&id);
    }

    /// How an agent speaks that uses a transport.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn over(&self, transport: Transport) -> Result<Over, ClusterError> {
        Ok(match transport {
            Transport::Udp => Over::Udp,
            Transport::Tcp => Over::Tcp,
            Transport::Tls => {
                let path = self.folder.as_ref().map_or_else(PathBuf::new, |f| f.path().to_owned());
                let read = Certificates::read(&path);
                Over::Tls(read.map_err(|cause| ClusterError::File { path, cause })?)
            }
        })
    }

    /// Starts a cluster and waits until it is ready.
    ///
    /// # Errors
    /// If that takes longer than 30 s, or a node ends.
    pub async fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let mut cluster = Self::prepare(options)?;
        cluster.start_all().await?;
        Ok(cluster)
    }

    /// Starts all nodes that do not run and waits until the cluster is ready: every node ready,
    /// every slot at home.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_all(&mut self) -> Result<(), ClusterError> {
        for node in self.nodes.values_mut().filter(|node| !node.started()) {
            node.start(&self.program)?;
        }
        self.wait_home(START_LIMIT).await
    }

    /// The program under test.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its addresses.
    #[must_use]
    pub const fn site(&self) -> &Site {
        &self.site
    }

    /// Where configuration, data and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// A node.
    ///
    /// # Errors
    /// If there is none of that number.
    pub fn node(&mut self, id: u64) -> Result<&mut Node, ClusterError> {
        self.nodes.get_mut(&id).ok_or(ClusterError::NoNode)
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The SIP address whose home is node `id`.
    #[must_use]
    pub fn sip(&self, id: u64) -> SocketAddr {
        self.site.node(id, SIP_PORT)
    }

    /// The command line as an operator uses it, against the nodes that run.
    #[must_use]
    pub fn operator(&self, args: &[&str]) -> Command {
        let urls: Vec<String> = self.running().map(|id| self.admin(id).url().to_owned()).collect();
        let mut command = Command::new(&self.program);
        command.args(args).args(["--url", &urls.join(",")]);
        command.envs(self.token.as_ref().map(|token| ("HOLDLINE_TOKEN", token)));
        command
    }

    /// The admin API of a node.
    #[must_use]
    pub fn admin(&self, id: u64) -> Admin {
        let admin = Admin::new(self.site.node(id, ADMIN_PORT));
        match &self.token {
            Some(token) => admin.with_token(token),
            None => admin,
        }
    }

    /// The admin API of the first node that runs.
    ///
    /// # Errors
    /// If none runs.
    pub fn any_admin(&self) -> Result<Admin, ClusterError> {
        let running = self.nodes.values().find(|node| node.started());
        running.map(|node| self.admin(node.id)).ok_or(ClusterError::NoNode)
    }

    /// Starts a node that was killed; does not wait.
    ///
    /// # Errors
    /// If it runs already.
    pub fn restart(&mut self, id: u64) -> Result<(), ClusterError> {
        let node = self.nodes.get_mut(&id).ok_or(ClusterError::NoNode)?;
        Ok(node.start(&self.program)?)
    }

    /// Kills a node with SIGKILL; the time is that just before.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self, id: u64) -> Result<Instant, ClusterError> {
        Ok(self.node(id)?.kill()?)
    }

    /// The Raft leader that the running nodes agree on.
    ///
    /// # Errors
    /// If they do not within 10 s.
    pub async fn leader(&mut self) -> Result<u64, ClusterError> {
        let limit = Duration::from_secs(10);
        let mut leader = None;
        self.wait(limit, "one leader that all running nodes see", |all| {
            leader = all.first().and_then(|health| health.leader);
            leader.is_some() && all.iter().all(|health| health.leader == leader)
        })
        .await?;
        leader.ok_or(ClusterError::NoNode)
    }

    /// Waits until all running nodes are ready and every slot is owned by its home.
    ///
    /// # Errors
    /// If that is not so in time, or a node ends.
    pub async fn wait_home(&mut self, limit: Duration) -> Result<(), ClusterError> {
        let deadline = Instant::now() + limit;
        self.wait(limit, "every slot at home, health as good as it gets", |all| {
            let home = |health: &Health| {
                // A cluster of one is never green: nobody takes over from it.
                let best = if health.members.len() == 1 { "yellow" } else { "green" };
                health.status == best
                    && health.members.iter().all(|m| m.slots_owned == m.slots_home)
                    && health.members.iter().any(|m| m.slots_owned > 0)
            };
            all.iter().all(home)
        })
        .await?;
        let mut waiting: Vec<u64> = self.running().collect();
        loop {
            let mut still = Vec::new();
            for id in waiting {
                if !self.admin(id).ready().await {
                    still.push(id);
                }
            }
            if still.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let (what, seen) = ("nodes ready".to_owned(), format!("nodes {still:?} are not"));
                return Err(ClusterError::Late { what, limit, seen });
            }
            waiting = still;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until what all running nodes say of the cluster meets a condition.
    ///
    /// # Errors
    /// If it does not in time, or a node ends.
    pub async fn wait(
        &mut self,
        limit: Duration,
        what: &str,
        mut met: impl FnMut(&[Health]) -> bool,
    ) -> Result<(), ClusterError> {
        let deadline = Instant::now() + limit;
        loop {
            self.check_alive()?;
            let mut all = Vec::new();
            let mut seen = String::new();
            for id in self.running() {
                match self.admin(id).health().await {
                    Ok(health) => all.push(health),
                    Err(error) => seen = format!("node {id}: {error}"),
                }
            }
            if seen.is_empty() && !all.is_empty() && met(&all) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let seen = if seen.is_empty() { format!("{all:?}") } else { seen };
                return Err(ClusterError::Late { what: what.to_owned(), limit, seen });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Call detail records, once there are at least `count`, as node `any` sees them.
    ///
    /// # Errors
    /// If there are fewer after `limit`.
    pub async fn wait_cdrs(
        &self,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<CdrView>, ClusterError> {
        let deadline = Instant::now() + limit;
        loop {
            let cdrs = self.any_admin()?.cdrs().await?;
            if cdrs.len() >= count {
                return Ok(cdrs);
            }
            if Instant::now() >= deadline {
                let (what, seen) = (format!("{count} CDRs"), format!("{} CDRs", cdrs.len()));
                return Err(ClusterError::Late { what, limit, seen });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// An error if a node has ended by itself.
    ///
    /// # Errors
    /// Which node, and the end of its log.
    pub fn check_alive(&mut self) -> Result<(), ClusterError> {
        for node in self.nodes.values_mut() {
            if let Some(status) = node.exited() {
                let tail = node.log_tail(TAIL_LINES);
                return Err(ClusterError::Died { id: node.id, status, tail });
            }
        }
        Ok(())
    }

    /// The test has passed: the folder is not kept. Fails if a node has ended by itself.
    ///
    /// # Errors
    /// As [`Cluster::check_alive`].
    pub fn pass(mut self) -> Result<(), ClusterError> {
        self.check_alive()?;
        self.passed = true;
        Ok(())
    }

    /// Whether dropping it shall remove the folder and print nothing, as after [`Cluster::pass`].
    pub const fn set_quiet(&mut self, quiet: bool) {
        self.passed = quiet;
    }

    /// Returns when every node that runs has applied what was decided before: the node that answers a
    /// request has, the others some milliseconds later. A linearizable read returns when its node has.
    ///
    /// # Errors
    /// If a node does not answer, or there is no majority.
    pub async fn settle(&self) -> Result<(), ClusterError> {
        for id in self.running() {
            self.admin(id).document("/v1/limits").await?;
        }
        Ok(())
    }

    /// Numbers of the nodes that were started and not killed.
    pub fn running(&self) -> impl Iterator<Item = u64> + use<> {
        let ids: Vec<u64> = self.nodes.values().filter(|n| n.started()).map(|n| n.id).collect();
        ids.into_iter()
    }
}

impl Cluster {
    /// Issues a certificate for a node, as an operator does; an older one is replaced.
    ///
    /// # Errors
    /// The program says no.
    pub fn issue(&self, id: u64) -> Result<(), ClusterError> {
        let dir = self.folder().join(CERTS);
        let issued = certs(&self.program, &["issue", &id.to_string()], &dir);
        issued.map_err(|cause| ClusterError::File { path: dir, cause })
    }
}

/// Runs `holdline certs`.
fn certs(program: &Path, arguments: &[&str], dir: &Path) -> io::Result<()> {
    let mut command = std::process::Command::new(program);
    let output = command.arg("certs").args(arguments).arg("--dir").arg(dir).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.passed {
            return;
        }
        let mut err = io::stderr().lock();
        let Some(folder) = self.folder.take() else { return };
        // What cannot be printed cannot be helped.
        for node in self.nodes.values() {
            let tail = node.log_tail(TAIL_LINES);
            let _shown = writeln!(err, "---- end of the log of node {} ----\n{tail}", node.id);
        }
        let path = folder.keep();
        let _shown = writeln!(err, "---- configuration, data and logs: {} ----", path.display());
    }
}
