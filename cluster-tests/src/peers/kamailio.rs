//! Kamailio as a carrier's proxy, in front of the switch or behind it: it stays on the path by
//! Record-Route, and challenges callers if it is told to.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use super::{PeerError, Program};

const NAME: &str = "kamailio";
const START_LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

/// A proxy to be started.
#[derive(Clone, Copy, Debug)]
pub struct ProxyPlan {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where new calls go.
    pub next: SocketAddr,
    /// Whether it asks for credentials (user `carrier`, password `secret`, realm `carrier`).
    pub challenges: bool,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    program: Program,
}

impl Proxy {
    /// Starts a proxy, with its files below `folder`, and waits until it answers.
    ///
    /// # Errors
    /// It is not installed, or does not come up.
    pub async fn start(plan: ProxyPlan, folder: &Path) -> Result<Self, PeerError> {
        let modules = modules().ok_or(PeerError::Missing { name: NAME, package: NAME })?;
        let name = format!("{NAME}-{}", plan.address.ip());
        let run = folder.join(&name);
        std::fs::create_dir_all(&run).map_err(|cause| PeerError::Process { name: NAME, cause })?;
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/proxy.cfg");
        let mut command = Command::new(NAME);
        command.arg("-f").arg(config).args(["-DD", "-E", "-m", "64", "-M", "8"]);
        command.arg("-L").arg(format!("{}/", modules.display()));
        command.arg("-l").arg(format!("udp:{}", plan.address));
        command.arg("-P").arg(run.join("pid")).arg("-Y").arg(&run);
        command.args(["-A", &format!("NEXT=\"sip:{}\"", plan.next)]);
        if plan.challenges {
            command.args(["-A", "WITH_AUTH"]);
        }
        let log = folder.join(format!("{name}.log"));
        let mut proxy = Self { program: Program::start(NAME, NAME, &mut command, &log)? };
        proxy.wait_answer(plan.address).await?;
        Ok(proxy)
    }

    async fn wait_answer(&mut self, address: SocketAddr) -> Result<(), PeerError> {
        let process = |cause| PeerError::Process { name: NAME, cause };
        let local = SocketAddr::new([127, 0, 0, 1].into(), 0);
        let socket = UdpSocket::bind(local).map_err(process)?;
        socket.set_nonblocking(true).map_err(process)?;
        let from = socket.local_addr().map_err(process)?;
        let ping = format!(
            "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKping;rport\r\n\
             From: <sip:p@{from}>;tag=p\r\nTo: <sip:{address}>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let limit = Instant::now() + START_LIMIT;
        while Instant::now() < limit {
            self.program.check_alive()?;
            let _sent = socket.send_to(ping.as_bytes(), address);
            tokio::time::sleep(POLL).await;
            if socket.recv(&mut [0; 2048]).is_ok() {
                return Ok(());
            }
        }
        Err(self.program.late("it answers OPTIONS", START_LIMIT))
    }

    /// An error if it has ended by itself.
    ///
    /// # Errors
    /// It has.
    pub fn check_alive(&mut self) -> Result<(), PeerError> {
        self.program.check_alive()
    }
}

/// Debian puts modules into a folder of the machine's architecture.
fn modules() -> Option<PathBuf> {
    let libraries = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let places = libraries.map(|entry| entry.path().join("kamailio/modules"));
    places.chain(["/usr/lib/kamailio/modules".into()]).find(|path| path.is_dir())
}
