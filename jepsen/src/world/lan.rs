//! Hosts as network namespaces on two bridges: one that faults strike, and one for control, so
//! that a host that is cut off can still be asked what it thinks.
//!
//! Nothing outside the namespaces is touched: the bridges are in a namespace of their own. Frames
//! are dropped at the bridge, because a drop on the host itself makes `sendto` fail, which no
//! network does.

use std::fmt::Write as _;
use std::fs::File;

use nix::sched::{CloneFlags, setns};

use super::command::{CommandError, run, run_with};

/// The network of nodes and agents.
pub(super) const NETWORK: [u8; 3] = [10, 77, 0];
/// The network of the admin APIs.
pub(super) const CONTROL: [u8; 3] = [10, 78, 0];
/// The interface of each host in [`NETWORK`].
pub(super) const INTERFACE: &str = "eth0";

/// A rule of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Frames are dropped.
    Cut,
    /// Five of a hundred frames are dropped.
    Lossy,
}

impl Rule {
    const fn set(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Lossy => "lossy",
        }
    }
}

/// The hosts of a run: `n1` … and `client`.
#[derive(Debug)]
pub struct Lan {
    prefix: String,
    nodes: u64,
}

/// No such network here.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A namespace could not be entered.
    #[error("cannot enter {path}: {cause}")]
    Enter {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl Lan {
    /// Builds the hosts. Needs root, namespaces, veth, bridge and nft.
    ///
    /// # Errors
    /// What is missing.
    pub fn build(nodes: u64) -> Result<Self, LanError> {
        let lan = Self { prefix: format!("hj{}", std::process::id()), nodes };
        let bridge = lan.namespace("bridge");
        run(&format!("ip netns add {bridge}"))?;
        for name in ["data", "control"] {
            run(&format!("ip -n {bridge} link add {name} type bridge forward_delay 0"))?;
            run(&format!("ip -n {bridge} link set {name} up"))?;
        }
        for id in 1..=nodes {
            lan.host(&Self::host_name(id), &format!("{}", 10 + id), &[])?;
        }
        let agents = ["101", "102", "103", "111", "112", "120"];
        lan.host("client", "100", &agents)?;
        run_with(&format!("ip netns exec {bridge} nft -f -"), &rules())?;
        Ok(lan)
    }

    /// The network that faults strike, and that of the admin APIs.
    #[must_use]
    pub const fn networks() -> ([u8; 3], [u8; 3]) {
        (NETWORK, CONTROL)
    }

    /// The name of a node's host, which is also its port's at the bridge.
    #[must_use]
    pub fn host_name(id: u64) -> String {
        format!("n{id}")
    }

    /// The namespace of a host.
    #[must_use]
    pub fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// A command in front of a program that runs on a node's host.
    #[must_use]
    pub fn wrapper(&self, id: u64) -> Vec<String> {
        let namespace = self.namespace(&Self::host_name(id));
        vec!["nsenter".into(), format!("--net=/run/netns/{namespace}"), "--".into()]
    }

    /// Moves the calling thread to a host. Threads that it starts later are there, too.
    ///
    /// # Errors
    /// If it may not.
    pub fn enter(&self, host: &str) -> Result<(), LanError> {
        let path = format!("/run/netns/{}", self.namespace(host));
        let failed = |cause| LanError::Enter { path: path.clone(), cause };
        let file = File::open(&path).map_err(failed)?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(errno.into()))
    }

    /// Puts a rule on frames from one host to another, one way.
    ///
    /// # Errors
    /// If nft refuses.
    pub fn set(&self, rule: Rule, from: &str, to: &str) -> Result<(), LanError> {
        let element = format!("{{ \"{from}\" . \"{to}\" }}");
        self.nft(&format!("add element bridge chaos {} {element}\n", rule.set()))
    }

    /// Takes all rules of a kind away.
    ///
    /// # Errors
    /// If nft refuses.
    pub fn clear(&self, rule: Rule) -> Result<(), LanError> {
        self.nft(&format!("flush set bridge chaos {}\n", rule.set()))
    }

    /// Frames that rules of a kind have dropped so far.
    ///
    /// # Errors
    /// If nft cannot say.
    pub fn dropped(&self, rule: Rule) -> Result<u64, LanError> {
        let bridge = self.namespace("bridge");
        let line = format!("ip netns exec {bridge} nft list counter bridge chaos {}", rule.set());
        let text = run(&line)?;
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
        Ok(words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0))
    }

    /// Runs `tc` at the bridge.
    ///
    /// # Errors
    /// What it complains about.
    pub fn tc(&self, args: &str) -> Result<String, LanError> {
        Ok(run(&format!("tc -n {} {args}", self.namespace("bridge")))?)
    }

    /// Runs `ip` on a host.
    ///
    /// # Errors
    /// What it complains about.
    pub fn ip(&self, host: &str, args: &str) -> Result<String, LanError> {
        Ok(run(&format!("ip -n {} {args}", self.namespace(host)))?)
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn nodes(&self) -> u64 {
        self.nodes
    }

    fn nft(&self, script: &str) -> Result<(), LanError> {
        let bridge = self.namespace("bridge");
        run_with(&format!("ip netns exec {bridge} nft -f -"), script)?;
        Ok(())
    }

    fn host(&self, name: &str, own: &str, more: &[&str]) -> Result<(), LanError> {
        let (ns, bridge) = (self.namespace(name), self.namespace("bridge"));
        run(&format!("ip netns add {ns}"))?;
        run(&format!("ip -n {ns} link set lo up"))?;
        for (interface, port, network, at) in [
            (INTERFACE, name.to_owned(), NETWORK, "data"),
            ("eth1", format!("c-{name}"), CONTROL, "control"),
        ] {
            run(&format!(
                "ip -n {bridge} link add {port} type veth peer name {interface} netns {ns}"
            ))?;
            run(&format!("ip -n {bridge} link set {port} master {at}"))?;
            run(&format!("ip -n {bridge} link set {port} up"))?;
            let [a, b, c] = network;
            run(&format!("ip -n {ns} address add {a}.{b}.{c}.{own}/24 dev {interface}"))?;
            run(&format!("ip -n {ns} link set {interface} up"))?;
        }
        let [a, b, c] = NETWORK;
        for host in more {
            run(&format!("ip -n {ns} address add {a}.{b}.{c}.{host}/24 dev {INTERFACE}"))?;
        }
        Ok(())
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let hosts = (1..=self.nodes).map(Self::host_name);
        for host in hosts.chain(["client".to_owned(), "bridge".to_owned()]) {
            // It may never have been made.
            let _gone = run(&format!("ip netns delete {}", self.namespace(&host)));
        }
    }
}

fn rules() -> String {
    let mut text = "table bridge chaos {\n".to_owned();
    for (rule, when) in [(Rule::Cut, ""), (Rule::Lossy, "numgen random mod 100 < 5 ")] {
        let set = rule.set();
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            text,
            " set {set} {{ type ifname . ifname; }}\n counter {set} {{ }}\n chain {set}_c {{\n  \
             type filter hook forward priority 0; policy accept;\n  \
             iifname . oifname @{set} {when}counter name {set} drop\n }}"
        );
    }
    text.push_str("}\n");
    text
}
