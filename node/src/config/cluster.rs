//! `[cluster]`: which cluster this node belongs to, who the members are, and how fast it decides.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdline_model::{ClusterId, Name, NodeId, limits};
use holdline_raft::Tuning;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::error::Fault;
use super::locate::Checker;
use super::secret;

/// Which cluster this node belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Its name; nodes and data of another name are refused.
    pub name: String,
    /// The secret that all members share.
    pub key: ClusterKey,
    /// The members, by id, this node included.
    pub members: Vec<Member>,
    /// How many slots a new cluster gets; an existing one keeps the number it was formed with.
    pub slots: u16,
    /// Where gossip starts from; this node's own address may be among them.
    pub seeds: Vec<SocketAddr>,
    /// Where this node listens for other nodes (TCP).
    pub rpc: SocketAddr,
    /// Where this node gossips (UDP).
    pub gossip: SocketAddr,
    /// How fast the cluster decides, and its bounds.
    pub raft: Tuning,
    /// How long a node that came back must have been up and caught up before its slots go home.
    pub hand_back_after: Duration,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: NodeId,
    /// Where other nodes reach it.
    pub rpc: SocketAddr,
    /// Its site.
    pub pop: Name,
}

impl ClusterConfig {
    /// Tells this cluster's data and messages from another's: the first 8 bytes of SHA-256 over
    /// the name.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        let digest = Sha256::new().chain_update(b"holdline cluster ").chain_update(&self.name);
        let mut first = [0; 8];
        first.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
        ClusterId(u64::from_be_bytes(first))
    }
}

/// The secret that all members share: 32 bytes. Its debug form hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClusterKey([u8; 32]);

impl ClusterKey {
    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let bytes = match hexadecimal(text) {
            Some(bytes) => bytes,
            None => BASE64.decode(text).map_err(|error| bad_key(error.to_string()))?,
        };
        let length = bytes.len();
        <[u8; 32]>::try_from(bytes).map(Self).map_err(|_| bad_key(format!("it has {length} bytes")))
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(…)")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCluster {
    name: Spanned<String>,
    key: Option<Spanned<String>>,
    key_file: Option<Spanned<PathBuf>>,
    members: Spanned<Vec<Spanned<RawMember>>>,
    slots: Option<Spanned<u64>>,
    seeds: Option<Vec<SocketAddr>>,
    rpc: Option<Spanned<SocketAddr>>,
    gossip: Option<Spanned<SocketAddr>>,
    hand_back_after_ms: Option<Spanned<u64>>,
    raft: Option<Spanned<Tuning>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    id: Spanned<u64>,
    rpc: Spanned<SocketAddr>,
    pop: Option<Spanned<String>>,
}

impl RawCluster {
    pub(super) fn build(
        self,
        check: &mut Checker<'_>,
        span: Range<usize>,
        this: &NodeId,
    ) -> ClusterConfig {
        check.name("cluster.name", &self.name);
        let raft = tuning(check, self.raft);
        let hand_back_after = duration(
            check,
            "cluster.hand_back_after_ms",
            self.hand_back_after_ms.as_ref(),
            HAND_BACK,
        );
        let key = key(check, self.key, self.key_file, span);
        let members = members(check, &self.members);
        let slots = slots(check, self.slots.as_ref(), members.len(), self.members.span());
        let own = members.iter().find(|member| member.id == *this).map(|member| member.rpc);
        let rpc = self.rpc.as_ref().map(|rpc| *rpc.get_ref()).or(own).unwrap_or(UNKNOWN_ADDRESS);
        if let Some(listen) = &self.rpc {
            port(check, "cluster.rpc", listen);
        }
        if let Some(listen) = &self.gossip {
            port(check, "cluster.gossip", listen);
            host(check, "cluster.gossip", listen);
        }
        let gossip = self.gossip.map(Spanned::into_inner).or(own).unwrap_or(UNKNOWN_ADDRESS);
        let seeds = self.seeds.unwrap_or_else(|| members.iter().map(|member| member.rpc).collect());
        let name = self.name.into_inner();
        ClusterConfig { name, key, members, slots, seeds, rpc, gossip, raft, hand_back_after }
    }
}

/// The times and bounds of the Raft node; `raft` knows what must be shorter than what.
fn tuning(check: &mut Checker<'_>, raw: Option<Spanned<Tuning>>) -> Tuning {
    let Some(raw) = raw else { return Tuning::default() };
    if let Err(contradiction) = raw.get_ref().validate() {
        check.fault("cluster.raft", raw.span(), Fault::RaftTuning(contradiction));
    }
    raw.into_inner()
}

fn members(check: &mut Checker<'_>, raw: &Spanned<Vec<Spanned<RawMember>>>) -> Vec<Member> {
    let count = u64::try_from(raw.get_ref().len()).unwrap_or(u64::MAX);
    check.range("cluster.members", &Spanned::new(raw.span(), count), 1..MAX_MEMBERS + 1);
    let mut members: Vec<Member> = Vec::new();
    for raw in raw.get_ref() {
        let raw = raw.get_ref();
        let id = NodeId(check.range("cluster.members.id", &raw.id, 1..u64::MAX));
        host(check, "cluster.members.rpc", &raw.rpc);
        port(check, "cluster.members.rpc", &raw.rpc);
        if let Some(pop) = &raw.pop {
            check.name("cluster.members.pop", pop);
        }
        let rpc = *raw.rpc.get_ref();
        if members.iter().any(|member| member.id == id) {
            let fault = Fault::Duplicate { value: id.to_string() };
            check.fault("cluster.members.id", raw.id.span(), fault);
        }
        if members.iter().any(|member| member.rpc == rpc) {
            let fault = Fault::Duplicate { value: rpc.to_string() };
            check.fault("cluster.members.rpc", raw.rpc.span(), fault);
        }
        let pop = raw.pop.as_ref().map_or(DEFAULT_POP, |pop| pop.get_ref());
        members.push(Member { id, rpc, pop: Name::from(pop) });
    }
    if members.len().is_multiple_of(2) {
        let (count, fewer) = (members.len(), members.len().saturating_sub(1));
        check.warn(format!(
            "cluster.members has {count} members, which survive no more failures than {fewer}: use an odd number"
        ));
    }
    members.sort_by_key(|member| member.id);
    members
}

fn slots(
    check: &mut Checker<'_>,
    raw: Option<&Spanned<u64>>,
    members: usize,
    span: Range<usize>,
) -> u16 {
    let max = u64::from(limits::MAX_SLOTS);
    let found = raw.map(|slots| check.range("cluster.slots", slots, 1..max + 1));
    let slots = found.and_then(|n| u16::try_from(n).ok()).unwrap_or(limits::DEFAULT_SLOTS);
    if usize::from(slots) < members {
        let at = raw.map_or(span, Spanned::span);
        check.fault("cluster.slots", at, Fault::FewerSlotsThanMembers { slots, members });
    }
    slots
}

fn key(
    check: &mut Checker<'_>,
    key: Option<Spanned<String>>,
    key_file: Option<Spanned<PathBuf>>,
    span: Range<usize>,
) -> ClusterKey {
    let (name, at, read) = match (key, key_file) {
        (Some(_), Some(file)) => {
            let fault = Fault::Exclusive { first: "key", second: "key_file" };
            ("cluster.key_file", file.span(), Err(fault))
        }
        (Some(key), None) => ("cluster.key", key.span(), ClusterKey::read(key.get_ref())),
        (None, Some(file)) => {
            let path = check.resolve(file.get_ref());
            let key = secret::read(&path).and_then(|text| ClusterKey::read(&text));
            ("cluster.key_file", file.span(), key)
        }
        (None, None) => {
            let fault = Fault::NeedsOneOf { first: "key_file", second: "key" };
            ("cluster", span, Err(fault))
        }
    };
    read.unwrap_or_else(|fault| {
        check.fault(name, at, fault);
        // Never used: a configuration with a fault is not returned.
        ClusterKey([0; 32])
    })
}

/// Refuses an address that other nodes or peers could not send to.
pub(super) fn host(check: &mut Checker<'_>, key: &str, address: &Spanned<SocketAddr>) {
    let ip = address.get_ref().ip();
    if ip.is_unspecified() || ip.is_multicast() {
        let fault = Fault::NoHost { address: *address.get_ref() };
        check.fault(key, address.span(), fault);
    }
}

/// Refuses port 0.
pub(super) fn port(check: &mut Checker<'_>, key: &str, address: &Spanned<SocketAddr>) {
    if address.get_ref().port() == 0 {
        check.fault(key, address.span(), Fault::NoPort { address: *address.get_ref() });
    }
}

/// A duration from 1 ms to one day.
pub(super) fn duration(
    check: &mut Checker<'_>,
    key: &str,
    value: Option<&Spanned<u64>>,
    default: Duration,
) -> Duration {
    value.map_or(default, |ms| Duration::from_millis(check.range(key, ms, 1..DAY_MS + 1)))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
}

const fn bad_key(detail: String) -> Fault {
    Fault::BadKey { detail }
}

const HAND_BACK: Duration = Duration::from_secs(10);
const DAY_MS: u64 = 86_400_000;
const DEFAULT_POP: &str = "default";

/// Beyond this a majority is slower than it is safer.
const MAX_MEMBERS: u64 = 15;

/// Stands in for an address while faults are collected; a configuration with a fault is not
/// returned.
const UNKNOWN_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
