//! What an engine is told about limits and times.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use holdline_model::{Name, SessionTimer};
use holdline_sip::transaction::TimerConfig;

/// Limits and times of a [`crate::CallEngine`]. Every table and queue of the engine is bounded here
/// or in [`holdline_model::limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The site that calls come in at: limits may be set by it.
    pub pop: Name,
    /// An INVITE that is too large for UDP is tried over TCP first.
    pub large_over_tcp: bool,
    /// Calls that are up or being set up at most; more get 503 with Retry-After, without state.
    pub max_calls: NonZeroUsize,
    /// Finished calls kept for late retransmissions at most; when there are more, new calls get 503
    /// with Retry-After, because each would end up as one more.
    pub max_tombstones: NonZeroUsize,
    /// What may wait in one call while a proposal of it is in flight; more is dropped and counted,
    /// and the peer sends it again.
    pub max_waiting: NonZeroUsize,
    /// Answers of other forks that one call hangs up at the same time; more are left unanswered,
    /// and the fork's own time-out ends them.
    pub max_forks: usize,
    /// Requests within its dialogs that go through one call at the same time; more get 500 with
    /// Retry-After.
    pub max_through: NonZeroUsize,
    /// RFC 3261's T1, T2 and T4.
    pub timers: TimerConfig,
    /// How long a call may ring, over all targets.
    pub answer_timeout: Duration,
    /// How long an answered call may last; `None` without a limit.
    pub max_call_duration: Option<Duration>,
    /// How long a target may stay silent before the next one is tried; at most 64 × T1, which is
    /// when RFC 3261's timer B ends the attempt anyway.
    pub target_timeout: Duration,
    /// Final answers after which the next target is tried. A 6xx never leads to another target.
    pub failover_statuses: Vec<u16>,
    /// How the session timers of new calls are dealt with.
    pub session_timer: SessionTimer,
    /// What the switch asks for where it asks for a session timer itself.
    pub session_expires: Duration,
    /// The shortest session timer that it accepts then; shorter ones are refused with 422.
    pub min_se: Duration,
    /// What Retry-After says in a 503 of ours.
    pub retry_after: Duration,
    /// What may be lost in a takeover (that the callee rings, that the caller acknowledged the answer)
    /// is committed after one to two of these, together with that of all other calls; not at all
    /// if the call has gone on by then. Zero: at once.
    pub note_every: Duration,
    /// How long a proposal of unknown outcome waits until it is made again.
    pub propose_retry: Duration,
    /// Calls of a slot whose messages are resent per second, at most, after a takeover. As a rule they
    /// are fewer: half as many as the slot's calls have caused messages lately.
    pub recovery_rate: NonZeroU32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pop: Name::default(),
            large_over_tcp: true,
            max_calls: NonZeroUsize::new(100_000).unwrap_or(NonZeroUsize::MAX),
            max_tombstones: NonZeroUsize::new(100_000).unwrap_or(NonZeroUsize::MAX),
            max_waiting: NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN),
            max_forks: 16,
            max_through: NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN),
            timers: TimerConfig::default(),
            answer_timeout: Duration::from_secs(180),
            max_call_duration: Some(Duration::from_secs(4 * 3600)),
            target_timeout: Duration::from_secs(32),
            failover_statuses: vec![408, 500, 503],
            session_timer: SessionTimer::Pass,
            session_expires: Duration::from_secs(1_800),
            min_se: Duration::from_secs(90),
            retry_after: Duration::from_secs(5),
            note_every: Duration::from_millis(250),
            propose_retry: Duration::from_millis(100),
            recovery_rate: NonZeroU32::new(2_000).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// Two options contradict each other, or one cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// A target may not be waited for longer than its transaction lives.
    #[error(
        "target_timeout is {target_timeout:?}, but an unanswered INVITE is given up after {timer_b:?} (64 × t1)"
    )]
    TargetTimeout {
        /// As given.
        target_timeout: Duration,
        /// 64 × T1.
        timer_b: Duration,
    },
    /// A call would be given up before its first target is.
    #[error(
        "answer_timeout is {answer_timeout:?}, shorter than target_timeout, which is {target_timeout:?}"
    )]
    AnswerTimeout {
        /// As given.
        answer_timeout: Duration,
        /// As given.
        target_timeout: Duration,
    },
    /// Only failures of the target lead to another one.
    #[error("failover_statuses has {status}: only 300 to 599 may lead to another target")]
    FailoverStatus {
        /// The status out of range.
        status: u16,
    },
    /// A session timer would be shorter than the shortest.
    #[error("session_timer.expires is {expires:?}, shorter than min_se, which is {min_se:?}")]
    SessionTimer {
        /// As given.
        expires: Duration,
        /// As given.
        min_se: Duration,
    },
    /// Undecided proposals would be made again without a pause.
    #[error("propose_retry is {propose_retry:?}: it must be at least 1 ms")]
    ProposeRetry {
        /// As given.
        propose_retry: Duration,
    },
}

impl Options {
    /// Checks the options against each other.
    ///
    /// # Errors
    /// The first fault found, with the values that contradict each other.
    pub fn validate(&self) -> Result<(), InvalidOptions> {
        let Self { target_timeout, answer_timeout, propose_retry, .. } = *self;
        let timer_b = Duration::from_millis(self.timers.transaction_timeout_ms());
        if target_timeout > timer_b {
            return Err(InvalidOptions::TargetTimeout { target_timeout, timer_b });
        }
        if answer_timeout < target_timeout {
            return Err(InvalidOptions::AnswerTimeout { answer_timeout, target_timeout });
        }
        if let Some(status) = self.failover_statuses.iter().find(|s| !(300..600).contains(*s)) {
            return Err(InvalidOptions::FailoverStatus { status: *status });
        }
        let (expires, min_se) = (self.session_expires, self.min_se);
        if expires < min_se {
            return Err(InvalidOptions::SessionTimer { expires, min_se });
        }
        if propose_retry < Duration::from_millis(1) {
            return Err(InvalidOptions::ProposeRetry { propose_retry });
        }
        Ok(())
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Options::default().validate(), Ok(()));
    }

    #[test]
    fn faults_carry_the_values() {
        let fault = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options.validate().unwrap_err().to_string()
        };
        assert!(fault(|o| o.target_timeout = Duration::from_secs(33)).contains("32s"));
        assert!(
            fault(|o| o.answer_timeout = Duration::from_secs(1)).contains("answer_timeout is 1s")
        );
        assert!(fault(|o| o.failover_statuses = vec![603]).contains("603"));
        assert!(fault(|o| o.propose_retry = Duration::ZERO).contains("propose_retry"));
    }
}
