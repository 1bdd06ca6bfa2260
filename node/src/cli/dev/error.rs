//! Why a development cluster could not be run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A development cluster could not be run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// An address is in use.
    #[error(
        "{address} ({what} of node {node}) cannot be used: {source}; is another cluster up? See: \
         ss -lnptu | grep {address}"
    )]
    Address {
        /// Which address.
        address: SocketAddr,
        /// What it is for.
        what: &'static str,
        /// Whose it is.
        node: u8,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file or folder cannot be made.
    #[error("{path}: {source}; give another folder with --dir", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A node could not be started.
    #[error("node {node} cannot be started: {source}")]
    Start {
        /// Which.
        node: u8,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A node ended by itself.
    #[error("node {node} ended ({status}); its log {log} ends with:\n{tail}", log = .log.display())]
    Ended {
        /// Which.
        node: u8,
        /// How.
        status: std::process::ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A node did not become ready.
    #[error("node {node} is not ready after {seconds} s ({why}); see its log {log}", log = .log.display())]
    NotReady {
        /// Which.
        node: u8,
        /// How long was waited.
        seconds: u64,
        /// What it says.
        why: String,
        /// Its log.
        log: PathBuf,
    },
    /// No random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// The runtime cannot be started, or signals cannot be heard.
    #[error("the process cannot be set up: {0}; look at its limits (ulimit -a)")]
    Runtime(std::io::Error),
}

impl DevError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
