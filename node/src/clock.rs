//! The node's one clock: the only place that asks the operating system for the time.
//!
//! Time in replicated state ([`Millis`]) is the wall clock's reading at start plus what a monotonic
//! clock has counted since. A jump of the wall clock (an operator, a virtual machine that was
//! paused) therefore moves no deadline and no bill. So that a node does not stay wrong for ever,
//! its time then slews towards the wall clock, by at most one millisecond in `SLEW_EVERY_MS`.
//!
//! It is not a source of order between nodes: order is the log's.
//!
//! Invariant: within a process, [`Clock::now`] never goes back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use holdline_model::Millis;

/// The process's clock. Cheap to clone; all clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    slew: Arc<Mutex<Slew>>,
}

impl Clock {
    /// Starts the clock at the wall clock's time.
    #[must_use]
    pub fn start() -> Self {
        let slew = Slew::new(wall_ms());
        Self { started: monotonic(), slew: Arc::new(Mutex::new(slew)) }
    }

    /// The time for stamps and deadlines.
    #[must_use]
    pub fn now(&self) -> Millis {
        let elapsed_ms = self.elapsed_ms();
        // The lock guards two numbers and a panic in between would abort the process.
        let mut slew = self.slew.lock().unwrap_or_else(PoisonError::into_inner);
        Millis(slew.read(elapsed_ms, wall_ms))
    }

    /// Milliseconds since the process started its clock, by the monotonic clock alone.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        let elapsed = monotonic().saturating_duration_since(self.started);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// The same in nanoseconds.
    #[must_use]
    pub fn elapsed_ns(&self) -> u64 {
        let elapsed = monotonic().saturating_duration_since(self.started);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The monotonic clock, for measuring.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        monotonic()
    }

    /// How far the wall clock is ahead of this one, in milliseconds; negative if it is behind.
    #[must_use]
    pub fn wall_offset_ms(&self) -> i64 {
        let now = i64::try_from(self.now().0).unwrap_or(i64::MAX);
        i64::try_from(wall_ms()).unwrap_or(i64::MAX).saturating_sub(now)
    }
}

/// The pure part: wall time at the start, time elapsed, and what was added or taken away since.
#[derive(Clone, Copy, Debug)]
struct Slew {
    /// The wall clock's reading when the clock was started.
    started_at_ms: u64,
    /// What is added to it now; only ever moved by 1 ms at a time.
    offset_ms: i64,
    /// Elapsed time when the wall clock was last compared.
    compared_at_ms: u64,
    /// The last reading: never fall below it.
    last_ms: u64,
}

impl Slew {
    const fn new(started_at_ms: u64) -> Self {
        Self { started_at_ms, offset_ms: 0, compared_at_ms: 0, last_ms: started_at_ms }
    }

    /// The time after `elapsed_ms`. Asks for the wall clock only when a comparison is due.
    fn read(&mut self, elapsed_ms: u64, wall_ms: impl FnOnce() -> u64) -> u64 {
        if elapsed_ms.saturating_sub(self.compared_at_ms) >= SLEW_EVERY_MS {
            self.compared_at_ms = elapsed_ms;
            let here = self.unslewed(elapsed_ms);
            let wall = wall_ms();
            if wall.abs_diff(here) > TOLERATED_MS {
                self.offset_ms += if wall > here { 1 } else { -1 };
            }
        }
        self.last_ms = self.last_ms.max(self.unslewed(elapsed_ms));
        self.last_ms
    }

    const fn unslewed(&self, elapsed_ms: u64) -> u64 {
        self.started_at_ms.saturating_add(elapsed_ms).saturating_add_signed(self.offset_ms)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the node's one clock")]
fn monotonic() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch by the wall clock; 0 if it is set to before that.
#[expect(clippy::disallowed_methods, reason = "this is the node's one clock")]
fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// The wall clock is compared, and followed by 1 ms, once in this many milliseconds (0.1 %).
const SLEW_EVERY_MS: u64 = 1000;

/// Readings this close count as equal: both are rounded to milliseconds.
const TOLERATED_MS: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_monotonic_clock_whatever_the_wall_clock_does() {
        let mut slew = Slew::new(1_000_000);
        assert_eq!(slew.read(500, || unreachable!("no comparison is due")), 1_000_500);
        let an_hour_later = 1_000_000 + 3_600_000;
        assert_eq!(slew.read(1000, || an_hour_later), 1_001_001, "moves by 1 ms, not by an hour");
    }

    #[test]
    fn never_goes_back() {
        let mut slew = Slew::new(1_000_000);
        let mut last = 0;
        for elapsed in (0..20_000).step_by(7) {
            let now = slew.read(elapsed, || 0);
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
        assert!(last < 1_000_000 + 20_000, "it was slewed backwards");
    }

    #[test]
    fn reaches_a_wall_clock_that_is_a_little_ahead_and_stays_there() {
        let mut slew = Slew::new(0);
        let wall = |elapsed: u64| elapsed + 5;
        let mut now = 0;
        for elapsed in (0..60_000).step_by(250) {
            now = slew.read(elapsed, || wall(elapsed));
        }
        assert!(now.abs_diff(wall(59_750)) <= TOLERATED_MS, "{now}");
    }

    #[test]
    fn the_real_clock_shows_the_wall_clock_s_time_at_start() {
        let clock = Clock::start();
        assert!(clock.wall_offset_ms().abs() < 1000);
        assert!(clock.now() <= clock.now());
    }
}
