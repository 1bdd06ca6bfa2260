//! How long after one write the next may begin.
//!
//! Waiting pays when others come meanwhile: an entry costs the same whatever it carries. So the
//! interval is the one that the options name, less the time in which two commands come: at many
//! commands per second it is nearly the whole, at few it is nothing, and a lone call is set up as
//! fast as disk and network allow.

use std::time::Duration;

/// Follows how fast commands come, and says how long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    longest: Duration,
    /// Time between two commands, smoothed.
    gap: Duration,
}

impl Interval {
    pub(super) const fn new(longest: Duration) -> Self {
        Self { longest, gap: LONGEST_GAP }
    }

    /// A write of so many commands began, this long after the one before.
    pub(super) fn wrote(&mut self, commands: usize, after: Duration) {
        let commands = u32::try_from(commands.max(1)).unwrap_or(u32::MAX);
        let gap = after.min(LONGEST_GAP) / commands;
        self.gap = (self.gap * (SMOOTH - 1) + gap) / SMOOTH;
    }

    /// From the beginning of a write to that of the next.
    pub(super) fn length(&self) -> Duration {
        self.longest.saturating_sub(self.gap * WORTH)
    }
}

/// To wait for fewer commands than this is not worth it.
const WORTH: u32 = 2;

/// Writes over which the gap is smoothed.
const SMOOTH: u32 = 8;

/// After a pause of any length the gap is taken for this, so that some writes at a fast pace are
/// enough to forget it.
const LONGEST_GAP: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The interval after so many commands per second for a second, from a pause on.
    fn at(per_s: u32) -> Duration {
        let mut interval = Interval::new(8 * MS);
        let mut passed = Duration::ZERO;
        let between = Duration::from_secs(1) / per_s;
        while passed < Duration::from_secs(1) {
            let after = interval.length().max(between);
            let commands = (after.as_micros() / between.as_micros()).max(1);
            interval.wrote(usize::try_from(commands).unwrap(), after);
            passed += after;
        }
        interval.length()
    }

    #[test]
    fn few_commands_wait_for_nobody() {
        assert_eq!(Interval::new(8 * MS).length(), Duration::ZERO);
        assert_eq!(at(30), Duration::ZERO);
        assert_eq!(at(150), Duration::ZERO);
    }

    #[test]
    fn many_commands_share_entries() {
        let range = |low: u64, high: u64| MS * low as u32..=MS * high as u32;
        assert!(range(5, 7).contains(&at(900)), "{:?}", at(900));
        assert!(range(7, 8).contains(&at(6_000)), "{:?}", at(6_000));
    }

    #[test]
    fn a_pause_is_soon_forgotten() {
        let mut interval = Interval::new(8 * MS);
        for _ in 0..40 {
            interval.wrote(5, 5 * MS);
        }
        let before = interval.length();
        interval.wrote(1, Duration::from_secs(60));
        let mut writes = 0;
        while interval.length() + MS < before {
            interval.wrote(2, 2 * MS);
            writes += 1;
        }
        assert!(writes <= 24, "{writes} writes");
    }
}
