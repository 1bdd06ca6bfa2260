//! `[[trunk]]`: a peer we exchange calls with.

use std::net::SocketAddr;
use std::path::PathBuf;

use holdline_call::{Cidr, TrunkAddress, TrunkPolicy, TrunkProxy};
use holdline_model::{Listener, Name, Transport};
use holdline_sip::locate::Asked;
use holdline_transport::TlsFiles;
use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::listener;
use super::locate::Checker;
use super::trunk_policy::{RawAlive, RawCredentials, RawPeer, RawPolicy, RawProof, RawRedirect};
use super::trunk_tls::{self, TrunkTls};

/// A peer we exchange calls with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Its name; it appears in CDRs and metrics.
    pub name: Name,
    /// Whose calls those are that come from it.
    pub tenant: Name,
    /// Where calls to it go.
    pub address: TrunkAddress,
    /// How they go there, if the address is no name.
    pub transport: Transport,
    /// Where they go instead.
    pub proxy: Option<TrunkProxy>,
    /// Where calls from it come from; empty for a trunk that sends none; `None`: from wherever its
    /// name leads.
    pub sources: Option<Vec<Cidr>>,
    /// Whether it is asked by OPTIONS whether it is there.
    pub probe: bool,
    /// How we deal with it.
    pub policy: TrunkPolicy,
    /// Whom we expect behind TLS, and how we come.
    pub tls: TrunkTls,
}

impl TrunkConfig {
    /// Where calls to it are sent, and how if that is no name: to its proxy if it has one.
    #[must_use]
    pub fn next(&self) -> (&TrunkAddress, Transport) {
        match &self.proxy {
            Some(proxy) => (&proxy.address, proxy.transport),
            None => (&self.address, self.transport),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrunk {
    name: Spanned<String>,
    tenant: Option<Spanned<String>>,
    address: Spanned<String>,
    proxy: Option<Spanned<String>>,
    transport: Option<Spanned<String>>,
    sources: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    probe: bool,
    tls_name: Option<Spanned<String>>,
    tls_certificate: Option<Spanned<PathBuf>>,
    tls_key: Option<Spanned<PathBuf>>,
    auth: Option<Spanned<Vec<RawProof>>>,
    credentials: Option<Spanned<RawCredentials>>,
    peer: Option<Spanned<RawPeer>>,
    #[serde(default)]
    redirect: RawRedirect,
    alive: Option<RawAlive>,
}

pub(super) fn build_all(
    check: &mut Checker<'_>,
    raw: Vec<Spanned<RawTrunk>>,
    listeners: &[Listener],
    tls: Option<&TlsFiles>,
) -> Vec<TrunkConfig> {
    let mut trunks: Vec<TrunkConfig> = Vec::with_capacity(raw.len());
    let mut claimed = Claims::default();
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
        let trunk = raw.build(check, &mut claimed, listeners, tls);
        trunks.push(trunk);
    }
    trunks
}

impl RawTrunk {
    fn build(
        self,
        check: &mut Checker<'_>,
        claimed: &mut Claims,
        listeners: &[Listener],
        tls: Option<&TlsFiles>,
    ) -> TrunkConfig {
        check.name("trunk.name", &self.name);
        if self.name.get_ref() == holdline_call::USERS {
            let fault = Fault::Reserved { found: self.name.get_ref().clone() };
            check.fault("trunk.name", self.name.span(), fault);
        }
        if let Some(tenant) = &self.tenant {
            check.name("trunk.tenant", tenant);
        }
        let name = Name::from(self.name.into_inner());
        let named = self.transport.is_some();
        let transport = transport(check, "trunk.transport", self.transport.as_ref());
        let of_name = named.then_some(transport);
        // The transport is that of whatever is sent to.
        let of_address = of_name.filter(|_| self.proxy.is_none());
        let address = address(check, "trunk.address", &self.address, of_address);
        let proxy = self.proxy.as_ref().map(|raw| address_of_proxy(check, raw, transport, of_name));
        let next = proxy.as_ref().map_or(&address, |proxy| &proxy.address);
        if named || matches!(next, TrunkAddress::Socket(_)) {
            let span = self.transport.as_ref().map_or(self.address.span(), Spanned::span);
            listener::check_trunk(check, listeners, transport, span);
        }
        let implied = match next {
            TrunkAddress::Socket(next) => {
                let ip = next.ip().to_canonical().to_string();
                Some(vec![Spanned::new(self.address.span(), ip)])
            }
            TrunkAddress::Name(_) => None,
        };
        let (ca, clients) = tls.map(|files| (files.ca.clone(), files.clients)).unwrap_or_default();
        let tls = trunk_tls::build(check, self.tls_name, self.tls_certificate, self.tls_key, ca);
        let raw = RawPolicy {
            auth: self.auth,
            credentials: self.credentials,
            peer: self.peer,
            redirect: self.redirect,
            alive: self.alive,
        };
        let domain = tls.name.clone().unwrap_or_else(|| host(next));
        let policy = raw.build(check, domain, clients);
        let given = self.sources.or(implied);
        let is_known = given.is_some();
        let mut sources = Vec::new();
        for text in given.unwrap_or_default() {
            match text.get_ref().parse::<Cidr>() {
                Ok(source) => {
                    let by = policy.proof.by_certificate.clone();
                    claimed.add(check, &name, (by, source), text.span());
                    sources.push(source);
                }
                Err(error) => check.fault("trunk.sources", text.span(), Fault::NotASource(error)),
            }
        }
        let tenant = self.tenant.map_or(Name::from(DEFAULT_TENANT), |t| Name::from(t.into_inner()));
        let sources = is_known.then_some(sources);
        let transport = of_address.unwrap_or_default();
        let probe = self.probe;
        TrunkConfig { name, tenant, address, transport, proxy, sources, probe, tls, policy }
    }
}

/// An address with its port, or a name with or without one.
fn address(
    check: &mut Checker<'_>,
    key: &'static str,
    raw: &Spanned<String>,
    transport: Option<Transport>,
) -> TrunkAddress {
    let text = raw.get_ref().as_str();
    if let Ok(address) = text.parse::<SocketAddr>() {
        let address = Spanned::new(raw.span(), address);
        cluster::host(check, key, &address);
        cluster::port(check, key, &address);
        return TrunkAddress::Socket(address.into_inner());
    }
    let asked = Asked::name(text, transport).unwrap_or_else(|_| {
        check.fault(key, raw.span(), Fault::NotAPeer { found: text.to_owned() });
        Asked { host: "invalid".to_owned(), port: None, transport, secure: false }
    });
    TrunkAddress::Name(asked)
}

fn address_of_proxy(
    check: &mut Checker<'_>,
    raw: &Spanned<String>,
    transport: Transport,
    of_name: Option<Transport>,
) -> TrunkProxy {
    TrunkProxy { address: address(check, "trunk.proxy", raw, of_name), transport }
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

/// Whose sources are whose. Blocks may nest (the smaller one wins), but two trunks may not share one, unless
/// they are told apart by the domains of their certificates.
#[derive(Debug, Default)]
struct Claims(Vec<((Option<String>, Cidr), Name)>);

impl Claims {
    fn add(
        &mut self,
        check: &mut Checker<'_>,
        trunk: &Name,
        claim: (Option<String>, Cidr),
        span: std::ops::Range<usize>,
    ) {
        let first = self.0.iter().find(|(known, other)| *known == claim && other != trunk);
        if let Some((_, first)) = first {
            let (first, second) = (first.to_string(), trunk.to_string());
            let fault = Fault::AmbiguousSource { block: claim.1, first, second };
            check.fault("trunk.sources", span, fault);
        } else {
            self.0.push((claim, trunk.clone()));
        }
    }
}

/// Whose certificate is expected where nothing else is said.
fn host(next: &TrunkAddress) -> String {
    match next {
        TrunkAddress::Socket(address) => address.ip().to_canonical().to_string(),
        TrunkAddress::Name(asked) => asked.host.to_ascii_lowercase(),
    }
}

const DEFAULT_TENANT: &str = "default";

/// Their state is gossiped, so their number is bounded.
const MAX_TRUNKS: usize = 1024;
