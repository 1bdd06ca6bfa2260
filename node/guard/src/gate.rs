//! The gate: how many new calls per second are let in, shared by all shards of a node.
//!
//! Open, it only counts. When [`crate::Overload`] sets a pace, whoever is ahead of it is refused
//! with a time to wait. Emergency calls pass and count.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// See the module's page. All methods take a few nanoseconds and never wait.
#[derive(Debug)]
pub struct Gate {
    /// Between two calls; 0: open.
    period_ns: AtomicU64,
    /// When the next call would be on time.
    due_ns: AtomicU64,
    admitted: AtomicU64,
    refused: AtomicU64,
    emergencies: AtomicU64,
    /// Nobody but emergency calls is let in.
    closed: AtomicBool,
    retry_after_s: u32,
    retry_spread_s: u32,
}

/// A call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shut {
    /// What Retry-After is to say; spread, so that those who were refused together do not come back
    /// together.
    pub retry_after_s: u32,
}

/// How many came since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateCounts {
    /// New calls that were let in, emergency calls included.
    pub admitted: u64,
    /// New calls that were refused.
    pub refused: u64,
    /// Emergency calls.
    pub emergencies: u64,
}

impl Gate {
    /// An open gate. Retry-After will be `retry_after_s` to `retry_after_s + retry_spread_s`.
    #[must_use]
    pub const fn new(retry_after_s: u32, retry_spread_s: u32) -> Self {
        Self {
            period_ns: AtomicU64::new(0),
            due_ns: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            emergencies: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            retry_after_s,
            retry_spread_s,
        }
    }

    /// Lets in so many per second from now on; `None`: all.
    pub fn set(&self, per_second: Option<u64>) {
        let period_ns = per_second.map_or(0, |rate| (SECOND_NS / rate.max(1)).max(1));
        self.period_ns.store(period_ns, Ordering::Relaxed);
    }

    /// Lets in nobody but emergency calls, whatever the pace, or no longer so.
    pub fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }

    /// A new call asks to be let in.
    ///
    /// # Errors
    /// [`Shut`] if it is ahead of the pace; `emergency` calls never are.
    pub fn enter(&self, now_ns: u64, emergency: bool) -> Result<(), Shut> {
        if emergency {
            self.emergencies.fetch_add(1, Ordering::Relaxed);
        }
        let period_ns = self.period_ns.load(Ordering::Relaxed);
        let on_time = |due_ns: u64| {
            let due_ns = due_ns.max(now_ns);
            let may = emergency || due_ns - now_ns <= AHEAD_NS.max(period_ns);
            may.then(|| due_ns.saturating_add(period_ns))
        };
        let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        let closed = !emergency && self.closed.load(Ordering::Relaxed);
        if !closed && (period_ns == 0 || self.due_ns.fetch_update(done, seen, on_time).is_ok()) {
            self.admitted.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let nth = self.refused.fetch_add(1, Ordering::Relaxed);
        let spread = nth % (u64::from(self.retry_spread_s) + 1);
        let spread = u32::try_from(spread).unwrap_or(0);
        Err(Shut { retry_after_s: self.retry_after_s.saturating_add(spread) })
    }

    /// How many came since the start.
    #[must_use]
    pub fn counts(&self) -> GateCounts {
        GateCounts {
            admitted: self.admitted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            emergencies: self.emergencies.load(Ordering::Relaxed),
        }
    }
}

const SECOND_NS: u64 = 1_000_000_000;

/// How far ahead of an even pace calls may come: about as unevenly as a busy machine delivers them.
const AHEAD_NS: u64 = 50_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_gate_lets_all_in() {
        let gate = Gate::new(2, 3);
        assert!((0..10_000).all(|_| gate.enter(0, false).is_ok()));
        assert_eq!(gate.counts().admitted, 10_000);
    }

    #[test]
    fn a_closed_gate_lets_only_emergencies_in() {
        let gate = Gate::new(2, 0);
        gate.close(true);
        assert_eq!(gate.enter(0, false), Err(Shut { retry_after_s: 2 }));
        assert!(gate.enter(0, true).is_ok());
        gate.close(false);
        assert!(gate.enter(0, false).is_ok());
    }

    #[test]
    fn a_paced_gate_refuses_the_rest_but_no_emergency() {
        let gate = Gate::new(2, 3);
        gate.set(Some(100));
        let mut let_in = 0;
        for ms in 0..1_000 {
            let_in += u32::from(gate.enter(ms * 1_000_000, false).is_ok());
        }
        assert!((100..=106).contains(&let_in), "{let_in}");
        let waits: Vec<_> = (0..5)
            .map(|_| gate.enter(1_000_000_000, false).map_err(|shut| shut.retry_after_s))
            .collect();
        assert!(waits.iter().skip(1).all(Result::is_err), "{waits:?}");
        let spread: std::collections::BTreeSet<_> =
            waits.iter().filter_map(|wait| wait.err()).collect();
        assert!(spread.len() > 2 && spread.iter().all(|wait| (2..=5).contains(wait)), "{waits:?}");
        assert!((0..50).all(|_| gate.enter(1_000_000_000, true).is_ok()));
        assert_eq!(gate.counts().emergencies, 50);
        assert!(gate.enter(1_100_000_000, false).is_err(), "emergencies use up the pace");
        gate.set(None);
        assert!(gate.enter(1_100_000_000, false).is_ok());
    }
}
