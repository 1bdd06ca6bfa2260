//! linphonec: the phone of Belledonne, with belle-sip beneath it, told what to do over its standard input.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use tokio::time::Instant;

use super::{PeerError, Program};

const NAME: &str = "linphonec";
const PACKAGE: &str = "linphone-cli";
const POLL: Duration = Duration::from_millis(50);
/// It makes its own certificate and looks for sound cards first.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A phone to be started: it registers by itself, and answers every call.
#[derive(Clone, Debug)]
pub struct LinphonePlan {
    /// Its user, at this domain.
    pub user: String,
    /// The domain of its address.
    pub domain: String,
    /// Its password.
    pub password: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Where it registers, and sends its requests: the switch.
    pub registrar: SocketAddr,
}

/// A running phone.
#[derive(Debug)]
pub struct Linphone {
    program: Program,
    input: ChildStdin,
    /// How much of what it printed was looked at.
    seen: usize,
}

impl Linphone {
    /// Starts a phone in a folder of its own below `folder`, and waits until it is registered.
    ///
    /// # Errors
    /// It is not installed, or does not get so far.
    pub async fn start(plan: &LinphonePlan, folder: &Path) -> Result<Self, PeerError> {
        let process = |cause| PeerError::Process { name: NAME, cause };
        let folder = folder.join(format!("{NAME}-{}", plan.user));
        // Its database goes there; it does not make the folder.
        fs::create_dir_all(folder.join(".local/share/linphone")).map_err(process)?;
        let config = folder.join("linphonerc");
        fs::write(&config, text(plan)).map_err(process)?;
        let mut command = Command::new(NAME);
        command.env("HOME", &folder).arg("-a").arg("-c").arg(&config);
        command.args(["-d", "4"]).arg("-l").arg(folder.join("trace"));
        let (program, input) =
            Program::start_told(NAME, PACKAGE, &mut command, &folder.join("log"))?;
        let mut phone = Self { program, input, seen: 0 };
        let until = Instant::now() + START_LIMIT;
        loop {
            phone.tell("status register")?;
            match phone.wait("registered, identity", POLL * 6).await {
                Ok(()) => return Ok(phone),
                Err(late) if Instant::now() > until => return Err(late),
                Err(_) => {}
            }
        }
    }

    /// Gives a command, such as `call`, `terminate`, `pause` or `resume`.
    ///
    /// # Errors
    /// It cannot be spoken to.
    pub fn tell(&mut self, command: &str) -> Result<(), PeerError> {
        let written = writeln!(self.input, "{command}").and_then(|()| self.input.flush());
        written.map_err(|cause| PeerError::Process { name: NAME, cause })
    }

    /// Waits until it prints something that contains this, after what was waited for last.
    ///
    /// # Errors
    /// It does not in time, or has ended.
    pub async fn wait(&mut self, what: &str, limit: Duration) -> Result<(), PeerError> {
        let until = Instant::now() + limit;
        loop {
            let said = self.program.all_said();
            let found = said.get(self.seen..).and_then(|rest| rest.find(what));
            if let Some(at) = found {
                self.seen += at + what.len();
                return Ok(());
            }
            self.program.check_alive()?;
            if Instant::now() > until {
                return Err(self.program.late(what, limit));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// No sound card is needed: it plays a file, or nothing. Without `auto_net_state_mon=0` it takes a machine
/// without a route to the world for one without a network.
fn text(plan: &LinphonePlan) -> String {
    let LinphonePlan { user, domain, password, address, registrar } = plan;
    format!(
        "[sip]\nauto_net_state_mon=0\nsip_port={port}\nsip_tcp_port=0\nsip_tls_port=0\nbind_address={ip}\nuse_ipv6=0\nguess_hostname=0\n\
         contact=sip:{user}@{address}\nregister_only_when_network_is_up=0\ndefault_proxy=0\nmedia_encryption=none\n\n\
         [net]\nfirewall_policy=0\n\n[rtp]\naudio_rtp_port=24000-24999\n\n\
         [proxy_0]\nreg_proxy=<sip:{registrar}>\nreg_route=<sip:{registrar};lr>\nreg_identity=sip:{user}@{domain}\n\
         reg_expires=600\nreg_sendregister=1\npublish=0\n\n\
         [auth_info_0]\nusername={user}\nrealm={domain}\npasswd={password}\n",
        port = address.port(),
        ip = address.ip(),
    )
}
