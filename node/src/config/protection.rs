//! `[protection]`: what this node does by itself against noisy neighbours and overload.

use std::time::Duration;

use holdline_call::TrunkAddress;
use holdline_guard::{OverloadOptions, Rate, ShieldOptions};
use holdline_model::Cidr;
use serde::Deserialize;
use toml::Spanned;

use super::TrunkConfig;
use super::error::Fault;
use super::locate::Checker;

/// What this node does by itself against noisy neighbours and overload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectionConfig {
    /// Limits per source address; `None`: off.
    pub shield: Option<ShieldOptions>,
    /// How long a source is banned that goes on beyond its limits.
    pub ban_for: Duration,
    /// Sources that are neither limited nor banned: those of the trunks, and whoever is configured.
    pub allow: Vec<Cidr>,
    /// Overload control; `None`: off.
    pub overload: Option<OverloadOptions>,
    /// What Retry-After says at least when a new call is refused because of overload; up to twice that.
    pub retry_after_s: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProtection {
    shield: Option<bool>,
    packets_per_second: Option<Spanned<u64>>,
    packets_burst: Option<Spanned<u64>>,
    transactions_per_second: Option<Spanned<u64>>,
    transactions_burst: Option<Spanned<u64>>,
    auth_failures_per_minute: Option<Spanned<u64>>,
    auth_failures_burst: Option<Spanned<u64>>,
    exempt_packets_per_second: Option<Spanned<u64>>,
    max_sources: Option<Spanned<u64>>,
    ban_after: Option<Spanned<u64>>,
    ban_ms: Option<Spanned<u64>>,
    allow: Option<Vec<Spanned<String>>>,
    overload: Option<bool>,
    overload_queue_ms: Option<Spanned<u64>>,
    overload_lag_ms: Option<Spanned<u64>>,
    overload_commit_ms: Option<Spanned<u64>>,
    overload_retry_after_ms: Option<Spanned<u64>>,
}

impl RawProtection {
    pub(super) fn build(self, check: &mut Checker<'_>, trunks: &[TrunkConfig]) -> ProtectionConfig {
        let shield = self.shield_options(check);
        let ban_ms = number(check, "ban_ms", self.ban_ms.as_ref(), BAN_MS, 1_000..MAX_BAN_MS + 1);
        let overload = self.overload_options(check);
        let retry = self.overload_retry_after_ms.as_ref();
        let retry_ms = number(check, "overload_retry_after_ms", retry, RETRY_MS, 1_000..600_001);
        ProtectionConfig {
            shield: self.shield.unwrap_or(true).then_some(shield),
            ban_for: Duration::from_millis(ban_ms),
            allow: self.allowed(check, trunks),
            overload: self.overload.unwrap_or(true).then_some(overload),
            retry_after_s: u32::try_from(retry_ms / 1000).unwrap_or(u32::MAX),
        }
    }

    fn shield_options(&self, check: &mut Checker<'_>) -> ShieldOptions {
        let packets =
            number(check, "packets_per_second", self.packets_per_second.as_ref(), 2_000, RATE);
        let packets_burst =
            number(check, "packets_burst", self.packets_burst.as_ref(), packets * 2, RATE);
        let given = self.transactions_per_second.as_ref();
        let transactions = number(check, "transactions_per_second", given, 200, RATE);
        let given = self.transactions_burst.as_ref();
        let transactions_burst = number(check, "transactions_burst", given, transactions * 3, RATE);
        let given = self.auth_failures_per_minute.as_ref();
        let failures = number(check, "auth_failures_per_minute", given, 60, RATE);
        let given = self.auth_failures_burst.as_ref();
        let failures_burst = number(check, "auth_failures_burst", given, 20, RATE);
        let given = self.exempt_packets_per_second.as_ref();
        let exempt = number(check, "exempt_packets_per_second", given, packets * 10, 1..MAX_EXEMPT);
        contradiction(check, given, exempt, packets, "packets_per_second");
        contradiction(
            check,
            self.packets_per_second.as_ref(),
            packets,
            transactions,
            "transactions_per_second",
        );
        let given = self.ban_after.as_ref();
        let ban_after = number(check, "ban_after", given, 500, 0..RATE.end);
        let sources =
            number(check, "max_sources", self.max_sources.as_ref(), 65_536, 64..1_048_577);
        ShieldOptions {
            packets: Some(rate(packets, packets_burst)),
            transactions: Some(rate(transactions, transactions_burst)),
            auth_failures: Some(Rate::per_minute(small(failures), small(failures_burst))),
            exempt: Some(rate(exempt, exempt * 2)),
            strangers: Some(rate(packets, packets_burst)),
            ban_after: (ban_after > 0).then(|| small(ban_after)),
            sources: usize::try_from(sources).unwrap_or(usize::MAX),
            ..ShieldOptions::default()
        }
    }

    fn overload_options(&self, check: &mut Checker<'_>) -> OverloadOptions {
        let mut options = OverloadOptions::default();
        let mut target = |key, raw: &Option<Spanned<u64>>, default_ns: &mut u64| {
            let default_ms = *default_ns / 1_000_000;
            *default_ns = number(check, key, raw.as_ref(), default_ms, 1..60_001) * 1_000_000;
        };
        target("overload_queue_ms", &self.overload_queue_ms, &mut options.queue_target_ns);
        target("overload_lag_ms", &self.overload_lag_ms, &mut options.lag_target_ns);
        target("overload_commit_ms", &self.overload_commit_ms, &mut options.commit_target_ns);
        options
    }

    fn allowed(&self, check: &mut Checker<'_>, trunks: &[TrunkConfig]) -> Vec<Cidr> {
        let mut allow: Vec<Cidr> = Vec::new();
        for trunk in trunks {
            let next = trunk.proxy.as_ref().map_or(&trunk.address, |proxy| &proxy.address);
            if let TrunkAddress::Socket(next) = next {
                allow.push(Cidr::host(next.ip().to_canonical()));
            }
            allow.extend(trunk.sources.iter().flatten());
        }
        for text in self.allow.iter().flatten() {
            match text.get_ref().parse() {
                Ok(block) => allow.push(block),
                Err(error) => {
                    check.fault("protection.allow", text.span(), Fault::NotASource(error));
                }
            }
        }
        allow
    }
}

/// What is allowed in special cases may not be less than what is allowed in general.
fn contradiction(
    check: &mut Checker<'_>,
    given: Option<&Spanned<u64>>,
    more: u64,
    less: u64,
    other: &'static str,
) {
    if more < less
        && let Some(given) = given
    {
        let fault = Fault::Below { found: more, other, least: less };
        check.fault("protection", given.span(), fault);
    }
}

fn number(
    check: &mut Checker<'_>,
    key: &str,
    raw: Option<&Spanned<u64>>,
    default: u64,
    range: std::ops::Range<u64>,
) -> u64 {
    raw.map_or(default, |raw| check.range(&format!("protection.{key}"), raw, range))
}

fn rate(per_second: u64, burst: u64) -> Rate {
    Rate::new(small(per_second), small(burst))
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const RATE: std::ops::Range<u64> = 1..10_000_001;
const MAX_EXEMPT: u64 = 100_000_001;
const BAN_MS: u64 = 600_000;

/// 30 days.
const MAX_BAN_MS: u64 = 30 * 86_400_000;
const RETRY_MS: u64 = 2_000;
