//! From a file to a checked [`Config`]: size, TOML, sections, and what only several sections
//! together can get wrong.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::admin::RawAdmin;
use super::cluster::RawCluster;
use super::dns::RawDns;
use super::error::{ConfigError, Fault};
use super::locate::Checker;
use super::log::RawLog;
use super::node::RawNode;
use super::protection::RawProtection;
use super::registrar::RawRegistrar;
use super::route::RawRoute;
use super::sip::RawSip;
use super::storage::RawStorage;
use super::trunk::RawTrunk;
use super::trunk_group::RawTrunkGroup;
use super::trunk_health::{RawBreaker, RawProbe};
use super::{Config, route, trunk, trunk_group, trunk_health};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    node: Spanned<RawNode>,
    cluster: Spanned<RawCluster>,
    sip: Spanned<RawSip>,
    #[serde(default)]
    trunk: Vec<Spanned<RawTrunk>>,
    #[serde(default)]
    trunk_group: Vec<Spanned<RawTrunkGroup>>,
    #[serde(default)]
    dns: RawDns,
    #[serde(default)]
    probe: RawProbe,
    #[serde(default)]
    breaker: RawBreaker,
    #[serde(default)]
    route: Vec<Spanned<RawRoute>>,
    #[serde(default)]
    registrar: RawRegistrar,
    #[serde(default)]
    protection: RawProtection,
    #[serde(default)]
    admin: RawAdmin,
    #[serde(default)]
    log: RawLog,
    #[serde(default)]
    storage: RawStorage,
}

pub(super) fn file(path: &Path, join: Option<&str>) -> Result<Config, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let size = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    if size > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned(), size, limit: MAX_BYTES });
    }
    self::text(&text, path, join)
}

/// `join` has the node join that seed, whatever the text says of members.
pub(super) fn text(text: &str, path: &Path, join: Option<&str>) -> Result<Config, ConfigError> {
    let mut raw: RawConfig =
        toml::from_str(text).map_err(|error| Checker::refused(text, path, &error))?;
    if let Some(seed) = join {
        raw.cluster.get_mut().set_join(seed);
    }
    let mut check = Checker::new(text, path);
    let node_span = raw.node.span();
    let node = raw.node.into_inner().build(&mut check);
    let cluster_span = raw.cluster.span();
    let this = node.id.as_ref().map(|id| *id.get_ref());
    let cluster = raw.cluster.into_inner().build(&mut check, cluster_span.clone(), this);
    let node = node.in_cluster(&mut check, node_span, &cluster);
    let sip_span = raw.sip.span();
    let sip = raw.sip.into_inner().build(&mut check, sip_span, node.threads, node.role);
    let trunks = trunk::build_all(&mut check, raw.trunk, &sip.listeners, sip.tls.as_ref());
    let groups = trunk_group::build_all(&mut check, raw.trunk_group, &trunks);
    let dns = raw.dns.build(&mut check);
    let routes = route::build_all(&mut check, raw.route, &trunks, &groups);
    let (timers, target_timeout) = (sip.calls.timers, sip.calls.target_timeout);
    let trunk_health =
        trunk_health::build(&mut check, raw.probe, raw.breaker, timers, target_timeout);
    let registrar = raw.registrar.build(&mut check);
    let protection = raw.protection.build(&mut check, &trunks);
    let (admin, admin_span) = raw.admin.build(&mut check);
    let log = raw.log.build(&mut check);
    let storage = raw.storage.build(&mut check);
    shared_addresses(&mut check, cluster.rpc, admin.listen, admin_span.unwrap_or(cluster_span));
    if routes.is_empty() && registrar.domains.is_empty() {
        check.warn("there is no [[route]]: every call will be answered 404".to_owned());
    }
    let warnings = check.finish()?;
    super::routing(&trunks, &groups, &routes).map_err(|error| {
        let mut check = Checker::new(text, path);
        check.fault("route", 0..0, Fault::Routing(error));
        check.into_error()
    })?;
    Ok(Config {
        node,
        cluster,
        sip,
        trunks,
        groups,
        dns,
        trunk_health,
        routes,
        registrar,
        protection,
        admin,
        log,
        storage,
        warnings,
    })
}

/// Both are TCP listeners of this process.
fn shared_addresses(
    check: &mut Checker<'_>,
    rpc: SocketAddr,
    admin: SocketAddr,
    span: std::ops::Range<usize>,
) {
    if rpc == admin {
        let fault = Fault::SharedAddress { address: admin, other: "cluster.rpc" };
        check.fault("admin.listen", span, fault);
    }
}

/// No configuration is larger; a larger file is another file.
const MAX_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests;
