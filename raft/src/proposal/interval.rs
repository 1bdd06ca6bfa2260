//! How long after one write the next may begin.
//!
//! Waiting pays when others come meanwhile: an entry costs the same whatever it carries. So the
//! interval is the one that the options name, less the time in which two commands come: at many
//! commands per second it is nearly the whole, at few it is nothing, and a lone call is set up as
//! fast as disk and network allow.
//!
//! One who proposes again only when it has its reply waits for nobody but itself: how fast its commands
//! come follows from how long they wait. It is known by coming always alone, and then not held up.

use std::time::Duration;

/// Follows how fast commands come, and says how long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    longest: Duration,
    /// Time between two commands, smoothed.
    gap: Duration,
    /// So many writes on end carried a single command that came when nothing was in flight.
    alone: u32,
}

impl Interval {
    pub(super) const fn new(longest: Duration) -> Self {
        Self { longest, gap: LONGEST_GAP, alone: 0 }
    }

    /// A write of so many commands began, this long after the one before; the first of them came while
    /// others were in flight, or not.
    pub(super) fn wrote(&mut self, commands: usize, after: Duration, in_flight: bool) {
        self.alone = if commands == 1 && !in_flight { self.alone.saturating_add(1) } else { 0 };
        let commands = u32::try_from(commands.max(1)).unwrap_or(u32::MAX);
        let gap = after.min(LONGEST_GAP) / commands;
        self.gap = (self.gap * (SMOOTH - 1) + gap) / SMOOTH;
    }

    /// From the beginning of a write to that of the next.
    pub(super) fn length(&self) -> Duration {
        if self.alone >= ALWAYS {
            return Duration::ZERO;
        }
        self.longest.saturating_sub(self.gap * WORTH)
    }
}

/// To wait for fewer commands than this is not worth it.
const WORTH: u32 = 2;

/// Commands that come by themselves, three hundred a second or more, do not come alone so often on end
/// more than once in an hour.
const ALWAYS: u32 = 24;

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
            interval.wrote(usize::try_from(commands).unwrap(), after, true);
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
    fn one_who_waits_for_its_reply_is_not_held_up_and_whoever_comes_beside_it_is_noticed() {
        let mut interval = Interval::new(8 * MS);
        for _ in 0..40 {
            interval.wrote(5, 5 * MS, true);
        }
        let latency = MS;
        let mut took = Vec::new();
        for _ in 0..100 {
            let after = interval.length().max(latency);
            interval.wrote(1, after, false);
            took.push(after);
        }
        assert!(took[..24].iter().any(|after| *after > 2 * latency), "{took:?}");
        assert!(took[30..].iter().all(|after| *after == latency), "{took:?}");
        interval.wrote(1, latency, true);
        assert!(interval.length() > 2 * latency);
    }

    #[test]
    fn a_pause_is_soon_forgotten() {
        let mut interval = Interval::new(8 * MS);
        for _ in 0..40 {
            interval.wrote(5, 5 * MS, true);
        }
        let before = interval.length();
        interval.wrote(1, Duration::from_secs(60), false);
        let mut writes = 0;
        while interval.length() + MS < before {
            interval.wrote(2, 2 * MS, true);
            writes += 1;
        }
        assert!(writes <= 24, "{writes} writes");
    }
}
