//! The configuration of one node: a TOML file, read once at start.
//!
//! What it is: each section has its own file here, with the shape it has in TOML (`Raw…`, every key
//! optional unless there can be no default) and the shape the node uses (real types: `Duration`,
//! `SocketAddr`, `NodeId`). Numbers carry their unit at the end of the key (`_ms`, `_bytes`).
//! What it is not: a source of anything from the environment (but for keys that it names a variable
//! for), or of anything that the cluster must agree on while it runs (that is replicated state).
//!
//! Invariant: every default is written once, in the section's `DEFAULT…` constants; a value that
//! contradicts another is refused at start with both values named, never corrected in silence.

mod admin;
mod cluster;
mod dns;
mod error;
mod example;
mod floating;
mod listener;
mod load;
mod locate;
mod log;
mod node;
mod protection;
mod registrar;
mod route;
mod secret;
mod sip;
mod storage;
mod trunk;
mod trunk_group;
mod trunk_health;
mod trunk_policy;
mod trunk_tls;

pub use admin::{AdminConfig, AdminToken};
pub use cluster::{ClusterConfig, ClusterKey, Member, cluster_id};
pub use dns::DnsConfig;
pub use error::{ConfigError, Fault, LocatedFault};
pub use example::EXAMPLE;
pub use floating::FloatingConfig;
pub use log::{LogConfig, LogFormat};
pub use node::NodeConfig;
pub use protection::ProtectionConfig;
pub use route::RouteConfig;
pub(crate) use secret::read_secret;
pub use sip::SipConfig;
pub use storage::{StorageConfig, Watermarks};
pub use trunk::TrunkConfig;
pub use trunk_tls::TrunkTls;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use holdline_call::{
    Cidr, RegistrarOptions, Route, Routing, RoutingError, Trunk, TrunkGroup, TrunkOptions,
};
use holdline_storage::Identity;

/// Everything one node is told by its operator; already checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who this node is.
    pub node: NodeConfig,
    /// Which cluster it belongs to.
    pub cluster: ClusterConfig,
    /// Its SIP side.
    pub sip: SipConfig,
    /// The peers that calls are exchanged with; names are unique.
    pub trunks: Vec<TrunkConfig>,
    /// Trunks that serve the same numbers; every trunk named here is in `trunks`.
    pub groups: Vec<TrunkGroup>,
    /// How names are asked for.
    pub dns: DnsConfig,
    /// How trunks are watched.
    pub trunk_health: TrunkOptions,
    /// Where calls go; prefixes are unique and what is named here is in `trunks` or `groups`.
    pub routes: Vec<RouteConfig>,
    /// Domains of users, and how they register.
    pub registrar: RegistrarOptions,
    /// What the node does against noisy neighbours and overload.
    pub protection: ProtectionConfig,
    /// The admin API.
    pub admin: AdminConfig,
    /// The log.
    pub log: LogConfig,
    /// The disk.
    pub storage: StorageConfig,
    /// What is allowed but probably not meant, one sentence each; to be logged at start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and checks a file. Relative paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// The file (or a key or token file it names) cannot be read, is not TOML, has an unknown key,
    /// or contradicts itself; all contradictions are reported at once, with line and column.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        load::file(path, None)
    }

    /// As [`Config::load`], for a node that joins a cluster at `seed`: what the file says of members
    /// does not count.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_joining(path: &Path, seed: &str) -> Result<Self, ConfigError> {
        load::file(path, Some(seed))
    }

    /// Checks a text; `path` is what error messages call it and what relative paths start from.
    ///
    /// # Errors
    /// As [`Config::load`], except that the text itself was read already.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        load::text(text, path, None)
    }

    /// Whose data this node's folder holds.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { cluster: self.cluster.name.clone(), node: self.node.id }
    }

    /// This node as a member.
    #[must_use]
    pub fn this_member(&self) -> Member {
        let NodeConfig { id, ref pop, role, .. } = self.node;
        Member { id, rpc: self.cluster.advertise, pop: pop.clone(), role }
    }

    /// The trunks and routes as the switch uses them.
    ///
    /// # Errors
    /// What is wrong with them; never for a configuration that was loaded, which was checked so.
    pub fn routing(&self) -> Result<Routing, RoutingError> {
        routing(&self.trunks, &self.groups, &self.routes)
    }
}

fn routing(
    trunks: &[TrunkConfig],
    groups: &[TrunkGroup],
    routes: &[RouteConfig],
) -> Result<Routing, RoutingError> {
    let trunks = trunks.iter().zip(0_u32..).map(|(trunk, index)| {
        let mut sources = trunk.sources.clone().unwrap_or_default();
        if sources.is_empty() && trunk.sources.is_some() {
            sources.push(no_source(index));
        }
        let TrunkConfig { name, tenant, address, transport, proxy, policy, .. } = trunk.clone();
        Trunk { name, tenant, address, transport, proxy, sources, policy }
    });
    let routes = routes.iter().map(|route| {
        let RouteConfig { prefix, trunks, group, strip, emergency } = route.clone();
        Route { prefix, trunks, group, strip, emergency }
    });
    Routing::with_groups(trunks.collect(), groups.to_vec(), routes.collect())
}

/// The source of a trunk that sends no calls. An empty list would mean the trunk's own address, so
/// it gets one of its own from 0.0.0.0/8, which no datagram can come from (RFC 1122 3.2.1.3).
fn no_source(index: u32) -> Cidr {
    Cidr::host(IpAddr::V4(Ipv4Addr::from_bits(index & 0x00ff_ffff)))
}
