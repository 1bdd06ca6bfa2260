//! A trunk, as the node that is asked knows it.

use std::net::SocketAddr;

use holdline_call::Gate;
use holdline_sip::locate::{Location, Server};
use serde::{Deserialize, Serialize};

use super::time;
use crate::admin::seam::TrunkFacts;

/// A trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkView {
    /// Its name.
    pub name: String,
    /// Whose calls those are that come from it.
    pub tenant: String,
    /// Where calls to it go: an address, or a name.
    pub address: String,
    /// Where its name leads, in the order of priorities; empty if it has none.
    pub leads_to: Vec<TrunkServerView>,
    /// Why its name leads nowhere, if so.
    pub lookup_error: Option<String>,
    /// Whether calls are sent to it: `open`, `trial`, `shut` or `disabled`.
    pub state: String,
    /// When calls are sent to it on trial, if it is shut and that is known.
    pub shut_until: Option<String>,
    /// Since when an administrator keeps calls from it, if one does.
    pub disabled_since: Option<String>,
    /// Whether it is asked by OPTIONS whether it is there.
    pub probed: bool,
    /// The node that asks it for this site; `null` if none does.
    pub prober: Option<u64>,
    /// What its answers say: `active`, `probing` or `greylisted`.
    pub standing: String,
    /// Time from a request to its first answer, smoothed; `null` before the first.
    pub latency_ms: Option<u32>,
    /// Calls to it that are up or being set up in the whole cluster.
    pub calls: u64,
}

/// A server that a trunk's name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkServerView {
    /// Its name, or its address.
    pub server: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Where calls go.
    pub addresses: Vec<SocketAddr>,
    /// Those with a lower number are tried first; from 1.
    pub rank: usize,
    /// Its share among those of one rank.
    pub weight: u16,
}

fn servers(location: &Location) -> Vec<TrunkServerView> {
    let view = |rank: usize, server: &Server| TrunkServerView {
        server: server.name.clone(),
        transport: server.transport.param().to_owned(),
        addresses: server.addresses.iter().map(|ip| SocketAddr::new(*ip, server.port)).collect(),
        rank,
        weight: server.weight,
    };
    let groups = location.groups.iter().zip(1_usize..);
    groups.flat_map(|(group, rank)| group.iter().map(move |server| view(rank, server))).collect()
}

impl From<&TrunkFacts> for TrunkView {
    fn from(facts: &TrunkFacts) -> Self {
        let health = facts.health.as_ref();
        let gate = health.map(|health| &health.gate);
        let state = match (facts.disabled_since, gate) {
            // The replicated state knows first.
            (Some(_), _) => Gate::Disabled.as_str(),
            (None, Some(gate)) => gate.as_str(),
            (None, None) => Gate::Open.as_str(),
        };
        let shut_until = match gate {
            Some(Gate::Shut { until }) => *until,
            Some(Gate::Open | Gate::Trial(_) | Gate::Disabled) | None => None,
        };
        Self {
            name: facts.name.to_string(),
            tenant: facts.tenant.to_string(),
            address: facts.address.clone(),
            leads_to: match &facts.leads_to {
                Some(Ok(location)) => servers(location),
                Some(Err(_)) | None => Vec::new(),
            },
            lookup_error: facts.leads_to.as_ref().and_then(|found| found.as_ref().err().cloned()),
            state: state.to_owned(),
            shut_until: shut_until.map(time::format),
            disabled_since: facts.disabled_since.map(time::format),
            probed: facts.is_probed,
            prober: health.and_then(|health| health.prober).map(|node| node.0),
            standing: health.map(|health| health.standing).unwrap_or_default().as_str().to_owned(),
            latency_ms: health.and_then(|health| health.latency_ms),
            calls: health.map_or(0, |health| health.calls),
        }
    }
}
