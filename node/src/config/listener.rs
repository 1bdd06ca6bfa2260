//! `[[sip.listener]]` and `[sip.tls]`: what listens at this node's SIP addresses, and with which
//! certificate.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use holdline_model::{Listener, Transport};
use holdline_transport::{ClientCertificates, StreamOptions, TlsFiles};
use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::locate::Checker;
use super::trunk::transport;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListener {
    address: Spanned<SocketAddr>,
    transport: Option<Spanned<String>>,
    advertise: Option<Spanned<SocketAddr>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    certificate: PathBuf,
    key: PathBuf,
    ca: Option<PathBuf>,
    clients: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConnections {
    max: Option<Spanned<u64>>,
    max_per_source: Option<Spanned<u64>>,
    idle_timeout_ms: Option<Spanned<u64>>,
    connect_timeout_ms: Option<Spanned<u64>>,
    handshake_timeout_ms: Option<Spanned<u64>>,
    message_timeout_ms: Option<Spanned<u64>>,
    write_timeout_ms: Option<Spanned<u64>>,
}

impl RawListener {
    fn build(&self, check: &mut Checker<'_>) -> Listener {
        cluster::host(check, "sip.listener.address", &self.address);
        cluster::port(check, "sip.listener.address", &self.address);
        let transport = transport(check, "sip.listener.transport", self.transport.as_ref());
        let addr = *self.address.get_ref();
        if let Some(advertise) = &self.advertise {
            cluster::host(check, "sip.listener.advertise", advertise);
            cluster::port(check, "sip.listener.advertise", advertise);
            let found = *advertise.get_ref();
            if found.is_ipv4() != addr.is_ipv4() {
                let fault = Fault::AnotherFamily { address: addr, found };
                check.fault("sip.listener.advertise", advertise.span(), fault);
            }
        }
        let advertised = self.advertise.as_ref().map(|advertise| *advertise.get_ref());
        Listener { transport, addr, advertised }
    }
}

/// All listeners: one for UDP at each of `addresses`, and those that are written out. One for UDP with an
/// advertised address may be written out for one of `addresses`.
pub(super) fn build_all(
    check: &mut Checker<'_>,
    addresses: &[SocketAddr],
    raw: &[Spanned<RawListener>],
    tls: Option<&RawTls>,
) -> Vec<Listener> {
    let udp =
        |addr: &SocketAddr| Listener { transport: Transport::Udp, addr: *addr, advertised: None };
    let mut listeners: Vec<Listener> = addresses.iter().map(udp).collect();
    for raw in raw {
        let listener = raw.get_ref().build(check);
        // One of `addresses`, of which more is said here.
        let is_known =
            |other: &&mut Listener| other.addr == listener.addr && *other == &udp(&listener.addr);
        if listener.transport == Transport::Udp
            && let Some(known) = listeners.iter_mut().find(is_known)
            && listener.advertised.is_some()
        {
            *known = listener;
            continue;
        }
        if listeners.iter().any(|other| clash(*other, listener)) {
            let value = format!("{} {}", listener.transport.param(), listener.addr);
            check.fault("sip.listener", raw.span(), Fault::Duplicate { value });
        }
        if listener.transport.is_secure() && tls.is_none() {
            check.fault("sip.listener.transport", raw.span(), Fault::NoCertificate);
        }
        listeners.push(listener);
    }
    listeners
}

/// Two listeners cannot share a port, unless one of them is for UDP.
fn clash(one: Listener, other: Listener) -> bool {
    let is_udp = |listener: Listener| listener.transport == Transport::Udp;
    one.addr == other.addr && is_udp(one) == is_udp(other)
}

impl RawTls {
    pub(super) fn build(self, check: &mut Checker<'_>) -> TlsFiles {
        let clients = match self.clients.as_ref().map(|raw| (raw.get_ref().as_str(), raw.span())) {
            None | Some(("ignored", _)) => ClientCertificates::Ignored,
            Some(("asked", _)) => ClientCertificates::Asked,
            Some(("required", _)) => ClientCertificates::Required,
            Some((found, span)) => {
                let fault = Fault::NotAClientRule { found: found.to_owned() };
                check.fault("sip.tls.clients", span, fault);
                ClientCertificates::Ignored
            }
        };
        let path = |path: PathBuf| check.resolve(&path);
        TlsFiles {
            certificate: path(self.certificate),
            key: path(self.key),
            ca: self.ca.map(path),
            clients,
        }
    }
}

impl RawConnections {
    pub(super) fn build(&self, check: &mut Checker<'_>) -> StreamOptions {
        let default = StreamOptions::default();
        let count = |check: &mut Checker<'_>, key, raw: &Option<Spanned<u64>>, default: usize| {
            let found = raw.as_ref().map(|raw| check.range(key, raw, 1..MAX_CONNECTIONS + 1));
            found.and_then(|found| usize::try_from(found).ok()).unwrap_or(default)
        };
        let max = count(check, "sip.connections.max", &self.max, default.max_connections);
        let mut time = |key, raw: &Option<Spanned<u64>>, default: Duration| {
            cluster::duration(check, key, raw.as_ref(), default)
        };
        let key = "sip.connections.idle_timeout_ms";
        let idle_timeout = time(key, &self.idle_timeout_ms, default.idle_timeout);
        let key = "sip.connections.connect_timeout_ms";
        let connect_timeout = time(key, &self.connect_timeout_ms, default.connect_timeout);
        let key = "sip.connections.handshake_timeout_ms";
        let handshake_timeout = time(key, &self.handshake_timeout_ms, default.handshake_timeout);
        let key = "sip.connections.message_timeout_ms";
        let message_timeout = time(key, &self.message_timeout_ms, default.message_timeout);
        let key = "sip.connections.write_timeout_ms";
        let write_timeout = time(key, &self.write_timeout_ms, default.write_timeout);
        let per_source = default.max_connections_per_source.min(max);
        StreamOptions {
            max_connections: max,
            max_connections_per_source: count(
                check,
                "sip.connections.max_per_source",
                &self.max_per_source,
                per_source,
            ),
            idle_timeout,
            connect_timeout,
            handshake_timeout,
            message_timeout,
            write_timeout,
            ..default
        }
    }
}

/// Each connection of a kind that has no listener.
pub(super) fn check_trunk(
    check: &mut Checker<'_>,
    listeners: &[Listener],
    transport: Transport,
    span: Range<usize>,
) {
    let dialled = matches!(transport, Transport::Udp | Transport::Tcp | Transport::Tls);
    if !dialled {
        check.fault("trunk.transport", span, Fault::NotDialled { transport });
    } else if !listeners.is_empty()
        && !listeners.iter().any(|listener| listener.transport == transport)
    {
        check.fault("trunk.transport", span, Fault::NoListener { transport });
    }
}

const MAX_CONNECTIONS: u64 = 1_000_000;

#[cfg(test)]
mod tests;
