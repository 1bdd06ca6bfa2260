//! The three base values from which all timers of RFC 3261 follow (table 4 in its appendix A).

use holdline_model::Millis;

/// T1, T2 and T4, checked.
///
/// | timer | value | meaning |
/// |---|---|---|
/// | A | T1, doubling | resends the INVITE, unreliable transports only |
/// | B | 64×T1 | gives up an INVITE that nobody answers |
/// | D | at least 32 s | absorbs repeated failures |
/// | E | T1, doubling to T2 | resends a request, unreliable transports only |
/// | F | 64×T1 | gives up a request that nobody answers |
/// | G | T1, doubling to T2 | resends a failure until its ACK, unreliable transports only |
/// | H | 64×T1 | stops waiting for that ACK |
/// | I | T4 | absorbs repeated ACKs; 0 on reliable transports |
/// | J | 64×T1 | absorbs repeated requests; 0 on reliable transports |
/// | K | T4 | absorbs repeated answers; 0 on reliable transports |
/// | L | 64×T1 | absorbs repeated INVITEs after a 2xx (RFC 6026) |
/// | M | 64×T1 | lets repeated 2xx through to the user (RFC 6026) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerConfig {
    t1_ms: u32,
    t2_ms: u32,
    t4_ms: u32,
}

/// The values contradict each other or cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimerConfigError {
    /// A value is 0, which would resend without end, or above [`TimerConfig::MAX_MS`].
    #[error("{name} is {value_ms} ms; it must be between 1 and {} ms", TimerConfig::MAX_MS)]
    OutOfRange {
        /// `T1`, `T2` or `T4`.
        name: &'static str,
        /// What was asked for, in milliseconds.
        value_ms: u32,
    },
    /// T2 is the longest wait between two resends; it cannot be shorter than the first one.
    #[error("T2 ({t2_ms} ms) is shorter than T1 ({t1_ms} ms)")]
    CapBelowFirst {
        /// T1 in milliseconds.
        t1_ms: u32,
        /// T2 in milliseconds.
        t2_ms: u32,
    },
}

impl TimerConfig {
    /// The largest value that T1, T2 and T4 may have, in milliseconds.
    pub const MAX_MS: u32 = 60_000;

    /// Timer D is at least this long on unreliable transports, whatever T1 is here: the peer's T1
    /// is not known (RFC 3261 section 17.1.1.2).
    const MIN_D_MS: u64 = 32_000;

    /// Checks and makes a set of timers; all in milliseconds.
    ///
    /// # Errors
    /// A value is out of range, or T2 is below T1.
    pub const fn new(t1_ms: u32, t2_ms: u32, t4_ms: u32) -> Result<Self, TimerConfigError> {
        if t1_ms == 0 || t1_ms > Self::MAX_MS {
            return Err(TimerConfigError::OutOfRange { name: "T1", value_ms: t1_ms });
        }
        if t2_ms == 0 || t2_ms > Self::MAX_MS {
            return Err(TimerConfigError::OutOfRange { name: "T2", value_ms: t2_ms });
        }
        if t4_ms == 0 || t4_ms > Self::MAX_MS {
            return Err(TimerConfigError::OutOfRange { name: "T4", value_ms: t4_ms });
        }
        if t2_ms < t1_ms {
            return Err(TimerConfigError::CapBelowFirst { t1_ms, t2_ms });
        }
        Ok(Self { t1_ms, t2_ms, t4_ms })
    }

    /// T1: the estimated round trip, in milliseconds.
    #[must_use]
    pub const fn t1_ms(self) -> u32 {
        self.t1_ms
    }

    /// T2: the longest wait between two resends of anything but an INVITE, in milliseconds.
    #[must_use]
    pub const fn t2_ms(self) -> u32 {
        self.t2_ms
    }

    /// T4: how long a message may stay in the network, in milliseconds.
    #[must_use]
    pub const fn t4_ms(self) -> u32 {
        self.t4_ms
    }

    /// 64×T1, the length of timers B, F, H, J, L and M, in milliseconds.
    #[must_use]
    pub const fn transaction_timeout_ms(self) -> u64 {
        64 * self.t1_ms as u64
    }

    /// When timer B, F, H, J, L or M fires that is set now.
    pub(super) const fn timeout(self, now: Millis) -> Millis {
        now.plus_ms(self.transaction_timeout_ms())
    }

    /// When timer D fires that is set now.
    pub(super) const fn timer_d(self, now: Millis) -> Millis {
        let timeout_ms = self.transaction_timeout_ms();
        now.plus_ms(if timeout_ms > Self::MIN_D_MS { timeout_ms } else { Self::MIN_D_MS })
    }

    /// When timer I or K fires that is set now.
    pub(super) const fn linger(self, now: Millis) -> Millis {
        now.plus_ms(self.t4_ms as u64)
    }
}

impl Default for TimerConfig {
    /// The values of RFC 3261: 500 ms, 4 s, 5 s.
    fn default() -> Self {
        Self { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_rfc_and_pass_the_check() {
        assert_eq!(TimerConfig::new(500, 4_000, 5_000), Ok(TimerConfig::default()));
        assert_eq!(TimerConfig::default().transaction_timeout_ms(), 32_000);
    }

    #[test]
    fn refuses_values_that_cannot_work() {
        for (t1_ms, t2_ms, t4_ms, error) in [
            (0, 4_000, 5_000, TimerConfigError::OutOfRange { name: "T1", value_ms: 0 }),
            (60_001, 4_000, 5_000, TimerConfigError::OutOfRange { name: "T1", value_ms: 60_001 }),
            (500, 0, 5_000, TimerConfigError::OutOfRange { name: "T2", value_ms: 0 }),
            (500, 4_000, 0, TimerConfigError::OutOfRange { name: "T4", value_ms: 0 }),
            (500, 499, 5_000, TimerConfigError::CapBelowFirst { t1_ms: 500, t2_ms: 499 }),
        ] {
            assert_eq!(TimerConfig::new(t1_ms, t2_ms, t4_ms), Err(error));
        }
    }

    #[test]
    fn timer_d_is_never_shorter_than_32_seconds() {
        let short = TimerConfig::new(10, 80, 100).unwrap();
        assert_eq!(short.timeout(Millis(0)), Millis(640));
        assert_eq!(short.timer_d(Millis(0)), Millis(32_000));
        let long = TimerConfig::new(1_000, 4_000, 5_000).unwrap();
        assert_eq!(long.timer_d(Millis(0)), Millis(64_000));
    }
}
