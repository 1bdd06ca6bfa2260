//! A program of somebody else's, running.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A running program; ended when dropped.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// Why a peer is not as it should be.
#[derive(thiserror::Error)]
pub enum PeerError {
    /// It is not installed.
    #[error("{name} is not installed: apt-get install -y --no-install-recommends {package}")]
    Missing {
        /// The program.
        name: &'static str,
        /// The Debian package.
        package: &'static str,
    },
    /// It could not be started, watched or spoken to.
    #[error("{name}: {cause}")]
    Process {
        /// The program.
        name: &'static str,
        /// Why.
        cause: io::Error,
    },
    /// Something did not happen in time.
    #[error("{name}: not within {limit:?}: {what}; it said:\n{said}")]
    Late {
        /// The program.
        name: &'static str,
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
        /// The end of what it printed.
        said: String,
    },
    /// It said no.
    #[error("{name}: {what}; it said:\n{said}")]
    Refused {
        /// The program.
        name: &'static str,
        /// What failed.
        what: String,
        /// What it printed.
        said: String,
    },
}

debug_in_words!(PeerError);

impl Program {
    /// Starts a program; what it prints goes to `log`.
    ///
    /// # Errors
    /// It is not installed, or cannot be started.
    pub fn start(
        name: &'static str,
        package: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> Result<Self, PeerError> {
        Self::start_with(name, package, command.stdin(Stdio::null()), log)
    }

    /// Starts a program that is told what to do over its standard input.
    ///
    /// # Errors
    /// As [`Program::start`].
    pub fn start_told(
        name: &'static str,
        package: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> Result<(Self, ChildStdin), PeerError> {
        let mut program = Self::start_with(name, package, command.stdin(Stdio::piped()), log)?;
        let input = program.child.stdin.take();
        let input = input.ok_or_else(|| {
            let cause = io::Error::other("it has no standard input");
            PeerError::Process { name, cause }
        })?;
        Ok((program, input))
    }

    fn start_with(
        name: &'static str,
        package: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> Result<Self, PeerError> {
        let process = |cause| PeerError::Process { name, cause };
        let output = File::create(log).map_err(process)?;
        let errors = output.try_clone().map_err(process)?;
        command.stdout(output).stderr(errors);
        let child = command.spawn().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => PeerError::Missing { name, package },
            _ => process(cause),
        })?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// The end of what it has printed.
    #[must_use]
    pub fn said(&self) -> String {
        let said = self.all_said();
        let lines: Vec<&str> = said.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// All that it has printed.
    #[must_use]
    pub fn all_said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// An error if it has ended by itself.
    ///
    /// # Errors
    /// It has.
    pub fn check_alive(&mut self) -> Result<(), PeerError> {
        let (name, said) = (self.name, self.said());
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(PeerError::Refused { name, what: format!("ended by itself ({status})"), said })
            }
            Err(cause) => Err(PeerError::Process { name, cause }),
        }
    }

    /// What was waited for did not happen.
    #[must_use]
    pub fn late(&self, what: impl Into<String>, limit: Duration) -> PeerError {
        PeerError::Late { name: self.name, what: what.into(), limit, said: self.said() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Its children, if it has any, end with it: it is asked before it is killed.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _asked = kill_process(pid, Signal::TERM);
        }
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            #[allow(clippy::disallowed_methods, reason = "drop cannot await; it is bounded")]
            std::thread::sleep(Duration::from_millis(20));
        }
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
