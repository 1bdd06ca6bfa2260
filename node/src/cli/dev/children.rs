//! The processes of a development cluster.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::DevError;
use super::plan::Plan;

/// The processes, one a node. Killed when dropped.
#[derive(Debug)]
pub(super) struct Children {
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    node: u8,
    pid: u32,
    admin: std::net::SocketAddr,
    log: PathBuf,
    child: Child,
}

impl Children {
    /// Starts a node for each of the plan's, with this very program.
    pub(super) fn start(plan: &Plan) -> Result<Self, DevError> {
        let program = std::env::current_exe().map_err(DevError::Runtime)?;
        let mut running = Vec::new();
        for node in plan.nodes() {
            let log = plan.log_path(node);
            let open = || File::options().create(true).append(true).open(&log);
            let out = open().and_then(|file| Ok((file.try_clone()?, file)));
            let (out, err) = out.map_err(|source| DevError::file(&log, source))?;
            let child = Command::new(&program)
                .args(["node", "--end-with-parent", "--config"])
                .arg(plan.config_path(node))
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(err)
                // A Ctrl-C at the terminal is for this process, which then ends them one and all.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .map_err(|source| DevError::Start { node: node.id, source })?;
            let pid = child.id().unwrap_or_default();
            running.push(Running { node: node.id, pid, admin: node.admin, log, child });
        }
        Ok(Self { running })
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.running.iter().map(|running| running.pid)
    }

    /// Waits until every node says that it is ready.
    pub(super) async fn ready(&mut self, limit: Duration) -> Result<(), DevError> {
        let mut why = "it does not answer".to_owned();
        let mut tries = limit.as_millis() / POLL.as_millis();
        for running in &mut self.running {
            loop {
                if let Ok(Some(status)) = running.child.try_wait() {
                    let (log, tail) = (running.log.clone(), tail(&running.log));
                    return Err(DevError::Ended { node: running.node, status, log, tail });
                }
                match timeout(ASK, ask(running.admin)).await {
                    Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => break,
                    Ok(Ok(answer)) => why = answer.lines().last().unwrap_or_default().to_owned(),
                    Ok(Err(error)) => why = error.to_string(),
                    Err(_) => {}
                }
                tries = tries.saturating_sub(1);
                if tries == 0 {
                    let (node, log) = (running.node, running.log.clone());
                    return Err(DevError::NotReady { node, seconds: limit.as_secs(), why, log });
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Ends all nodes: asks first, kills what has not ended in time.
    pub(super) async fn end(mut self, limit: Duration) {
        for running in &self.running {
            let running_id = running.child.id().and_then(|id| i32::try_from(id).ok());
            if let Some(pid) = running_id.and_then(Pid::from_raw)
                && let Err(error) = kill_process(pid, Signal::TERM)
            {
                tracing::debug!(%error, node = running.node, "cannot be asked to end");
            }
        }
        for running in &mut self.running {
            if timeout(limit, running.child.wait()).await.is_err()
                && let Err(error) = running.child.kill().await
            {
                tracing::debug!(%error, node = running.node, "cannot be killed");
            }
        }
    }
}

/// Asks a node whether it is ready; the whole answer.
async fn ask(admin: std::net::SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES).read_to_string(&mut answer).await?;
    Ok(answer)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(TAIL_LINES).collect();
    lines.into_iter().rev().map(|line| format!("  {line}\n")).collect()
}

const POLL: Duration = Duration::from_millis(100);
const ASK: Duration = Duration::from_secs(1);
const ANSWER_BYTES: u64 = 16 << 10;
const TAIL_LINES: usize = 12;
