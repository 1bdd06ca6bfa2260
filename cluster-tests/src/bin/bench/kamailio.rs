//! Kamailio as a peer: its processes, started and ended by us.

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use holdline_cluster_tests::cluster::{SIP_PORT, Site};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::time::Instant;

use super::process;

/// How long it may take from start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long the nodes get to hear of one another; the module offers no way to ask.
const DMQ_SETTLE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
/// Shared and private memory of a node, in MiB: more than it needs.
const MEMORY: [&str; 4] = ["-m", "1024", "-M", "32"];

/// One or several nodes.
#[derive(Debug)]
pub(crate) struct Kamailio {
    site: Site,
    folder: TempDir,
    nodes: Vec<Child>,
}

/// Its version, if it is installed; otherwise what is missing and how to install it.
pub(crate) fn version(dmq: bool) -> Result<String, String> {
    let output = Command::new("kamailio").arg("-v").output().map_err(|_| {
        "Kamailio is not installed: apt-get install -y --no-install-recommends kamailio".to_owned()
    })?;
    if dmq && modules().is_none_or(|folder| !folder.join("dmq.so").is_file()) {
        return Err("Kamailio's module dmq is not installed: \
                    apt-get install -y --no-install-recommends kamailio-extra-modules"
            .into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.trim_start_matches("version: ").to_owned())
}

/// Debian puts modules into a folder of the machine's architecture.
fn modules() -> Option<PathBuf> {
    let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
    let places = libraries.map(|entry| entry.path().join("kamailio/modules"));
    places.chain(["/usr/lib/kamailio/modules".into()]).find(|path| path.is_dir())
}

impl Kamailio {
    /// Starts nodes and waits until they answer; several replicate their dialogs over DMQ.
    pub(crate) async fn start(nodes: u8) -> Result<Self> {
        let site = Site::claim(nodes)?;
        let folder = tempfile::Builder::new().prefix("holdline-peer-").tempdir()?;
        let mut this = Self { site, folder, nodes: Vec::new() };
        for id in 1..=u64::from(nodes) {
            let child = this.command(id, u64::from(nodes))?.spawn().context("kamailio")?;
            this.nodes.push(child);
        }
        for id in 1..=u64::from(nodes) {
            this.wait_answer(id).await?;
        }
        if nodes > 1 {
            tokio::time::sleep(DMQ_SETTLE).await;
        }
        Ok(this)
    }

    fn command(&self, id: u64, nodes: u64) -> Result<Command> {
        let folder = self.folder.path();
        let log = File::create(self.log(id))?;
        let modules = modules().context("the folder of Kamailio's modules was not found")?;
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/kamailio.cfg");
        let sip = |id| self.site.node(id, SIP_PORT);
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(config).args(["-DD", "-E"]).args(MEMORY);
        command.arg("-L").arg(format!("{}/", modules.display()));
        command.arg("-l").arg(format!("udp:{}", sip(id)));
        command.arg("-P").arg(folder.join(format!("{id}.pid"))).arg("-Y").arg(folder);
        let uri = |name: &str, address: SocketAddr| format!("{name}=\"sip:{address}\"");
        command.args(["-A", &uri("UASADDR", self.site.sipp_callee())]);
        command.args(["-A", &uri("PROBEADDR", self.site.callee())]);
        if nodes > 1 {
            command.args(["-A", "WITH_DMQ", "-A", &uri("DMQADDR", sip(id))]);
            command.args(["-A", &uri("DMQPEER", sip(id % nodes + 1))]);
        }
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        // A group of its own: its children are found by it, and Ctrl-C is ours to handle.
        command.process_group(0);
        Ok(command)
    }

    /// Its addresses.
    pub(crate) const fn site(&self) -> &Site {
        &self.site
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The processes of each node.
    pub(crate) fn pids(&self) -> Vec<Vec<u32>> {
        self.nodes.iter().map(|node| process::group(node.id())).collect()
    }

    /// An error if a node has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        for (node, id) in self.nodes.iter_mut().zip(1..) {
            if let Some(status) = node.try_wait()? {
                let log = self.folder.path().join(format!("{id}.log"));
                let log = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(15).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                bail!("Kamailio {id} ended ({status}); its log's end:\n{}", tail.join("\n"));
            }
        }
        Ok(())
    }

    fn log(&self, id: u64) -> PathBuf {
        self.folder.path().join(format!("{id}.log"))
    }

    /// It answers OPTIONS as soon as its children listen.
    async fn wait_answer(&mut self, id: u64) -> Result<()> {
        let to = self.site.node(id, SIP_PORT);
        let socket = UdpSocket::bind(self.site.address(130, 0))?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let options = format!(
            "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKready{id}\r\n\
             From: <sip:bench@{local}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: ready{id}@bench\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let deadline = Instant::now() + START_LIMIT;
        let mut answer = [0; 2048];
        loop {
            self.check_alive()?;
            // Refused as long as nobody listens.
            let _refused = socket.send_to(options.as_bytes(), to);
            tokio::time::sleep(POLL).await;
            if socket.recv(&mut answer).is_ok() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "Kamailio {id} does not answer on {to}");
        }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // A group that has gone already is what is wanted; it leaves nothing behind but files.
            let _gone = kill_process_group(Pid::from_child(node), Signal::KILL);
            let _reaped = node.wait();
        }
    }
}
