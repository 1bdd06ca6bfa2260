//! When stored bytes are sent the next time: timers A, E, G and the core's timer for a 2xx.

use holdline_model::Millis;

/// A timer that fires again and again, each wait twice the last, up to a cap given when it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resend {
    at: Option<Millis>,
    /// How long to wait after the next firing; 0: it is the last one.
    wait_ms: u32,
}

impl Resend {
    /// Never fires.
    pub(super) const OFF: Self = Self { at: None, wait_ms: 0 };

    /// The bytes were sent now: fires after `first_ms`, then after twice that, and so on.
    pub(super) const fn after_sending(now: Millis, first_ms: u32) -> Self {
        Self { at: Some(now.plus_ms(first_ms as u64)), wait_ms: first_ms.saturating_mul(2) }
    }

    /// The bytes are first sent at `at`: fires then, `first_ms` later, and so on.
    pub(super) const fn sending_at(at: Millis, first_ms: u32) -> Self {
        Self { at: Some(at), wait_ms: first_ms }
    }

    /// Fires at `at` and not again.
    pub(super) const fn once(at: Millis) -> Self {
        Self { at: Some(at), wait_ms: 0 }
    }

    /// When it fires next.
    pub(super) const fn at(self) -> Option<Millis> {
        self.at
    }

    /// If it is due: tells so, and arms the next firing. Waits count from `now`, not from when it
    /// was due, so that a node that slept does not send a burst.
    pub(super) fn fire(&mut self, now: Millis, cap_ms: u32) -> bool {
        if self.at.is_none_or(|at| at > now) {
            return false;
        }
        let wait_ms = self.wait_ms.min(cap_ms);
        self.at = (wait_ms > 0).then(|| now.plus_ms(u64::from(wait_ms)));
        self.wait_ms = wait_ms.saturating_mul(2);
        true
    }
}
