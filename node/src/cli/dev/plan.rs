//! Which nodes a development cluster has, and their configurations.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::DevError;

/// A development cluster.
#[derive(Debug)]
pub(super) struct Plan {
    dir: PathBuf,
    key: String,
    nodes: Vec<DevNode>,
    callees: Vec<SocketAddr>,
}

/// One node of it.
#[derive(Debug)]
pub(super) struct DevNode {
    pub(super) id: u8,
    pub(super) sip: SocketAddr,
    pub(super) rpc: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Plan {
    /// A cluster in a folder; one that was there before goes on with its key and data.
    pub(super) fn new(
        dir: PathBuf,
        nodes: u8,
        callees: Vec<SocketAddr>,
        new_key: impl FnOnce() -> Result<String, DevError>,
    ) -> Result<Self, DevError> {
        let path = dir.join(KEY_FILE);
        let key = match fs::read_to_string(&path) {
            Ok(key) => key.trim().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => new_key()?,
            Err(error) => return Err(DevError::file(&path, error)),
        };
        let nodes = (1..=nodes).map(DevNode::new).collect();
        Ok(Self { dir, key, nodes, callees })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn nodes(&self) -> &[DevNode] {
        &self.nodes
    }

    pub(super) fn callees(&self) -> &[SocketAddr] {
        &self.callees
    }

    pub(super) fn config_path(&self, node: &DevNode) -> PathBuf {
        self.dir.join(format!("node-{}.toml", node.id))
    }

    pub(super) fn log_path(&self, node: &DevNode) -> PathBuf {
        self.dir.join(format!("node-{}.log", node.id))
    }

    /// Finds out before anything is started whether an address is in use, and says which.
    pub(super) fn check_ports(&self) -> Result<(), DevError> {
        for node in &self.nodes {
            let fault = |address, what| {
                move |source| DevError::Address { address, what, node: node.id, source }
            };
            UdpSocket::bind(node.sip).map_err(fault(node.sip, "SIP, UDP"))?;
            UdpSocket::bind(node.rpc).map_err(fault(node.rpc, "gossip, UDP"))?;
            TcpListener::bind(node.rpc).map_err(fault(node.rpc, "RPC, TCP"))?;
            TcpListener::bind(node.admin).map_err(fault(node.admin, "admin API, TCP"))?;
        }
        Ok(())
    }

    /// Writes the key and the configurations.
    pub(super) fn write(&self) -> Result<(), DevError> {
        let path = self.dir.join(KEY_FILE);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&path).map_err(|source| DevError::file(&path, source))?;
        writeln!(file, "{}", self.key).map_err(|source| DevError::file(&path, source))?;
        for node in &self.nodes {
            let path = self.config_path(node);
            fs::write(&path, self.config(node)).map_err(|source| DevError::file(&path, source))?;
        }
        Ok(())
    }

    /// A node's configuration. Strings are written as TOML writes them, which for these is as Rust
    /// does.
    pub(super) fn config(&self, node: &DevNode) -> String {
        let member = |node: &DevNode| {
            format!("  {{ id = {}, rpc = \"{}\", pop = \"dev\" }},\n", node.id, node.rpc)
        };
        let members: String = self.nodes.iter().map(member).collect();
        let trunk = |(address, index): (&SocketAddr, usize)| {
            format!(
                "[[trunk]]\nname = \"callee-{index}\"\naddress = \"{address}\"\nsources = []\n\n"
            )
        };
        let trunks: String = self.callees.iter().zip(1..).map(trunk).collect();
        let names: Vec<_> =
            (1..=self.callees.len()).map(|index| format!("\"callee-{index}\"")).collect();
        let DevNode { id, sip, admin, .. } = node;
        format!(
            "# Made by `holdline dev`; made again when it is started again.\n\
             [node]\nid = {id}\ndata_dir = \"node-{id}\"\n\n\
             [cluster]\nname = \"dev\"\nkey_file = \"{KEY_FILE}\"\nmembers = [\n{members}]\n\n\
             [sip]\naddresses = [\"{sip}\"]\nfloating = \"bind\"\n\n\
             # Whoever calls from this host.\n\
             [[trunk]]\nname = \"caller\"\naddress = \"127.0.0.1:5060\"\nsources = [\"127.0.0.0/8\"]\n\n\
             {trunks}\
             [[route]]\nprefix = \"\"\ntrunks = [{}]\n\n\
             [admin]\nlisten = \"{admin}\"\n\n\
             [log]\nformat = \"text\"\nlevel = \"info\"\n",
            names.join(", ")
        )
    }

    /// How to place calls, if the first callee is on this host.
    pub(super) fn calls_to_try(&self) -> Vec<String> {
        let (Some(callee), Some(node)) = (self.callees.first(), self.nodes.first()) else {
            return Vec::new();
        };
        let call = format!("sipp -sn uac -i 127.0.0.1 -p 5080 -d 60000 -m 10 -r 2 {}", node.sip);
        let answer = format!("sipp -sn uas -i {} -p {} -bg", callee.ip(), callee.port());
        if callee.ip().is_loopback() { vec![format!("{answer}; {call}")] } else { vec![call] }
    }
}

impl DevNode {
    /// Node n has the loopback address 127.0.0.1n.
    const fn new(id: u8) -> Self {
        let host = std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, FIRST_HOST + id - 1));
        Self {
            id,
            sip: SocketAddr::new(host, 5060),
            rpc: SocketAddr::new(host, 7060),
            admin: SocketAddr::new(host, 8060),
        }
    }
}

const KEY_FILE: &str = "cluster.key";
const FIRST_HOST: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FloatingConfig};

    fn plan(dir: &Path, callees: &[&str]) -> Plan {
        let callees = callees.iter().map(|callee| callee.parse().unwrap()).collect();
        Plan::new(dir.to_owned(), 3, callees, || Ok("a1".repeat(32))).unwrap()
    }

    #[test]
    fn every_node_s_configuration_is_valid_and_they_agree() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(dir.path(), &["127.0.0.1:5070", "127.0.0.1:5071"]);
        plan.write().unwrap();
        for node in plan.nodes() {
            let config = Config::load(&plan.config_path(node)).unwrap();
            assert_eq!(config.node.id.0, u64::from(node.id));
            assert_eq!(config.warnings, Vec::<String>::new());
            assert_eq!(config.cluster.members.len(), 3);
            assert_eq!(config.cluster.rpc, node.rpc);
            assert_eq!(config.cluster.key.bytes(), &[0xa1; 32]);
            assert_eq!(config.sip.addresses, [node.sip]);
            assert_eq!(config.sip.floating, FloatingConfig::Bind);
            assert_eq!(config.admin.listen, node.admin);
            assert!(config.node.data_dir.starts_with(dir.path()));
            let routing = config.routing().unwrap();
            let targets =
                routing.targets("sip:4969@127.0.0.11", "127.0.0.11:5060".parse().unwrap());
            let targets: Vec<_> = targets.iter().map(|target| target.hop.peer.port()).collect();
            assert_eq!(targets, [5070, 5071]);
            let source = routing
                .source(&std::net::IpAddr::from([127, 0, 0, 1]).into(), &holdline_call::NoNames)
                .unwrap();
            assert_eq!(source.name.as_str(), "caller");
        }
    }

    #[test]
    fn a_folder_that_was_used_before_keeps_its_key() {
        let dir = tempfile::tempdir().unwrap();
        plan(dir.path(), &["127.0.0.1:5070"]).write().unwrap();
        let again =
            Plan::new(dir.path().to_owned(), 1, Vec::new(), || panic!("there is a key")).unwrap();
        assert_eq!(again.key, "a1".repeat(32));
    }

    #[test]
    fn an_address_in_use_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut plan = plan(dir.path(), &["127.0.0.1:5070"]);
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = |node: &mut DevNode| {
            let port = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            (node.sip, node.rpc) = (port(), port());
        };
        plan.nodes.truncate(1);
        plan.nodes.iter_mut().for_each(free);
        plan.nodes[0].admin = taken.local_addr().unwrap();
        let error = plan.check_ports().unwrap_err().to_string();
        let expected = format!("{} (admin API, TCP of node 1) cannot be used", plan.nodes[0].admin);
        assert!(error.starts_with(&expected), "{error}");
    }
}
