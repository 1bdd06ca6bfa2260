//! baresip: a phone, controlled over its JSON port (module `ctrl_tcp`: netstrings).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{PeerError, Program};

const NAME: &str = "baresip";
const START_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// A phone to be started; it answers every call by itself.
#[derive(Clone, Debug)]
pub struct PhonePlan {
    /// The user of its address.
    pub user: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Where it sends its requests: the switch.
    pub proxy: SocketAddr,
}

/// A running phone.
#[derive(Debug)]
pub struct Baresip {
    program: Program,
    control: TcpStream,
    heard: Vec<u8>,
}

impl Baresip {
    /// Starts a phone in a folder of its own below `folder`, and waits until it can be told things.
    ///
    /// # Errors
    /// It is not installed, or does not come up.
    pub async fn start(plan: &PhonePlan, folder: &Path) -> Result<Self, PeerError> {
        let process = |cause| PeerError::Process { name: NAME, cause };
        let folder = folder.join(format!("{NAME}-{}", plan.user));
        fs::create_dir_all(&folder).map_err(process)?;
        let control = SocketAddr::new(plan.address.ip(), CONTROL_PORT);
        let modules = modules().ok_or(PeerError::Missing { name: NAME, package: PACKAGE })?;
        fs::write(folder.join("config"), config(plan, control, &modules)).map_err(process)?;
        fs::write(folder.join("accounts"), account(plan)).map_err(process)?;
        let mut command = Command::new(NAME);
        command.arg("-f").arg(&folder);
        let program = Program::start(NAME, PACKAGE, &mut command, &folder.join("log"))?;
        let limit = Instant::now() + START_LIMIT;
        loop {
            if let Ok(control) = TcpStream::connect(control).await {
                return Ok(Self { program, control, heard: Vec::new() });
            }
            if Instant::now() > limit {
                return Err(program.late("its control port is open", START_LIMIT));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Gives a command of baresip's menu, such as `dial`, `hangup`, `hold` or `resume`.
    ///
    /// # Errors
    /// It cannot be spoken to.
    pub async fn tell(&mut self, command: &str, parameters: &str) -> Result<(), PeerError> {
        let text = json!({ "command": command, "params": parameters }).to_string();
        let net = format!("{}:{text},", text.len());
        let written = self.control.write_all(net.as_bytes()).await;
        written.map_err(|cause| PeerError::Process { name: NAME, cause })
    }

    /// Waits for an event of this type, such as `CALL_ESTABLISHED`; what came with it.
    ///
    /// # Errors
    /// It does not come in time.
    pub async fn wait(&mut self, event: &str, limit: Duration) -> Result<Value, PeerError> {
        let until = Instant::now() + limit;
        loop {
            while let Some(message) = self.take() {
                if message.get("type").and_then(Value::as_str) == Some(event) {
                    return Ok(message);
                }
            }
            let mut buffer = [0; 4096];
            match timeout_at(until, self.control.read(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => self.heard.extend_from_slice(&buffer[..count]),
                Ok(Ok(_)) | Err(_) => return Err(self.program.late(event, limit)),
                Ok(Err(cause)) => return Err(PeerError::Process { name: NAME, cause }),
            }
        }
    }

    /// The same, for an event with this parameter, such as `offer` of `CALL_REMOTE_SDP`.
    ///
    /// # Errors
    /// It does not come in time.
    pub async fn wait_for(
        &mut self,
        event: &str,
        param: &str,
        limit: Duration,
    ) -> Result<Value, PeerError> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = self.wait(event, left).await?;
            if message.get("param").and_then(Value::as_str) == Some(param) {
                return Ok(message);
            }
        }
    }

    /// The first whole netstring heard.
    fn take(&mut self) -> Option<Value> {
        let colon = self.heard.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&self.heard[..colon]).ok()?.parse().ok()?;
        let end = colon + 1 + length;
        if self.heard.len() <= end {
            return None;
        }
        let message = serde_json::from_slice(&self.heard[colon + 1..end]).unwrap_or(Value::Null);
        self.heard.drain(..=end);
        Some(message)
    }
}

/// Debian puts modules beside the libraries.
fn modules() -> Option<PathBuf> {
    ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.join("ctrl_tcp.so").is_file())
}

/// No sound devices: what it hears it says.
fn config(plan: &PhonePlan, control: SocketAddr, modules: &Path) -> String {
    format!(
        "sip_listen {}\nsip_trans_def udp\nmodule_path {}\nmodule g711.so\nmodule aubridge.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n\
         ctrl_tcp_listen {control}\naudio_source aubridge,sink\naudio_player aubridge,sink\n\
         audio_alert aubridge,sink\nrtp_ports 20000-21000\ncall_max_calls 8\n",
        plan.address,
        modules.display()
    )
}

fn account(plan: &PhonePlan) -> String {
    let PhonePlan { user, address, proxy, .. } = plan;
    format!(
        "<sip:{user}@{}>;regint=0;outbound=\"sip:{proxy}\";answermode=auto;audio_codecs=PCMA\n",
        address.ip()
    )
}

const PACKAGE: &str = "baresip-core";
const CONTROL_PORT: u16 = 4444;
