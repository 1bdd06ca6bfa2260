//! One `holdline node` process: started, killed, stopped, continued, measured, by its own id.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// Pause between looks at a process that is to end.
const POLL: Duration = Duration::from_millis(10);

/// How long a process may take to stop: one that writes to a disk stops afterwards.
const STOPPING: Duration = Duration::from_secs(5);

/// A node of a test cluster.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub id: u64,
    /// Its configuration file.
    pub config: PathBuf,
    /// Its data folder.
    pub data_dir: PathBuf,
    /// What it printed, over all its runs.
    pub log: PathBuf,
    /// A command in front of the program, such as one that enters a network namespace. It must
    /// become the program (exec), so that its process is the node's.
    pub wrapper: Vec<String>,
    /// Another program than the cluster's.
    pub program: Option<PathBuf>,
    /// Its environment, besides ours.
    pub env: Vec<(String, String)>,
    child: Option<Child>,
}

/// What can go wrong with a node's process.
#[derive(thiserror::Error)]
pub enum NodeError {
    /// It could not be started.
    #[error("cannot start {}: {cause}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Its log could not be opened.
    #[error("cannot write {}: {cause}", .path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It runs already, or does not run.
    #[error("node {id}: running is {running}, which is the opposite of what is needed")]
    WrongState {
        /// Which node.
        id: u64,
        /// Whether it runs.
        running: bool,
    },
    /// A signal could not be sent.
    #[error("node {id}: signal failed: {cause}")]
    Signal {
        /// Which node.
        id: u64,
        /// Why.
        cause: io::Error,
    },
    /// It did not end in time.
    #[error("node {id} has not ended within {limit:?}")]
    StillRunning {
        /// Which node.
        id: u64,
        /// How long it was waited for.
        limit: Duration,
    },
}

debug_in_words!(NodeError);

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Memory in RAM, in bytes.
    pub rss_bytes: u64,
    /// CPU time, user and system.
    pub cpu: Duration,
}

impl Node {
    pub(super) fn new(id: u64, folder: &Path) -> Self {
        Self {
            id,
            config: folder.join(format!("node-{id}.toml")),
            data_dir: folder.join(format!("node-{id}")),
            log: folder.join(format!("node-{id}.log")),
            wrapper: Vec::new(),
            program: None,
            env: Vec::new(),
            child: None,
        }
    }

    /// Starts the process; its output is appended to the log.
    ///
    /// # Errors
    /// If it runs already, or the program or the log cannot be opened.
    pub fn start(&mut self, program: &Path) -> Result<(), NodeError> {
        if self.child.is_some() {
            return Err(NodeError::WrongState { id: self.id, running: true });
        }
        let program = self.program.as_deref().unwrap_or(program);
        let log = |cause| NodeError::Log { path: self.log.clone(), cause };
        let out = File::options().create(true).append(true).open(&self.log).map_err(log)?;
        let err = out.try_clone().map_err(log)?;
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, args)) => {
                let mut command = Command::new(wrapper);
                command.args(args).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .arg("node")
            .arg("--config")
            .arg(&self.config)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|cause| NodeError::Start { program: program.to_owned(), cause })?;
        self.child = Some(child);
        Ok(())
    }

    /// Whether the process was started and not ended by us. It may have ended by itself: see
    /// [`Node::exited`].
    #[must_use]
    pub const fn started(&self) -> bool {
        self.child.is_some()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// How it ended, if it ended by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Ends it with SIGKILL. Returns when the kernel has taken its sockets away, with the time
    /// just before the kill.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self) -> Result<Instant, NodeError> {
        let wrong = NodeError::WrongState { id: self.id, running: false };
        let mut child = self.child.take().ok_or(wrong)?;
        let at = Instant::now();
        let id = self.id;
        child.kill().map_err(|cause| NodeError::Signal { id, cause })?;
        child.wait().map_err(|cause| NodeError::Signal { id, cause })?;
        Ok(at)
    }

    /// Stops it with SIGSTOP: it keeps its sockets and says nothing. Returns when all of its threads
    /// have stopped: the signal goes to one of them, and the others go on until that one has had a processor.
    ///
    /// # Errors
    /// If it does not run, or does not stop.
    pub async fn pause(&self) -> Result<(), NodeError> {
        self.signal(Signal::STOP)?;
        let (id, since) = (self.id, Instant::now());
        while !self.is_paused()? {
            if since.elapsed() > STOPPING {
                let cause = io::Error::new(io::ErrorKind::TimedOut, "its threads go on");
                return Err(NodeError::Signal { id, cause });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Whether it is stopped, with all of its threads (proc(5): state `T`).
    ///
    /// # Errors
    /// If it does not run.
    pub fn is_paused(&self) -> Result<bool, NodeError> {
        let id = self.id;
        let pid = self.pid().ok_or(NodeError::WrongState { id, running: false })?;
        let failed = |cause| NodeError::Signal { id, cause };
        for thread in fs::read_dir(format!("/proc/{pid}/task")).map_err(failed)? {
            match fs::read_to_string(thread.map_err(failed)?.path().join("stat")) {
                Ok(stat) if is_stopped(&stat) => {}
                Ok(_) => return Ok(false),
                // It has just ended.
                Err(_) => {}
            }
        }
        Ok(true)
    }

    /// Lets it go on after [`Node::pause`].
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> Result<(), NodeError> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// If it does not run, or not end within `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus, NodeError> {
        self.signal(Signal::TERM)?;
        self.wait_exit(limit).await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it does not within `limit`.
    pub async fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus, NodeError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited() {
                self.child = None;
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(NodeError::StillRunning { id: self.id, limit });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What it has used so far; nothing if it does not run.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.pid().and_then(usage).unwrap_or_default()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }

    fn signal(&self, signal: Signal) -> Result<(), NodeError> {
        let id = self.id;
        let child = self.child.as_ref().ok_or(NodeError::WrongState { id, running: false })?;
        let failed = |cause: io::Error| NodeError::Signal { id, cause };
        kill_process(Pid::from_child(child), signal).map_err(|errno| failed(errno.into()))
    }
}

/// Whether a thread is, by what `/proc` says of it: number, name in brackets, state.
fn is_stopped(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is as good.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces; the fields after it are counted from 3 (proc(5)).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let pages = fields.get(21)?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    let cpu = Duration::from_millis(ticks * 1000 / per_second);
    Some(Usage { rss_bytes: pages * page, cpu })
}
