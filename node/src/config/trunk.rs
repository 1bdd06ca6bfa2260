//! `[[trunk]]`: a peer we exchange calls with.

use std::net::SocketAddr;

use holdline_call::Cidr;
use holdline_model::{Listener, Name, Transport};
use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::listener;
use super::locate::Checker;

/// A peer we exchange calls with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Its name; it appears in CDRs and metrics.
    pub name: Name,
    /// Whose calls those are that come from it.
    pub tenant: Name,
    /// Where calls to it go.
    pub address: SocketAddr,
    /// How they go there.
    pub transport: Transport,
    /// Where calls from it come from; empty for a trunk that sends none.
    pub sources: Vec<Cidr>,
    /// Whether it is asked by OPTIONS whether it is there.
    pub probe: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrunk {
    name: Spanned<String>,
    tenant: Option<Spanned<String>>,
    address: Spanned<SocketAddr>,
    transport: Option<Spanned<String>>,
    sources: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    probe: bool,
}

pub(super) fn build_all(
    check: &mut Checker<'_>,
    raw: Vec<Spanned<RawTrunk>>,
    listeners: &[Listener],
) -> Vec<TrunkConfig> {
    let mut trunks: Vec<TrunkConfig> = Vec::with_capacity(raw.len());
    let mut claimed: Vec<(Cidr, Name)> = Vec::new();
    if let Some(beyond) = raw.get(MAX_TRUNKS) {
        let count = Spanned::new(beyond.span(), u64::try_from(raw.len()).unwrap_or(u64::MAX));
        let max = u64::try_from(MAX_TRUNKS).unwrap_or(u64::MAX);
        check.range("trunk", &count, 0..max + 1);
    }
    for raw in raw {
        let raw = raw.into_inner();
        if trunks.iter().any(|other| other.name.as_str() == raw.name.get_ref()) {
            let fault = Fault::Duplicate { value: raw.name.get_ref().clone() };
            check.fault("trunk.name", raw.name.span(), fault);
        }
        let trunk = raw.build(check, &mut claimed, listeners);
        trunks.push(trunk);
    }
    trunks
}

impl RawTrunk {
    fn build(
        self,
        check: &mut Checker<'_>,
        claimed: &mut Vec<(Cidr, Name)>,
        listeners: &[Listener],
    ) -> TrunkConfig {
        check.name("trunk.name", &self.name);
        if self.name.get_ref() == holdline_call::USERS {
            let fault = Fault::Reserved { found: self.name.get_ref().clone() };
            check.fault("trunk.name", self.name.span(), fault);
        }
        if let Some(tenant) = &self.tenant {
            check.name("trunk.tenant", tenant);
        }
        cluster::host(check, "trunk.address", &self.address);
        cluster::port(check, "trunk.address", &self.address);
        let name = Name::from(self.name.into_inner());
        let address = *self.address.get_ref();
        let transport = transport(check, "trunk.transport", self.transport.as_ref());
        let span = self.transport.as_ref().map_or(self.address.span(), Spanned::span);
        listener::check_trunk(check, listeners, transport, span);
        let own = vec![Spanned::new(self.address.span(), address.ip().to_canonical().to_string())];
        let mut sources = Vec::new();
        for text in self.sources.unwrap_or(own) {
            match text.get_ref().parse::<Cidr>() {
                Ok(source) => {
                    claim(check, claimed, &name, source, text.span());
                    sources.push(source);
                }
                Err(error) => check.fault("trunk.sources", text.span(), Fault::NotASource(error)),
            }
        }
        let tenant = self.tenant.map_or(Name::from(DEFAULT_TENANT), |t| Name::from(t.into_inner()));
        TrunkConfig { name, tenant, address, transport, sources, probe: self.probe }
    }
}

/// Reads the name of a transport; UDP if there is none.
pub(super) fn transport(
    check: &mut Checker<'_>,
    key: &'static str,
    raw: Option<&Spanned<String>>,
) -> Transport {
    let Some(raw) = raw else { return Transport::Udp };
    Transport::parse(raw.get_ref()).unwrap_or_else(|| {
        check.fault(key, raw.span(), Fault::NotATransport { found: raw.get_ref().clone() });
        Transport::Udp
    })
}

/// Blocks may nest (the smaller one wins), but two trunks may not share one.
fn claim(
    check: &mut Checker<'_>,
    claimed: &mut Vec<(Cidr, Name)>,
    trunk: &Name,
    source: Cidr,
    span: std::ops::Range<usize>,
) {
    let first = claimed.iter().find(|(block, other)| *block == source && other != trunk);
    if let Some((_, first)) = first {
        let (first, second) = (first.to_string(), trunk.to_string());
        check.fault("trunk.sources", span, Fault::AmbiguousSource { block: source, first, second });
    } else {
        claimed.push((source, trunk.clone()));
    }
}

const DEFAULT_TENANT: &str = "default";

/// Their state is gossiped, so their number is bounded.
const MAX_TRUNKS: usize = 1024;
