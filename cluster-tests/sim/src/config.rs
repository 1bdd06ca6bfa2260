//! The configuration of a simulated node, as an operator would write it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use holdline::config::Config;

/// What the nodes of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// How many nodes.
    pub nodes: usize,
    /// How many slots.
    pub slots: u16,
    /// A snapshot is built after so many entries.
    pub snapshot_every: u64,
    /// How long a node must be back before it gets its slots.
    pub hand_back_ms: u64,
}

/// Where calls come from.
pub const CALLER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1)), 5060);
/// Where calls go to.
pub const CALLEE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 3, 0, 1)), 5060);
/// Where calls go to when the callee does not take them.
pub const BACKUP: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 3, 0, 2)), 5060);

/// A node's SIP address: it moves.
#[must_use]
pub fn door(node: usize) -> SocketAddr {
    address(1, node, 5060)
}

/// A node's address for other nodes.
#[must_use]
pub fn rpc(node: usize) -> SocketAddr {
    address(0, node, 7420)
}

fn address(net: u8, node: usize, port: u16) -> SocketAddr {
    let host = u8::try_from(node + 1).unwrap_or(u8::MAX);
    SocketAddr::from((Ipv4Addr::new(10, net, 0, host), port))
}

impl Cluster {
    /// The configuration of a node.
    ///
    /// # Errors
    /// It contradicts itself.
    pub fn config(&self, node: usize, folder: &Path) -> anyhow::Result<Config> {
        let mut text = String::new();
        self.write(&mut text, node, folder)?;
        Ok(Config::from_toml(&text, &folder.join("node.toml"))?)
    }

    fn write(&self, text: &mut String, node: usize, folder: &Path) -> std::fmt::Result {
        let gossip = |node| address(0, node, 7421);
        writeln!(text, "[node]\nid = {}\ndata_dir = \"{}\"", node + 1, folder.display())?;
        writeln!(text, "[cluster]\nname = \"sim\"\nkey = \"{}\"\nmembers = [", "5e".repeat(32))?;
        for member in 0..self.nodes {
            writeln!(text, "  {{ id = {}, rpc = \"{}\" }},", member + 1, rpc(member))?;
        }
        writeln!(text, "]\nrpc = \"{}\"\ngossip = \"{}\"", rpc(node), gossip(node))?;
        let seeds: Vec<_> = (0..self.nodes).map(|node| gossip(node).to_string()).collect();
        writeln!(text, "seeds = {seeds:?}\nslots = {}", self.slots)?;
        writeln!(text, "hand_back_after_ms = {}", self.hand_back_ms)?;
        let (every, keep) = (self.snapshot_every, self.snapshot_every / 4);
        writeln!(text, "raft = {{ snapshot_every = {every}, snapshot_keep = {keep} }}")?;
        writeln!(text, "[sip]\naddresses = [\"{}\"]\nfloating = \"bind\"\nshards = 2", door(node))?;
        writeln!(text, "no_answer_timeout_ms = 4000\nmax_call_duration_ms = 15000")?;
        for (name, at) in [("caller", CALLER), ("callee", CALLEE), ("backup", BACKUP)] {
            let ip = at.ip();
            writeln!(text, "[[trunk]]\nname = \"{name}\"\ntenant = \"{name}\"")?;
            writeln!(text, "address = \"{at}\"\nsources = [\"{ip}\"]")?;
        }
        writeln!(text, "[[route]]\nprefix = \"1\"\ntrunks = [\"callee\"]")?;
        writeln!(text, "[[route]]\nprefix = \"2\"\ntrunks = [\"callee\", \"backup\"]")
    }
}
