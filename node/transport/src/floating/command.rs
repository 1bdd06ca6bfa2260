//! The kind `command`: a program of the operator's moves the address, for BGP, cloud APIs and
//! whatever else there is.
//!
//! The program is run with the configured arguments, then `acquire` or `release`, then the address
//! without a port. It exits with 0 when the address is (or is no longer) this host's, and must
//! accept being asked for what is already so. What it writes to standard error is reported if it
//! fails; it has no standard input. It is killed, with its children, when it takes too long.

use std::net::IpAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

use super::{MoveError, Mover};

/// Which program, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOptions {
    /// Path of the program; no shell is involved.
    pub program: String,
    /// Arguments in front of `acquire ADDR`.
    pub args: Vec<String>,
    /// How long one run may take.
    pub timeout: Duration,
}

/// Runs a program.
#[derive(Clone, Debug)]
pub struct Command {
    options: CommandOptions,
}

impl Command {
    /// A mover that runs the program named in `options`.
    #[must_use]
    pub const fn new(options: CommandOptions) -> Self {
        Self { options }
    }

    async fn run(&self, action: &'static str, addr: IpAddr) -> Result<(), MoveError> {
        let program = || self.options.program.clone();
        let start = |source| MoveError::CommandStart { program: program(), action, addr, source };
        let mut child = tokio::process::Command::new(&self.options.program)
            .args(&self.options.args)
            .arg(action)
            .arg(addr.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let group = Group::of(&child);
        let Ok(outcome) = tokio::time::timeout(self.options.timeout, finish(&mut child)).await
        else {
            drop(group);
            let limit = self.options.timeout;
            return Err(MoveError::CommandTimeout { program: program(), action, addr, limit });
        };
        let (status, stderr) = outcome.map_err(start)?;
        // What it left running in the background on purpose may go on.
        group.spare();
        if status.success() {
            return Ok(());
        }
        Err(MoveError::CommandFailed { program: program(), action, addr, status, stderr })
    }
}

#[async_trait]
impl Mover for Command {
    async fn acquire(&self, addr: IpAddr) -> Result<(), MoveError> {
        self.run("acquire", addr).await
    }

    async fn release(&self, addr: IpAddr) -> Result<(), MoveError> {
        self.run("release", addr).await
    }
}

/// Waits for the end of the program and collects the beginning of what it wrote.
async fn finish(child: &mut Child) -> std::io::Result<(ExitStatus, String)> {
    let pipe = child.stderr.take();
    let mut said = Vec::new();
    let status = {
        let reading = collect(pipe, &mut said);
        tokio::pin!(reading);
        tokio::select! {
            status = child.wait() => {
                // Its children may keep the pipe open for ever.
                let _read_enough = tokio::time::timeout(READ_AFTER_EXIT, &mut reading).await;
                status?
            }
            () = &mut reading => child.wait().await?,
        }
    };
    Ok((status, String::from_utf8_lossy(&said).trim_end().to_owned()))
}

/// Keeps the first bytes and reads on to the end, so that the program never blocks on a full pipe.
async fn collect(pipe: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        let room = STDERR_LIMIT_BYTES.saturating_sub(said.len()).min(length);
        said.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }
}

/// The process group of a running program; killed when dropped, so also when the caller is.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    fn spare(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0
            && let Err(error) = killpg(group, Signal::SIGKILL)
        {
            tracing::debug!(%group, %error, "cannot kill the program's process group");
        }
    }
}

/// What is kept of a program's standard error.
const STDERR_LIMIT_BYTES: usize = 4096;

/// How long to read on after the program has ended.
const READ_AFTER_EXIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use super::*;

    const ADDR: &str = "192.0.2.7";

    fn script(dir: &Path, body: &str) -> PathBuf {
        let path = dir.join("move-address");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn command(program: &Path, args: &[&str], timeout: Duration) -> Command {
        Command::new(CommandOptions {
            program: program.display().to_string(),
            args: args.iter().map(ToString::to_string).collect(),
            timeout,
        })
    }

    #[tokio::test]
    async fn runs_the_program_with_its_arguments_action_and_address() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let program = script(dir.path(), &format!("echo \"$@\" >> {}", log.display()));
        let command = command(&program, &["--vrf", "sip"], Duration::from_secs(5));
        command.acquire(ADDR.parse().unwrap()).await.unwrap();
        command.release("2001:db8::7".parse().unwrap()).await.unwrap();
        let lines = fs::read_to_string(&log).unwrap();
        assert_eq!(lines, "--vrf sip acquire 192.0.2.7\n--vrf sip release 2001:db8::7\n");
    }

    #[tokio::test]
    async fn a_failure_names_program_status_and_stderr() {
        let dir = tempfile::tempdir().unwrap();
        let program = script(dir.path(), "echo 'no such route table' >&2; exit 3");
        let command = command(&program, &[], Duration::from_secs(5));
        let error = command.acquire(ADDR.parse().unwrap()).await.unwrap_err();
        let text = error.to_string();
        for part in ["move-address", "acquire", ADDR, "exit status: 3", "no such route table"] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let program =
            script(dir.path(), &format!("sleep 60 & echo $! > {}; wait", pid_file.display()));
        let command = command(&program, &[], Duration::from_millis(300));
        let error = command.acquire(ADDR.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, MoveError::CommandTimeout { .. }), "{error}");
        let pid = fs::read_to_string(&pid_file).unwrap();
        let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        let gone = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        tokio::time::timeout(Duration::from_secs(5), async {
            while !gone() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("the program's child is killed");
    }

    #[tokio::test]
    async fn a_flood_on_stderr_neither_blocks_nor_grows() {
        let dir = tempfile::tempdir().unwrap();
        let program = script(dir.path(), "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1");
        let command = command(&program, &[], Duration::from_secs(10));
        let error = command.acquire(ADDR.parse().unwrap()).await.unwrap_err();
        let MoveError::CommandFailed { stderr, .. } = error else { panic!("{error}") };
        assert_eq!(stderr.len(), STDERR_LIMIT_BYTES);
    }

    #[tokio::test]
    async fn a_background_child_that_keeps_stderr_open_does_not_hold_up_the_answer() {
        let dir = tempfile::tempdir().unwrap();
        let program = script(dir.path(), "sleep 2 & exit 0");
        let command = command(&program, &[], Duration::from_millis(1500));
        command.acquire(ADDR.parse().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let command = command(Path::new("/nonexistent/mover"), &[], Duration::from_secs(1));
        let error = command.release(ADDR.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, MoveError::CommandStart { .. }));
        assert!(error.to_string().contains("/nonexistent/mover"), "{error}");
    }
}
