//! `[cluster]`: which cluster this node belongs to, who the members are, and how fast it decides.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdline_model::{ClusterId, Format, Name, NodeId, NodeRole, limits};
use holdline_raft::Tuning;
use holdline_transport::{ClientCertificates, TlsFiles};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::error::Fault;
use super::locate::Checker;
use super::secret;

/// Which cluster this node belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Its name; nodes and data of another name are refused. Empty for a node that joins and was not
    /// told: it learns it then.
    pub name: String,
    /// The secret that all members share.
    pub key: ClusterKey,
    /// The first members, by id, this node included; none for a node that joins.
    pub members: Vec<Member>,
    /// Nodes of a cluster to join, as `host:port`.
    pub join: Vec<String>,
    /// Whether a node that has joined gets a vote by itself when it has caught up.
    pub auto_promote: bool,
    /// Sites from which the leader should come, the best first; any if empty.
    pub leader_pops: Vec<Name>,
    /// How many slots a new cluster gets; an existing one keeps the number it was formed with.
    pub slots: u16,
    /// Where gossip starts from; this node's own address may be among them.
    pub seeds: Vec<SocketAddr>,
    /// Where this node listens for other nodes (TCP).
    pub rpc: SocketAddr,
    /// Where other nodes reach it.
    pub advertise: SocketAddr,
    /// Where this node gossips (UDP).
    pub gossip: SocketAddr,
    /// Certificates for connections between nodes; without them these are not encrypted.
    pub tls: Option<TlsFiles>,
    /// How fast the cluster decides, and its bounds.
    pub raft: Tuning,
    /// How far away the other voters are was not said: times are to fit what is measured.
    pub adapts: bool,
    /// The cluster's format is not raised beyond it.
    pub format_at_most: Format,
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
    /// Its part.
    pub role: NodeRole,
}

impl ClusterConfig {
    /// Tells this cluster's data and messages from another's: the first 8 bytes of SHA-256 over
    /// the name.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        cluster_id(&self.name)
    }
}

/// The id of the cluster of that name: the first 8 bytes of SHA-256 over it.
#[must_use]
pub fn cluster_id(name: &str) -> ClusterId {
    let digest = Sha256::new().chain_update(b"holdline cluster ").chain_update(name);
    let mut first = [0; 8];
    first.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
    ClusterId(u64::from_be_bytes(first))
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
    name: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    key_file: Option<Spanned<PathBuf>>,
    members: Option<Spanned<Vec<Spanned<RawMember>>>>,
    join: Option<Spanned<Joins>>,
    auto_promote: Option<bool>,
    leader_pops: Option<Vec<Spanned<String>>>,
    round_trip_ms: Option<Spanned<u64>>,
    advertise: Option<Spanned<SocketAddr>>,
    slots: Option<Spanned<u64>>,
    seeds: Option<Vec<SocketAddr>>,
    rpc: Option<Spanned<SocketAddr>>,
    gossip: Option<Spanned<SocketAddr>>,
    hand_back_after_ms: Option<Spanned<u64>>,
    format_at_most: Option<Spanned<u64>>,
    raft: Option<Spanned<Tuning>>,
    tls: Option<RawTls>,
}

/// All three, or none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    id: Spanned<u64>,
    rpc: Spanned<SocketAddr>,
    pop: Option<Spanned<String>>,
    role: Option<Spanned<String>>,
}

/// One seed or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Joins {
    One(String),
    Several(Vec<String>),
}

impl RawCluster {
    /// Has the node join, whatever the file says of members.
    pub(super) fn set_join(&mut self, seed: &str) {
        self.members = None;
        self.join = Some(Spanned::new(0..0, Joins::One(seed.to_owned())));
    }

    /// By its members or by joining, and with a name if it has members.
    fn check_way_in(&self, check: &mut Checker<'_>, span: &Range<usize>, join: &[String]) {
        match (&self.members, &self.join) {
            (Some(_), Some(join)) => {
                let fault = Fault::Exclusive { first: "members", second: "join" };
                check.fault("cluster.join", join.span(), fault);
            }
            (None, None) => {
                let fault = Fault::NeedsOneOf { first: "members", second: "join" };
                check.fault("cluster", span.clone(), fault);
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        match &self.name {
            Some(name) => check.name("cluster.name", name),
            None if join.is_empty() => {
                let fault = Fault::MissingKey { missing: "name".to_owned() };
                check.fault("cluster", span.clone(), fault);
            }
            None => {}
        }
    }

    pub(super) fn build(
        self,
        check: &mut Checker<'_>,
        span: Range<usize>,
        this: Option<NodeId>,
    ) -> ClusterConfig {
        let join = joins(check, self.join.as_ref());
        self.check_way_in(check, &span, &join);
        let mut raft = tuning(check, self.raft);
        if let Some(round_trip) = &self.round_trip_ms {
            let ms = check.range("cluster.round_trip_ms", round_trip, 0..MAX_ROUND_TRIP_MS + 1);
            raft = raft.scaled_to(Duration::from_millis(ms));
        }
        let hand_back_after = duration(
            check,
            "cluster.hand_back_after_ms",
            self.hand_back_after_ms.as_ref(),
            HAND_BACK,
        );
        let format_at_most = format_at_most(check, self.format_at_most.as_ref());
        let key = key(check, self.key, self.key_file, span.clone());
        let leader_pops = self.leader_pops.unwrap_or_default();
        for pop in &leader_pops {
            check.name("cluster.leader_pops", pop);
        }
        // Only one of the two can say where the leader should be.
        raft.follow_calls &= leader_pops.is_empty();
        let leader_pops =
            leader_pops.iter().map(|pop| Name::from(pop.get_ref().as_str())).collect();
        let tls = self.tls.map(|raw| TlsFiles {
            certificate: check.resolve(&raw.certificate),
            key: check.resolve(&raw.key),
            ca: Some(check.resolve(&raw.ca)),
            clients: ClientCertificates::Required,
        });
        let members_span = self.members.as_ref().map_or(span.clone(), Spanned::span);
        let members = self.members.as_ref().map(|raw| members(check, raw)).unwrap_or_default();
        let slots = slots(check, self.slots.as_ref(), members.len(), members_span);
        let own = members.iter().find(|member| Some(member.id) == this).map(|member| member.rpc);
        let rpc = self.rpc.as_ref().map(|rpc| *rpc.get_ref()).or(own).unwrap_or(UNKNOWN_ADDRESS);
        if self.rpc.is_none() && !join.is_empty() {
            let fault = Fault::MissingKey { missing: "rpc".to_owned() };
            check.fault("cluster", span, fault);
        }
        let advertise = self.advertise.as_ref().or(self.rpc.as_ref());
        if let Some(address) = advertise.filter(|_| !join.is_empty()) {
            host(check, "cluster.rpc", address);
        }
        let advertise = own.or(advertise.map(|raw| *raw.get_ref())).unwrap_or(rpc);
        if let Some(listen) = &self.rpc {
            port(check, "cluster.rpc", listen);
        }
        if let Some(listen) = &self.gossip {
            port(check, "cluster.gossip", listen);
            host(check, "cluster.gossip", listen);
        }
        let gossip = self.gossip.map(Spanned::into_inner).unwrap_or(advertise);
        let seeds = self.seeds.unwrap_or_else(|| members.iter().map(|member| member.rpc).collect());
        let name = self.name.map(Spanned::into_inner).unwrap_or_default();
        ClusterConfig {
            name,
            key,
            members,
            join,
            auto_promote: self.auto_promote.unwrap_or(true),
            leader_pops,
            slots,
            seeds,
            rpc,
            advertise,
            gossip,
            tls,
            raft,
            adapts: self.round_trip_ms.is_none(),
            format_at_most,
            hand_back_after,
        }
    }
}

/// The newest format, unless something else is said.
fn format_at_most(check: &mut Checker<'_>, raw: Option<&Spanned<u64>>) -> Format {
    let Some(raw) = raw else { return Format::NEWEST };
    let range = u64::from(Format::OLDEST.0)..u64::from(Format::NEWEST.0) + 1;
    let found = check.range("cluster.format_at_most", raw, range);
    u8::try_from(found).map_or(Format::NEWEST, Format)
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
        let role = role(check, "cluster.members.role", raw.role.as_ref());
        members.push(Member { id, rpc, pop: Name::from(pop), role });
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

/// The seeds of a node that joins.
fn joins(check: &mut Checker<'_>, raw: Option<&Spanned<Joins>>) -> Vec<String> {
    let Some(raw) = raw else { return Vec::new() };
    let seeds = match raw.get_ref() {
        Joins::One(seed) => vec![seed.clone()],
        Joins::Several(seeds) => seeds.clone(),
    };
    let count = u64::try_from(seeds.len()).unwrap_or(u64::MAX);
    check.range("cluster.join", &Spanned::new(raw.span(), count), 1..MAX_MEMBERS + 1);
    for seed in &seeds {
        let port = seed.rsplit_once(':').and_then(|(host, port)| {
            (!host.is_empty()).then_some(port).and_then(|port| port.parse::<u16>().ok())
        });
        if port.is_none_or(|port| port == 0) {
            check.fault("cluster.join", raw.span(), Fault::NotASeed { found: seed.clone() });
        }
    }
    seeds
}

/// `full` or `witness`.
pub(super) fn role(check: &mut Checker<'_>, key: &str, raw: Option<&Spanned<String>>) -> NodeRole {
    let Some(raw) = raw else { return NodeRole::Full };
    for role in [NodeRole::Full, NodeRole::Witness] {
        if raw.get_ref() == role.as_str() {
            return role;
        }
    }
    check.fault(key, raw.span(), Fault::NotARole { found: raw.get_ref().clone() });
    NodeRole::Full
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
/// Halfway round the world, over satellites.
const MAX_ROUND_TRIP_MS: u64 = 1_000;
const DAY_MS: u64 = 86_400_000;
pub(super) const DEFAULT_POP: &str = "default";

/// Beyond this a majority is slower than it is safer.
const MAX_MEMBERS: u64 = 15;

/// Stands in for an address while faults are collected; a configuration with a fault is not
/// returned.
const UNKNOWN_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
