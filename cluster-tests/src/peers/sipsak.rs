//! sipsak: one OPTIONS, and what came back.

use std::net::SocketAddr;

use tokio::process::Command;

use super::PeerError;

const NAME: &str = "sipsak";

/// Asks an address by OPTIONS; the status line of the answer. sipsak sends from 127.0.0.1; it is told
/// so, because a host name that means nothing would stop it.
///
/// # Errors
/// It is not installed, or nothing answered with 200.
pub async fn ping(address: SocketAddr) -> Result<String, PeerError> {
    let uri = format!("sip:ping@{address}");
    let output = Command::new(NAME).args(["-vv", "-H", "127.0.0.1", "-s", &uri]).output().await;
    let output = output.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => PeerError::Missing { name: NAME, package: NAME },
        _ => PeerError::Process { name: NAME, cause },
    })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = said.lines().find(|line| line.starts_with("SIP/2.0 ")).map(str::to_owned);
    match status {
        Some(status) if output.status.success() => Ok(status),
        _ => {
            Err(PeerError::Refused { name: NAME, what: format!("{uri} did not answer 200"), said })
        }
    }
}
