//! What a node tells the others about itself, as keys and values.
//!
//! Values come from nodes that hold the cluster key, but maybe from another version of the
//! software: a value that cannot be read is treated as not said.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use holdline_model::{Format, Incarnation, Name};

/// What a node says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Which run of its process.
    pub incarnation: Incarnation,
    /// Its site.
    pub pop: Name,
    /// Its floating SIP addresses.
    pub sip: Vec<SocketAddr>,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Where its admin API listens.
    pub admin: SocketAddr,
    /// Its software version.
    pub version: String,
    /// The newest format that it reads, or wants the cluster to have.
    pub reads: Format,
    /// How busy it is.
    pub load: Load,
    /// What it says of trunks, by name: text that whoever watches trunks understands. At most
    /// [`MAX_TRUNKS`] of at most [`MAX_TRUNK_BYTES`].
    pub trunks: BTreeMap<Name, String>,
}

/// How busy a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls up in the slots that it owns.
    pub calls: u64,
    /// Share of its processors in use, in percent; `None` if it is not measured.
    pub cpu_percent: Option<u8>,
    /// Calls may fail over to it, as the leader last told it.
    pub safe: bool,
}

impl NodeFacts {
    /// All facts, as gossip carries them.
    pub(super) fn to_pairs(&self) -> Vec<(String, String)> {
        let sip: Vec<_> = self.sip.iter().map(ToString::to_string).collect();
        let mut pairs = vec![
            (INCARNATION.to_owned(), self.incarnation.to_string()),
            (POP.to_owned(), self.pop.to_string()),
            (SIP.to_owned(), sip.join(",")),
            (RPC.to_owned(), self.rpc.to_string()),
            (ADMIN.to_owned(), self.admin.to_string()),
            (VERSION.to_owned(), self.version.clone()),
            (READS.to_owned(), self.reads.to_string()),
        ];
        pairs.extend(self.load.to_pairs());
        pairs.extend(self.trunks.iter().map(|(trunk, said)| (trunk_key(trunk), said.clone())));
        pairs
    }

    /// Reads facts; `None` if one that is needed is missing or makes no sense.
    pub(super) fn from_lookup<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let sip = value(SIP)?.split(',').filter(|text| !text.is_empty());
        Some(Self {
            incarnation: value(INCARNATION)?.parse().ok()?,
            pop: Name::from(value(POP)?),
            sip: sip.map(str::parse).collect::<Result<_, _>>().ok()?,
            rpc: value(RPC)?.parse().ok()?,
            admin: value(ADMIN)?.parse().ok()?,
            version: value(VERSION)?.to_owned(),
            // A program that does not say knows of no other than the oldest.
            reads: value(READS).and_then(|text| text.parse().ok()).map_or(Format::OLDEST, Format),
            load: Load {
                calls: value(CALLS).and_then(|text| text.parse().ok()).unwrap_or(0),
                cpu_percent: value(CPU).and_then(|text| text.parse().ok()),
                safe: value(SAFE) == Some("1"),
            },
            trunks: BTreeMap::new(),
        })
    }
}

impl NodeFacts {
    /// With what is said of trunks, from all keys and values. More than is allowed is left out, so that
    /// no node can fill another's memory.
    pub(super) fn with_trunks<'a>(
        mut self,
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let said = pairs.filter_map(|(key, said)| Some((key.strip_prefix(TRUNK)?, said)));
        let said = said.filter(|(_, said)| said.len() <= MAX_TRUNK_BYTES).take(MAX_TRUNKS);
        self.trunks = said.map(|(trunk, said)| (Name::from(trunk), said.to_owned())).collect();
        self
    }
}

/// The key of what is said of a trunk.
pub(super) fn trunk_key(trunk: &str) -> String {
    format!("{TRUNK}{trunk}")
}

impl Load {
    pub(super) fn to_pairs(self) -> Vec<(String, String)> {
        let cpu = self.cpu_percent.map(|percent| percent.to_string()).unwrap_or_default();
        let safe = if self.safe { "1" } else { "0" };
        vec![
            (CALLS.to_owned(), self.calls.to_string()),
            (CPU.to_owned(), cpu),
            (SAFE.to_owned(), safe.to_owned()),
        ]
    }
}

const INCARNATION: &str = "incarnation";
const POP: &str = "pop";
const SIP: &str = "sip";
const RPC: &str = "rpc";
const ADMIN: &str = "admin";
const VERSION: &str = "version";
const READS: &str = "format";
const CALLS: &str = "calls";
const CPU: &str = "cpu";
const SAFE: &str = "safe";
const TRUNK: &str = "trunk.";

/// Trunks that a node may speak of.
pub const MAX_TRUNKS: usize = 1024;

/// What it may say of one, in bytes.
pub const MAX_TRUNK_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn facts() -> NodeFacts {
        NodeFacts {
            incarnation: Incarnation(42),
            pop: Name::from("fra1"),
            sip: vec!["127.0.0.11:5060".parse().unwrap(), "[::1]:5060".parse().unwrap()],
            rpc: "127.0.0.1:7001".parse().unwrap(),
            admin: "127.0.0.1:8001".parse().unwrap(),
            version: "0.1.0".to_owned(),
            reads: Format(3),
            load: Load { calls: 17, cpu_percent: Some(40), safe: true },
            trunks: BTreeMap::from([("carrier-a".into(), "active 7 - 3".to_owned())]),
        }
    }

    fn read(pairs: &BTreeMap<String, String>) -> Option<NodeFacts> {
        let facts = NodeFacts::from_lookup(|key| pairs.get(key).map(String::as_str))?;
        Some(facts.with_trunks(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
    }

    #[test]
    fn facts_survive_the_journey() {
        for facts in [facts(), NodeFacts { sip: Vec::new(), load: Load::default(), ..facts() }] {
            assert_eq!(read(&facts.to_pairs().into_iter().collect()), Some(facts));
        }
    }

    #[test]
    fn too_many_or_too_long_words_on_trunks_are_left_out() {
        let mut pairs: BTreeMap<_, _> = facts().to_pairs().into_iter().collect();
        pairs.insert(trunk_key("long"), "x".repeat(MAX_TRUNK_BYTES + 1));
        assert_eq!(read(&pairs), Some(facts()));
        for trunk in 0..2 * MAX_TRUNKS {
            pairs.insert(trunk_key(&trunk.to_string()), "x".to_owned());
        }
        assert_eq!(read(&pairs).map(|facts| facts.trunks.len()), Some(MAX_TRUNKS));
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        let pairs: BTreeMap<_, _> = facts().to_pairs().into_iter().collect();
        for key in [INCARNATION, SIP, RPC, ADMIN] {
            let mut broken = pairs.clone();
            broken.insert(key.to_owned(), "nonsense".to_owned());
            assert_eq!(read(&broken), None, "{key}");
            broken.remove(key);
            assert_eq!(read(&broken), None, "{key}");
        }
        let mut before = pairs.clone();
        before.remove(READS);
        assert_eq!(
            read(&before).map(|facts| facts.reads),
            Some(Format::OLDEST),
            "an older program"
        );
        let mut idle = pairs;
        idle.insert(CALLS.to_owned(), "many".to_owned());
        assert_eq!(read(&idle).map(|facts| facts.load.calls), Some(0));
    }
}
