//! How trunks are watched.

use std::num::NonZeroU32;
use std::time::Duration;

use holdline_sip::transaction::TimerConfig;

/// Times and thresholds of [`super::Trunks`], the same for all trunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkOptions {
    /// Of asking by OPTIONS.
    pub probe: ProbeOptions,
    /// Of not calling what fails.
    pub breaker: BreakerOptions,
    /// RFC 3261's T1, T2 and T4, for the OPTIONS.
    pub timers: TimerConfig,
}

/// How a trunk is asked whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeOptions {
    /// How often a trunk that answers is asked; a tenth more or less, at random.
    pub interval: Duration,
    /// How often one is asked that missed a probe, or answers again.
    pub doubt_interval: Duration,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// Probes missed in a row after which a trunk is greylisted.
    pub down_after: NonZeroU32,
    /// Answers in a row after which it is used again.
    pub up_after: NonZeroU32,
    /// Answers that count as none: of an element in front of the trunk, or of one that wants no calls.
    pub down_statuses: Vec<u16>,
}

/// When a trunk that fails calls is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Whether breakers open at all.
    pub is_on: bool,
    /// Calls failed in a row after which the breaker opens.
    pub failures: NonZeroU32,
    /// How long it stays open the first time; twice as long each further time, a fifth more or less.
    pub open: Duration,
    /// How long it stays open at most; also what is believed of a Retry-After.
    pub open_max: Duration,
    /// Calls sent on trial when that time is over.
    pub trials: NonZeroU32,
    /// How long their outcome is waited for; then as many more are sent.
    pub trial_timeout: Duration,
    /// Answers that count as failures, beside silence and transport errors.
    pub statuses: Vec<u16>,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            doubt_interval: Duration::from_secs(2),
            timeout: Duration::from_secs(4),
            down_after: NonZeroU32::new(3).unwrap_or(NonZeroU32::MIN),
            up_after: NonZeroU32::new(2).unwrap_or(NonZeroU32::MIN),
            down_statuses: vec![408, 503, 504],
        }
    }
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            is_on: true,
            failures: NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN),
            open: Duration::from_secs(10),
            open_max: Duration::from_secs(300),
            trials: NonZeroU32::MIN,
            trial_timeout: Duration::from_secs(35),
            statuses: vec![503],
        }
    }
}
