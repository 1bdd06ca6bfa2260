//! Three processes of this program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::Engine;
use crate::report::Reached;
use crate::writers::Measured;

/// The processes, and where their data is. Ended when dropped.
pub(crate) struct Cluster {
    processes: Vec<Process>,
    leader: usize,
    _folder: TempDir,
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Cluster {
    /// Starts them, waits for a leader and forms the cluster.
    pub(crate) fn start(engine: Engine, folder: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("store-").tempdir_in(folder)?;
        // Held together, so that each gets another port.
        let held: Vec<_> = (0..NODES).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
        let held: Vec<TcpListener> = held.into_iter().collect::<Result<_, _>>()?;
        let addresses: Vec<SocketAddr> =
            held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        drop(held);
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut processes = Vec::new();
        for id in 1..=NODES {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("node").args(["--id", &id.to_string()]);
            command.args(["--addresses", &addresses.join(","), "--engine", engine.name()]);
            command.arg("--folder").arg(folder.path().join(format!("node-{id}")));
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().context("a node cannot be started")?;
            let input = child.stdin.take();
            let output = child.stdout.take().context("a node has no output")?;
            processes.push(Process { child, input, output: BufReader::new(output) });
        }
        let mut cluster = Self { processes, leader: 0, _folder: folder };
        cluster.leader = cluster.find_leader()?;
        ensure!(cluster.ask("form")?.trim() == "formed", "the cluster was not formed");
        Ok(cluster)
    }

    fn find_leader(&mut self) -> Result<usize> {
        #[allow(clippy::disallowed_methods, reason = "a limit, outside of every node")]
        let began = Instant::now();
        loop {
            for index in 0..self.processes.len() {
                self.leader = index;
                if self.ask("who")?.trim() == "leads" {
                    return Ok(index);
                }
            }
            ensure!(began.elapsed() < LIMIT, "there is no leader after {LIMIT:?}");
            #[allow(clippy::disallowed_methods, reason = "nothing else waits here")]
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tells the leader something; the line that it answers.
    fn ask(&mut self, what: &str) -> Result<String> {
        let process = self.processes.get_mut(self.leader).context("no such process")?;
        let input = process.input.as_mut().context("its input is closed")?;
        writeln!(input, "{what}")?;
        input.flush()?;
        let mut line = String::new();
        let read = process.output.read_line(&mut line)?;
        if read == 0 {
            bail!("a node has ended: {}", process.child.wait()?);
        }
        Ok(line)
    }

    /// Lets so many writers propose at the leader.
    pub(crate) fn load(&mut self, writers: u32, seconds: u64, bytes: u32) -> Result<Reached> {
        let before = self.cpu_s();
        let answer = self.ask(&format!("load {writers} {seconds} {bytes}"))?;
        let cpu_s = self.cpu_s() - before;
        let measured: Measured =
            serde_json::from_str(&answer).with_context(|| format!("it said: {answer}"))?;
        Ok(Reached { measured, cpu_s })
    }

    /// CPU seconds of all three, user and system.
    fn cpu_s(&self) -> f64 {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let used = |process: &Process| -> Option<f64> {
            let stat =
                std::fs::read_to_string(format!("/proc/{}/stat", process.child.id())).ok()?;
            let (_, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let field = |at: usize| fields.get(at)?.parse::<f64>().ok();
            Some((field(11)? + field(12)?) / ticks)
        };
        self.processes.iter().filter_map(used).sum()
    }

    /// Ends them, unless one has ended by itself.
    pub(crate) fn end(mut self) -> Result<()> {
        for process in &mut self.processes {
            let ended = process.child.try_wait()?;
            ensure!(ended.is_none(), "a node has ended by itself: {ended:?}");
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended already is no matter.
            let _killed = process.child.kill();
            let _reaped = process.child.wait();
        }
    }
}

const NODES: u64 = 3;
const LIMIT: Duration = Duration::from_secs(20);
