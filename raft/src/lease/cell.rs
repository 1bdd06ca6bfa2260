//! The lease itself: a time, readable by everybody at the price of one atomic load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdline_model::mutant;

use crate::clock;

/// Until when this node may act as owner. Clones are the same lease.
///
/// Whoever is about to act (send, bind, let a timer fire) asks [`Lease::is_valid`] with the time of
/// its action. There is no message when a lease ends: it ends by itself, however stuck the rest is.
#[derive(Clone, Debug)]
pub struct Lease {
    cell: Arc<Cell>,
}

#[derive(Debug)]
struct Cell {
    /// What `until` counts from.
    base: Instant,
    /// Nanoseconds; 0 before the first grant.
    until: AtomicU64,
    /// The leader said that calls may fail over to this node.
    safe: AtomicBool,
}

impl Lease {
    pub(crate) fn new() -> Self {
        Self {
            cell: Arc::new(Cell {
                base: clock::now(),
                until: AtomicU64::new(0),
                safe: AtomicBool::new(false),
            }),
        }
    }

    /// Whether this node may act as owner at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Instant) -> bool {
        let until = self.cell.until.load(Ordering::Acquire);
        self.nanos(now) < until || (mutant::is("no-lease") && until > 0)
    }

    /// When the lease ends or ended; `None` if there never was one.
    #[must_use]
    pub fn valid_until(&self) -> Option<Instant> {
        let until = self.cell.until.load(Ordering::Acquire);
        (until > 0).then(|| self.cell.base + Duration::from_nanos(until))
    }

    /// Whether calls may fail over to this node, as the leader last said. It counts only together
    /// with a valid lease.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.cell.safe.load(Ordering::Acquire)
    }

    pub(crate) fn set_safe(&self, safe: bool) {
        self.cell.safe.store(safe, Ordering::Release);
    }

    /// A grant that lasts until then. An earlier end than the present one changes nothing: each
    /// grant holds by itself.
    pub(crate) fn extend(&self, until: Instant) {
        self.cell.until.fetch_max(self.nanos(until), Ordering::AcqRel);
    }

    /// Nanoseconds since the base: 584 years fit.
    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.cell.base).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_valid_up_to_its_end_and_not_at_it() {
        let lease = Lease::new();
        let now = clock::now();
        assert!(!lease.is_valid(now));
        assert_eq!(lease.valid_until(), None);
        let end = now + Duration::from_millis(300);
        lease.extend(end);
        assert!(lease.is_valid(end - Duration::from_nanos(1)));
        assert!(!lease.is_valid(end));
        assert_eq!(lease.valid_until(), Some(end));
    }

    #[test]
    fn a_shorter_grant_does_not_end_a_longer_one() {
        let lease = Lease::new();
        let end = clock::now() + Duration::from_millis(300);
        lease.extend(end);
        lease.extend(end - Duration::from_millis(100));
        assert_eq!(lease.valid_until(), Some(end));
    }
}
