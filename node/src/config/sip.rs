//! `[sip]`: this node's SIP addresses, how they move, and the times and limits of calls.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use holdline_call::Options;
use holdline_model::{Listener, NodeRole, SessionTimer};
use holdline_sip::transaction::TimerConfig;
use holdline_transport::{StreamOptions, TlsFiles};
use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::floating::{FloatingConfig, RawFloating};
use super::listener::{self, RawConnections, RawListener, RawTls};
use super::locate::Checker;

/// This node's SIP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipConfig {
    /// The addresses that peers send to. They float: a survivor takes them over with the slots.
    pub addresses: Vec<SocketAddr>,
    /// What listens at them.
    pub listeners: Vec<Listener>,
    /// Certificate and key, if TLS is used.
    pub tls: Option<TlsFiles>,
    /// Limits and times of connections.
    pub connections: StreamOptions,
    /// How they move between nodes.
    pub floating: FloatingConfig,
    /// How many tasks share the calls.
    pub shards: NonZeroUsize,
    /// Times and limits of calls; `max_calls` is for the whole node, not for one shard.
    pub calls: Options,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSip {
    addresses: Option<Spanned<Vec<Spanned<SocketAddr>>>>,
    #[serde(default)]
    listener: Vec<Spanned<RawListener>>,
    tls: Option<RawTls>,
    #[serde(default)]
    connections: RawConnections,
    #[serde(default)]
    floating: RawFloating,
    shards: Option<Spanned<u64>>,
    t1_ms: Option<Spanned<u64>>,
    t2_ms: Option<Spanned<u64>>,
    t4_ms: Option<Spanned<u64>>,
    max_calls: Option<Spanned<u64>>,
    no_answer_timeout_ms: Option<Spanned<u64>>,
    target_timeout_ms: Option<Spanned<u64>>,
    max_call_duration_ms: Option<Spanned<u64>>,
    failover_statuses: Option<Vec<u16>>,
    large_over_tcp: Option<bool>,
    recovery_calls_per_second: Option<Spanned<u64>>,
    session_timer: Option<RawSessionTimer>,
}

/// How session timers are dealt with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSessionTimer {
    mode: RawMode,
    expires_s: Option<Spanned<u64>>,
    min_se_s: Option<Spanned<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawMode {
    Pass,
    Insert,
    Off,
}

impl RawSessionTimer {
    fn build(&self, check: &mut Checker<'_>, calls: &mut Options) {
        calls.session_timer = match self.mode {
            RawMode::Pass => SessionTimer::Pass,
            RawMode::Insert => SessionTimer::Insert,
            RawMode::Off => SessionTimer::Off,
        };
        let mut seconds = |key, raw: &Option<Spanned<u64>>, default: Duration| {
            let Some(raw) = raw else { return default };
            Duration::from_secs(check.range(key, raw, 90..86_401))
        };
        calls.min_se = seconds("sip.session_timer.min_se_s", &self.min_se_s, calls.min_se);
        let key = "sip.session_timer.expires_s";
        calls.session_expires = seconds(key, &self.expires_s, calls.session_expires);
    }
}

impl RawSip {
    /// `threads` is how many threads run the node's tasks: by default as many shards. A witness takes
    /// no SIP.
    pub(super) fn build(
        self,
        check: &mut Checker<'_>,
        span: std::ops::Range<usize>,
        threads: NonZeroUsize,
        role: NodeRole,
    ) -> SipConfig {
        let udp = self.addresses.as_ref().map(|raw| addresses(check, raw)).unwrap_or_default();
        let listeners = listener::build_all(check, &udp, &self.listener, self.tls.as_ref());
        match (role, listeners.is_empty()) {
            (NodeRole::Full, true) => check.fault("sip", span.clone(), Fault::NoSipAddress),
            (NodeRole::Witness, false) => check.fault("sip", span.clone(), Fault::WitnessWithSip),
            (NodeRole::Full, false) | (NodeRole::Witness, true) => {}
        }
        let mut addresses: Vec<SocketAddr> = listeners.iter().map(|each| each.addr).collect();
        let mut seen = BTreeSet::new();
        addresses.retain(|addr| seen.insert(*addr));
        let connections = self.connections.build(check);
        let shards = self
            .shards
            .as_ref()
            .map(|raw| usize::try_from(check.range("sip.shards", raw, 1..MAX_SHARDS + 1)).ok());
        let shards = shards.flatten().and_then(NonZeroUsize::new).unwrap_or(threads);
        let calls = self.calls(check);
        if let Err(contradiction) = calls.validate() {
            check.fault("sip", span, Fault::CallOptions(contradiction));
        }
        let tls = self.tls.map(|tls| tls.build(check));
        let floating = self.floating.build(check);
        SipConfig { addresses, listeners, tls, connections, floating, shards, calls }
    }

    fn calls(&self, check: &mut Checker<'_>) -> Options {
        let mut calls = Options::default();
        calls.timers = self.timers(check, calls.timers);
        calls.large_over_tcp = self.large_over_tcp.unwrap_or(calls.large_over_tcp);
        if let Some(raw) = &self.max_calls {
            let found = check.range("sip.max_calls", raw, 1..MAX_CALLS + 1);
            let found = usize::try_from(found).ok().and_then(NonZeroUsize::new);
            calls.max_calls = found.unwrap_or(calls.max_calls);
            calls.max_tombstones = calls.max_tombstones.max(calls.max_calls);
        }
        if let Some(raw) = &self.recovery_calls_per_second {
            let found = check.range("sip.recovery_calls_per_second", raw, 1..MAX_RATE + 1);
            let found = u32::try_from(found).ok().and_then(std::num::NonZeroU32::new);
            calls.recovery_rate = found.unwrap_or(calls.recovery_rate);
        }
        let no_answer = self.no_answer_timeout_ms.as_ref();
        calls.answer_timeout =
            cluster::duration(check, "sip.no_answer_timeout_ms", no_answer, calls.answer_timeout);
        let timer_b = Duration::from_millis(calls.timers.transaction_timeout_ms());
        let default = calls.target_timeout.min(timer_b).min(calls.answer_timeout);
        let target = self.target_timeout_ms.as_ref();
        calls.target_timeout = cluster::duration(check, "sip.target_timeout_ms", target, default);
        match &self.max_call_duration_ms {
            Some(raw) if *raw.get_ref() == 0 => calls.max_call_duration = None,
            Some(raw) => {
                let ms = check.range("sip.max_call_duration_ms", raw, 1..MAX_DURATION_MS + 1);
                calls.max_call_duration = Some(Duration::from_millis(ms));
            }
            None => calls.max_call_duration = None,
        }
        if let Some(raw) = &self.session_timer {
            raw.build(check, &mut calls);
        }
        if let Some(statuses) = &self.failover_statuses {
            calls.failover_statuses.clone_from(statuses);
        }
        calls
    }

    fn timers(&self, check: &mut Checker<'_>, default: TimerConfig) -> TimerConfig {
        let max = u64::from(TimerConfig::MAX_MS);
        let mut time = |key: &str, raw: &Option<Spanned<u64>>, default: u32| {
            let found = raw.as_ref().map(|raw| check.range(key, raw, 1..max + 1));
            found.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(default)
        };
        let t1 = time("sip.t1_ms", &self.t1_ms, default.t1_ms());
        let t2 = time("sip.t2_ms", &self.t2_ms, default.t2_ms());
        let t4 = time("sip.t4_ms", &self.t4_ms, default.t4_ms());
        TimerConfig::new(t1, t2, t4).unwrap_or_else(|contradiction| {
            let at = self.t1_ms.as_ref().or(self.t2_ms.as_ref()).map(Spanned::span);
            check.fault("sip.t1_ms", at.unwrap_or_default(), Fault::SipTimers(contradiction));
            default
        })
    }
}

fn addresses(check: &mut Checker<'_>, raw: &Spanned<Vec<Spanned<SocketAddr>>>) -> Vec<SocketAddr> {
    let count = u64::try_from(raw.get_ref().len()).unwrap_or(u64::MAX);
    check.range("sip.addresses", &Spanned::new(raw.span(), count), 1..MAX_ADDRESSES + 1);
    let mut addresses = Vec::new();
    for address in raw.get_ref() {
        cluster::host(check, "sip.addresses", address);
        cluster::port(check, "sip.addresses", address);
        if addresses.contains(address.get_ref()) {
            let fault = Fault::Duplicate { value: address.get_ref().to_string() };
            check.fault("sip.addresses", address.span(), fault);
        }
        addresses.push(*address.get_ref());
    }
    addresses
}

const MAX_SHARDS: u64 = 256;
const MAX_CALLS: u64 = 1_000_000;
const MAX_RATE: u64 = 1_000_000;
const MAX_ADDRESSES: u64 = 64;

/// 30 days: a longer call is a forgotten one.
const MAX_DURATION_MS: u64 = 30 * 86_400_000;
