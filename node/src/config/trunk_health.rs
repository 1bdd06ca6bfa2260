//! `[probe]` and `[breaker]`: how trunks are watched, the same for all of them.

use std::num::NonZeroU32;
use std::time::Duration;

use holdline_call::{BreakerOptions, ProbeOptions, TrunkOptions};
use holdline_sip::transaction::TimerConfig;
use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::locate::Checker;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProbe {
    interval_ms: Option<Spanned<u64>>,
    doubt_interval_ms: Option<Spanned<u64>>,
    timeout_ms: Option<Spanned<u64>>,
    down_after: Option<Spanned<u64>>,
    up_after: Option<Spanned<u64>>,
    down_statuses: Option<Vec<Spanned<u64>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBreaker {
    enabled: Option<bool>,
    failures: Option<Spanned<u64>>,
    open_ms: Option<Spanned<u64>>,
    open_max_ms: Option<Spanned<u64>>,
    trials: Option<Spanned<u64>>,
    statuses: Option<Vec<Spanned<u64>>>,
}

/// `answer_timeout` is how long a call may ring: then every trial has told something.
pub(super) fn build(
    check: &mut Checker<'_>,
    probe: RawProbe,
    breaker: RawBreaker,
    timers: TimerConfig,
    target_timeout: Duration,
) -> TrunkOptions {
    let probe = probe.build(check);
    let mut breaker = breaker.build(check);
    breaker.trial_timeout = target_timeout + TRIAL_MARGIN;
    TrunkOptions { probe, breaker, timers }
}

impl RawProbe {
    fn build(self, check: &mut Checker<'_>) -> ProbeOptions {
        let default = ProbeOptions::default();
        let interval = self.interval_ms.as_ref();
        let doubt = self.doubt_interval_ms.as_ref();
        let timeout = self.timeout_ms.as_ref();
        let options = ProbeOptions {
            interval: cluster::duration(check, "probe.interval_ms", interval, default.interval),
            doubt_interval: cluster::duration(
                check,
                "probe.doubt_interval_ms",
                doubt,
                default.doubt_interval,
            ),
            timeout: cluster::duration(check, "probe.timeout_ms", timeout, default.timeout),
            down_after: count(check, "probe.down_after", self.down_after, default.down_after),
            up_after: count(check, "probe.up_after", self.up_after, default.up_after),
            down_statuses: statuses(
                check,
                "probe.down_statuses",
                self.down_statuses,
                default.down_statuses,
            ),
        };
        if options.doubt_interval > options.interval {
            let span = doubt.or(interval).map(Spanned::span).unwrap_or_default();
            let (doubt, usual) = (options.doubt_interval, options.interval);
            check.fault("probe.doubt_interval_ms", span, Fault::DoubtInterval { doubt, usual });
        }
        options
    }
}

impl RawBreaker {
    fn build(self, check: &mut Checker<'_>) -> BreakerOptions {
        let default = BreakerOptions::default();
        let (open, max) = (self.open_ms.as_ref(), self.open_max_ms.as_ref());
        let options = BreakerOptions {
            is_on: self.enabled.unwrap_or(default.is_on),
            failures: count(check, "breaker.failures", self.failures, default.failures),
            open: cluster::duration(check, "breaker.open_ms", open, default.open),
            open_max: cluster::duration(check, "breaker.open_max_ms", max, default.open_max),
            trials: count(check, "breaker.trials", self.trials, default.trials),
            trial_timeout: default.trial_timeout,
            statuses: statuses(check, "breaker.statuses", self.statuses, default.statuses),
        };
        if options.open > options.open_max {
            let span = open.or(max).map(Spanned::span).unwrap_or_default();
            let (open, max) = (options.open, options.open_max);
            check.fault("breaker.open_ms", span, Fault::OpenTime { open, max });
        }
        options
    }
}

fn count(
    check: &mut Checker<'_>,
    key: &str,
    raw: Option<Spanned<u64>>,
    default: NonZeroU32,
) -> NonZeroU32 {
    let found = raw.map(|raw| check.range(key, &raw, 1..MAX_COUNT + 1));
    found.and_then(|count| u32::try_from(count).ok()).and_then(NonZeroU32::new).unwrap_or(default)
}

fn statuses(
    check: &mut Checker<'_>,
    key: &str,
    raw: Option<Vec<Spanned<u64>>>,
    default: Vec<u16>,
) -> Vec<u16> {
    let Some(raw) = raw else { return default };
    let found = raw.iter().map(|status| check.range(key, status, 300..700));
    found.filter_map(|status| u16::try_from(status).ok()).collect()
}

const MAX_COUNT: u64 = 1_000;

/// A trial is heard of within the time that a silent target gets, and this.
const TRIAL_MARGIN: Duration = Duration::from_secs(3);
