//! `[dns]`: whom to ask for names, and how long to believe what they say.

use std::net::SocketAddr;
use std::time::Duration;

use holdline_sip::locate::CacheOptions;
use holdline_transport::dns::{DnsOptions, LocatorOptions};
use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::locate::Checker;

/// How names are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// Of whom.
    pub servers: DnsOptions,
    /// For how long answers are believed, and bounds.
    pub locator: LocatorOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDns {
    servers: Option<Vec<Spanned<SocketAddr>>>,
    timeout_ms: Option<Spanned<u64>>,
    retries: Option<Spanned<u64>>,
    min_ttl_ms: Option<Spanned<u64>>,
    max_ttl_ms: Option<Spanned<u64>>,
    min_negative_ttl_ms: Option<Spanned<u64>>,
    max_negative_ttl_ms: Option<Spanned<u64>>,
    stale_ms: Option<Spanned<u64>>,
    retry_ms: Option<Spanned<u64>>,
    max_names: Option<Spanned<u64>>,
}

impl RawDns {
    pub(super) fn build(self, check: &mut Checker<'_>) -> DnsConfig {
        let DnsConfig { mut servers, mut locator } = DnsConfig::default();
        for server in self.servers.iter().flatten() {
            cluster::host(check, "dns.servers", server);
            cluster::port(check, "dns.servers", server);
            servers.servers.push(*server.get_ref());
        }
        let timeout = self.timeout_ms.as_ref();
        servers.timeout = cluster::duration(check, "dns.timeout_ms", timeout, servers.timeout);
        if let Some(raw) = &self.retries {
            let retries = check.range("dns.retries", raw, 0..MAX_RETRIES + 1);
            servers.attempts = usize::try_from(retries).unwrap_or(servers.attempts);
        }
        let tries = u32::try_from(servers.attempts).unwrap_or(1).saturating_add(1);
        locator.timeout = servers.timeout.saturating_mul(tries).saturating_add(servers.timeout);
        locator.cache = self.cache(check, locator.cache);
        if let Some(raw) = &self.max_names {
            let names = check.range("dns.max_names", raw, 64..MAX_NAMES + 1);
            let names = usize::try_from(names).unwrap_or(locator.capacity);
            (locator.capacity, locator.cache.capacity) = (names, names);
        }
        DnsConfig { servers, locator }
    }

    fn cache(&self, check: &mut Checker<'_>, default: CacheOptions) -> CacheOptions {
        let mut time = |key, raw: &Option<Spanned<u64>>, default| {
            cluster::duration(check, key, raw.as_ref(), default)
        };
        let options = CacheOptions {
            min_ttl: time("dns.min_ttl_ms", &self.min_ttl_ms, default.min_ttl),
            max_ttl: time("dns.max_ttl_ms", &self.max_ttl_ms, default.max_ttl),
            min_negative_ttl: time(
                "dns.min_negative_ttl_ms",
                &self.min_negative_ttl_ms,
                default.min_negative_ttl,
            ),
            max_negative_ttl: time(
                "dns.max_negative_ttl_ms",
                &self.max_negative_ttl_ms,
                default.max_negative_ttl,
            ),
            stale: time("dns.stale_ms", &self.stale_ms, default.stale),
            retry: time("dns.retry_ms", &self.retry_ms, default.retry),
            capacity: default.capacity,
        };
        for (key, raw, max, other, least) in [
            (
                "dns.max_ttl_ms",
                &self.max_ttl_ms,
                options.max_ttl,
                "dns.min_ttl_ms",
                options.min_ttl,
            ),
            (
                "dns.max_negative_ttl_ms",
                &self.max_negative_ttl_ms,
                options.max_negative_ttl,
                "dns.min_negative_ttl_ms",
                options.min_negative_ttl,
            ),
        ] {
            if max < least {
                let span = raw.as_ref().map(Spanned::span).unwrap_or_default();
                let fault = Fault::Below { found: ms(max), other, least: ms(least) };
                check.fault(key, span, fault);
            }
        }
        let CacheOptions { min_ttl, max_ttl, min_negative_ttl, max_negative_ttl, .. } = options;
        // `clamp` wants them in order; what is out of order was refused above.
        CacheOptions {
            max_ttl: max_ttl.max(min_ttl),
            max_negative_ttl: max_negative_ttl.max(min_negative_ttl),
            ..options
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const MAX_RETRIES: u64 = 5;
const MAX_NAMES: u64 = 65_536;
