//! The configuration files of a test cluster.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::node::Node;
use super::site::Site;
use crate::ua::{AUTHORITY, CERTIFICATE, KEY};

/// SIP port of every node and agent.
pub const SIP_PORT: u16 = 5060;
/// Port of every node's WebSockets.
pub const WS_PORT: u16 = 5080;
/// UDP and TCP port at `[::1]`; each node's is so much higher as its id.
pub const V6_PORT: u16 = 5640;
/// TCP port for other nodes.
pub const RPC_PORT: u16 = 7420;
/// UDP port for gossip.
pub const GOSSIP_PORT: u16 = 7421;
/// TCP port of the admin API.
pub const ADMIN_PORT: u16 = 8060;

/// Not a secret: every test cluster has it.
const CLUSTER_KEY: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";

/// Where the admin API's token is, beside the data folders.
pub(super) const TOKEN_FILE: &str = "admin.token";

/// Where certificates of nodes are, beside the data folders.
pub(super) const CERTS: &str = "certs";

/// How a test cluster differs from the defaults.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many nodes; their ids start from 1.
    pub nodes: u8,
    /// The cluster's name.
    pub name: String,
    /// When an unanswered call is given up, in milliseconds; `None`: the default.
    pub no_answer_timeout_ms: Option<u64>,
    /// When the switch ends a call, in milliseconds; `None`: never.
    pub max_call_duration_ms: Option<u64>,
    /// How long a target may be silent, in milliseconds; `None`: the default.
    pub target_timeout_ms: Option<u64>,
    /// How long a node must be back before it gets its slots, in milliseconds.
    pub hand_back_after_ms: u64,
    /// What is logged.
    pub log_level: String,
    /// Calls that a node may have up; `None`: the default.
    pub max_calls: Option<u64>,
    /// Keys of `[cluster.raft]` and their values; what is not named has its default.
    pub raft: Vec<(String, u64)>,
    /// Keys of `[protection]` and their values; what is not named has its default.
    pub protection: Vec<(String, u64)>,
    /// Keys of `[storage]` and their values, besides that of least room; empty: the disk may be as full as it likes.
    pub storage: Vec<(String, u64)>,
    /// Nodes reach one another at [`Site::front`], where somebody has to pass connections on.
    pub fronts: bool,
    /// The interface on which SIP addresses come and go; `None`: every node can bind all of them.
    pub interface: Option<String>,
    /// The token of the admin API; `None`: none is asked for.
    pub admin_token: Option<String>,
    /// Nodes show certificates to one another.
    pub node_tls: bool,
    /// The format that the cluster is not to be raised beyond; `None`: the newest.
    pub format_at_most: Option<u8>,
    /// The sites of the first members, from node 1 on; one for all if there are none.
    pub pops: Vec<String>,
    /// Which of the first members is a witness.
    pub witness: Option<u64>,
    /// Sites from which the leader should come, the best first.
    pub leader_pops: Vec<String>,
    /// Users register, of `users.test` and of the nodes' SIP addresses.
    pub registrar: bool,
    /// Text that is added at the end: more trunks, groups, routes or sections.
    pub more: String,
    /// How the caller's trunk is reached.
    pub caller_over: Transport,
    /// The domain whose certificate alone proves the caller's calls; `None`: its address does.
    pub caller_certificate: Option<String>,
    /// How the callee's trunk is reached.
    pub callee_over: Transport,
    /// Every node listens for WebSockets, too, at [`WS_PORT`].
    pub web_sockets: bool,
    /// The processors that the nodes may use, as `taskset -c` takes them; `None`: all.
    pub processors: Option<String>,
    /// Every node listens at `[::1]`, too, over UDP and TCP, at [`V6_PORT`] + its id.
    pub v6: bool,
}

/// A node that joins a cluster that runs.
#[derive(Clone, Debug)]
pub struct Joiner {
    /// Where it asks to be let in: a node's address for other nodes.
    pub seed: SocketAddr,
    /// The cluster's key; `None`: the right one.
    pub key: Option<String>,
    /// The cluster's name, if it is to name one.
    pub name: Option<String>,
    /// The number that it wants, if any.
    pub id: Option<u64>,
    /// Its site, if it is to name one.
    pub pop: Option<String>,
    /// It is to be a witness.
    pub witness: bool,
}

impl Joiner {
    /// A node that joins by a seed, with nothing but the cluster's key.
    #[must_use]
    pub const fn by(seed: SocketAddr) -> Self {
        Self { seed, key: None, name: None, id: None, pop: None, witness: false }
    }

    fn write(
        &self,
        text: &mut String,
        site: &Site,
        id: u64,
        hand_back_after_ms: u64,
    ) -> std::fmt::Result {
        if let Some(id) = self.id {
            writeln!(text, "id = {id}")?;
        }
        if let Some(pop) = &self.pop {
            writeln!(text, "pop = \"{pop}\"")?;
        }
        if self.witness {
            writeln!(text, "role = \"witness\"")?;
        }
        let key = self.key.as_deref().unwrap_or(CLUSTER_KEY);
        writeln!(text, "[cluster]\nkey = \"{key}\"\njoin = \"{}\"", self.seed)?;
        if let Some(name) = &self.name {
            writeln!(text, "name = \"{name}\"")?;
        }
        writeln!(text, "rpc = \"{}\"", site.node(id, RPC_PORT))?;
        writeln!(text, "gossip = \"{}\"", site.node(id, GOSSIP_PORT))?;
        writeln!(text, "hand_back_after_ms = {hand_back_after_ms}\n")
    }
}

/// A transport of a test cluster's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

impl Transport {
    /// Its name in the configuration.
    #[must_use]
    pub const fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            nodes: 3,
            name: "test".into(),
            no_answer_timeout_ms: None,
            max_call_duration_ms: None,
            target_timeout_ms: None,
            hand_back_after_ms: 500,
            log_level: "info".into(),
            max_calls: None,
            raft: Vec::new(),
            protection: Vec::new(),
            storage: Vec::new(),
            fronts: false,
            interface: None,
            admin_token: None,
            node_tls: false,
            format_at_most: None,
            pops: Vec::new(),
            witness: None,
            leader_pops: Vec::new(),
            registrar: false,
            more: String::new(),
            caller_over: Transport::Udp,
            caller_certificate: None,
            callee_over: Transport::Udp,
            web_sockets: false,
            processors: None,
            v6: false,
        }
    }
}

impl ClusterOptions {
    /// Node `id`, not started yet.
    pub(super) fn node(&self, id: u64, folder: &Path) -> Node {
        let mut node = Node::new(id, folder);
        if let Some(processors) = &self.processors {
            node.wrapper = ["taskset", "-c", processors].map(Into::into).into();
        }
        node
    }

    /// The configuration file of node `id`, or of a node that joins and will be in its place.
    pub(super) fn toml(
        &self,
        site: &Site,
        id: u64,
        data_dir: &Path,
        joiner: Option<&Joiner>,
    ) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = self.write(&mut text, site, id, data_dir, joiner);
        text
    }

    fn write(
        &self,
        text: &mut String,
        site: &Site,
        id: u64,
        data_dir: &Path,
        joiner: Option<&Joiner>,
    ) -> std::fmt::Result {
        writeln!(text, "[node]\ndata_dir = \"{}\"", data_dir.display())?;
        match joiner {
            None => {
                writeln!(text, "id = {id}")?;
                self.write_cluster(text, site, id)?;
            }
            Some(joiner) => joiner.write(text, site, id, self.hand_back_after_ms)?,
        }
        self.write_tuning(text)?;
        self.write_node_tls(text, id, data_dir)?;
        let is_witness = match joiner {
            Some(joiner) => joiner.witness,
            None => self.witness == Some(id),
        };
        writeln!(text, "[sip]")?;
        if !is_witness {
            writeln!(text, "addresses = [\"{}\"]", site.node(id, SIP_PORT))?;
        }
        if self.interface.is_none() {
            writeln!(text, "floating = \"bind\"")?;
        }
        for (key, value) in [
            ("no_answer_timeout_ms", self.no_answer_timeout_ms),
            ("max_call_duration_ms", self.max_call_duration_ms),
            ("target_timeout_ms", self.target_timeout_ms),
            ("max_calls", self.max_calls),
        ] {
            if let Some(value) = value {
                writeln!(text, "{key} = {value}")?;
            }
        }
        self.write_listeners(text, site, id, data_dir)?;
        if let Some(interface) = &self.interface {
            writeln!(text, "\n[sip.floating.netlink]\ninterface = \"{interface}\"")?;
        }
        if self.registrar {
            let nodes = (1..=u64::from(self.nodes)).map(|node| site.node(node, SIP_PORT).ip());
            let domains: Vec<String> = nodes.map(|ip| format!(", \"{ip}\"")).collect();
            writeln!(text, "\n[registrar]\ndomains = [\"users.test\"{}]", domains.concat())?;
        }
        if !self.protection.is_empty() {
            writeln!(text, "\n[protection]")?;
            for (key, value) in &self.protection {
                writeln!(text, "{key} = {value}")?;
            }
        }
        writeln!(text, "\n[admin]\nlisten = \"{}\"", site.node(id, ADMIN_PORT))?;
        if self.admin_token.is_some() {
            writeln!(text, "token_file = \"{}\"", data_dir.with_file_name(TOKEN_FILE).display())?;
        }
        writeln!(text)?;
        writeln!(text, "[log]\nformat = \"text\"\nlevel = \"{}\"\n", self.log_level)?;
        self.write_storage_and_trunks(text, site)?;
        for (prefix, trunks) in ROUTES {
            writeln!(text, "[[route]]\nprefix = \"{prefix}\"\ntrunks = {trunks:?}\n")?;
        }
        writeln!(text, "{}", self.more)?;
        Ok(())
    }

    fn write_node_tls(&self, text: &mut String, id: u64, data_dir: &Path) -> std::fmt::Result {
        if self.node_tls {
            let path = |name: &str| data_dir.with_file_name(CERTS).join(name);
            writeln!(text, "[cluster.tls]\nca = \"{}\"", path("ca.pem").display())?;
            let certificate = path(&format!("node-{id}.pem"));
            writeln!(text, "certificate = \"{}\"", certificate.display())?;
            let key = path(&format!("node-{id}.key"));
            writeln!(text, "key = \"{}\"\n", key.display())?;
        }
        Ok(())
    }

    fn write_storage_and_trunks(&self, text: &mut String, site: &Site) -> std::fmt::Result {
        // A test machine's disk may be small; what is tested here is not the disk.
        writeln!(text, "[storage]\nmin_free_bytes = 1048576")?;
        if self.storage.is_empty() {
            writeln!(text, "protect_percent = 100\nreserve_bytes = 0\n")?;
        }
        for (key, value) in &self.storage {
            writeln!(text, "{key} = {value}")?;
        }
        writeln!(text)?;
        for (name, address) in trunks(site) {
            let ip = address.ip();
            let over = match name {
                "caller" => self.caller_over,
                "callee" | "backup" => self.callee_over,
                _ => Transport::Udp,
            };
            writeln!(text, "[[trunk]]\nname = \"{name}\"\ntenant = \"{name}\"")?;
            writeln!(text, "address = \"{address}\"\nsources = [\"{ip}\"]")?;
            if name == "caller"
                && let Some(domain) = &self.caller_certificate
            {
                writeln!(text, "auth = [\"certificate\"]\ntls_name = \"{domain}\"")?;
            }
            writeln!(text, "transport = \"{}\"\n", over.param())?;
        }
        Ok(())
    }

    fn write_cluster(&self, text: &mut String, site: &Site, id: u64) -> std::fmt::Result {
        writeln!(
            text,
            "[cluster]\nname = \"{}\"\nkey = \"{CLUSTER_KEY}\"\nmembers = [",
            self.name
        )?;
        for member in 1..=u64::from(self.nodes) {
            let rpc = if self.fronts { site.front(member) } else { site.node(member, RPC_PORT) };
            let more = self.place(member);
            writeln!(text, "  {{ id = {member}, rpc = \"{rpc}\"{more} }},")?;
        }
        writeln!(text, "]\nrpc = \"{}\"", site.node(id, RPC_PORT))?;
        writeln!(text, "gossip = \"{}\"", site.node(id, GOSSIP_PORT))?;
        let seeds = (1..=u64::from(self.nodes)).map(|member| site.node(member, GOSSIP_PORT));
        let seeds: Vec<String> = seeds.map(|seed| format!("\"{seed}\"")).collect();
        if !self.leader_pops.is_empty() {
            writeln!(text, "leader_pops = {:?}", self.leader_pops)?;
        }
        writeln!(text, "seeds = [{}]", seeds.join(", "))?;
        if let Some(format) = self.format_at_most {
            writeln!(text, "format_at_most = {format}")?;
        }
        writeln!(text, "hand_back_after_ms = {}\n", self.hand_back_after_ms)
    }

    /// Site and part of a first member, if it has others than the defaults.
    fn place(&self, member: u64) -> String {
        let index = usize::try_from(member - 1).unwrap_or(usize::MAX);
        let pop = self.pops.get(index).map(|pop| format!(", pop = \"{pop}\""));
        let role = (self.witness == Some(member)).then_some(", role = \"witness\"");
        format!("{}{}", pop.unwrap_or_default(), role.unwrap_or_default())
    }

    fn write_tuning(&self, text: &mut String) -> std::fmt::Result {
        if !self.raft.is_empty() {
            writeln!(text, "[cluster.raft]")?;
            for (key, value) in &self.raft {
                writeln!(text, "{key} = {value}")?;
            }
            writeln!(text)?;
        }
        Ok(())
    }
}

/// The port of node `id` at `[::1]`.
#[must_use]
pub fn v6_port(id: u64) -> u16 {
    V6_PORT + u16::try_from(id).unwrap_or(0)
}

impl ClusterOptions {
    /// Whether certificates are needed.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        [self.caller_over, self.callee_over].contains(&Transport::Tls)
    }

    /// TCP and TLS cannot share a port: TLS has it if it is used, and TCP then has the next.
    fn write_listeners(
        &self,
        text: &mut String,
        site: &Site,
        id: u64,
        data_dir: &Path,
    ) -> std::fmt::Result {
        if self.has_tls() {
            let path = |name: &str| data_dir.with_file_name(name).display().to_string();
            let (certificate, key, ca) = (path(CERTIFICATE), path(KEY), path(AUTHORITY));
            writeln!(text, "\n[sip.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"")?;
            writeln!(text, "ca = \"{ca}\"")?;
            if self.caller_certificate.is_some() {
                writeln!(text, "clients = \"required\"")?;
            }
        }
        for over in [Transport::Tcp, Transport::Tls] {
            if [self.caller_over, self.callee_over].contains(&over) {
                let mixed = over == Transport::Tcp && self.has_tls();
                let address = site.node(id, SIP_PORT + u16::from(mixed));
                writeln!(text, "\n[[sip.listener]]\naddress = \"{address}\"")?;
                writeln!(text, "transport = \"{}\"", over.param())?;
            }
        }
        if self.web_sockets {
            let address = site.node(id, WS_PORT);
            writeln!(text, "\n[[sip.listener]]\naddress = \"{address}\"\ntransport = \"ws\"")?;
        }
        for over in [Transport::Udp, Transport::Tcp].into_iter().filter(|_| self.v6) {
            let (port, over) = (v6_port(id), over.param());
            writeln!(text, "\n[[sip.listener]]\naddress = \"[::1]:{port}\"")?;
            writeln!(text, "transport = \"{over}\"")?;
        }
        Ok(())
    }
}

fn trunks(site: &Site) -> [(&'static str, SocketAddr); 5] {
    [
        ("caller", site.caller()),
        ("callee", site.callee()),
        ("backup", site.backup()),
        ("sipp-caller", site.sipp_caller()),
        ("sipp-callee", site.sipp_callee()),
    ]
}

const ROUTES: [(&str, &[&str]); 3] =
    [("1", &["callee"]), ("2", &["callee", "backup"]), ("9", &["sipp-callee"])];
