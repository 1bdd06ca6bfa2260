//! The limits' clock: how much time an entry lets pass, whoever has stamped it.
//!
//! An entry carries the time of the node that proposed it, and nodes' clocks differ. So no stamp is
//! compared with another node's. Each node has a *line*: where the limits' clock stood when it was
//! first heard, and from there on what its own clock has counted since. The limits' clock is where
//! the line of the fastest has got to.
//!
//! - A node that is heard for the first time, or after a restart, lets no time pass: it is put on
//!   the clock as it stands. That is what a takeover is to the limits: nothing.
//! - That first entry may have been long on its way, and then the line is ahead by as much. So where
//!   others are known, the node is *on trial* for a second: its line goes on but does not move the
//!   clock, and when another node's later entry shows that it was ahead, it is put back by that. If
//!   nobody else is heard meanwhile, that second passes at its end.
//! - A stamp that would let pass more than [`limits::LIMIT_STEP_MS`] is one of a clock that was set
//!   forward. It lets no time pass, and the node is put on the clock anew. While buckets are not
//!   full the leader proposes a tick every [`limits::LIMIT_TICK_MS`], so true time never comes in
//!   steps that large; all that such a jump can cost is the time since the last entry.
//! - A stamp far behind the node's last one is of a clock that was set back: the node is put on the
//!   clock anew. One a little behind is late, and lets no time pass.
//! - A clock that runs slow stays behind the others without harm; so that nothing stands still when
//!   the fast ones are gone, a node all of whose stamps of a minute were behind is put forward by
//!   what they were behind at least.
//!
//! Invariant: it never goes back, and over any time goes on by no more than what the fastest clock
//! has counted, but for jumps below the step.

use std::collections::BTreeMap;

use holdline_model::{Millis, NodeId, limits};
use serde::{Deserialize, Serialize};

/// Milliseconds since the limits were first set, and every node's line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitClock {
    now_ms: u64,
    lines: BTreeMap<NodeId, Line>,
}

/// A node's clock beside the limits'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    /// A stamp of the node …
    stamp: u64,
    /// … and where its line was then.
    at_ms: u64,
    /// When the present minute began, by the node's clock.
    minute: u64,
    /// By how much all stamps of this minute were behind.
    behind_ms: u64,
    /// Up to which stamp the node is on trial.
    trial_until: u64,
}

impl LimitClock {
    /// Milliseconds since the limits were first set.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Takes a stamp; returns the time that has passed since the last one, in milliseconds.
    pub fn advance(&mut self, node: NodeId, stamp: Millis) -> u64 {
        let (now_ms, stamp) = (self.now_ms, stamp.0);
        let is_alone = self.lines.is_empty();
        let line = self.lines.entry(node).or_insert_with(|| {
            if is_alone { Line::begin(stamp, now_ms) } else { Line::on_trial(stamp, now_ms) }
        });
        if stamp <= line.stamp {
            if line.stamp - stamp > limits::LIMIT_STEP_MS {
                *line = Line::begin(stamp, now_ms);
            }
            return 0;
        }
        let target = line.at_ms.saturating_add(stamp - line.stamp);
        if target.saturating_sub(now_ms) > limits::LIMIT_STEP_MS {
            *line = Line::begin(stamp, now_ms);
            return 0;
        }
        line.go_on(stamp, target, now_ms);
        if stamp < line.trial_until {
            return 0;
        }
        line.trial_until = 0;
        self.now_ms = now_ms.max(target);
        self.put_back_the_untried();
        self.now_ms - now_ms
    }

    /// How long before now the node's clock showed `stamp`, by its line, in milliseconds: how late
    /// an entry is decided that bears it. 0 for a node that was not heard.
    #[must_use]
    pub fn late_ms(&self, node: NodeId, stamp: Millis) -> u64 {
        let Some(line) = self.lines.get(&node) else { return 0 };
        let since = self.now_ms.saturating_add(line.stamp);
        since.saturating_sub(line.at_ms.saturating_add(stamp.0))
    }

    /// What a node on trial has sent came before this entry: its line cannot be ahead of it.
    fn put_back_the_untried(&mut self) {
        for line in self.lines.values_mut().filter(|line| line.trial_until > 0) {
            line.at_ms = line.at_ms.min(self.now_ms);
        }
    }

    /// The node's process was started again, perhaps with another time.
    pub fn forget(&mut self, node: NodeId) {
        self.lines.remove(&node);
    }
}

impl Line {
    const fn begin(stamp: u64, now_ms: u64) -> Self {
        Self { stamp, at_ms: now_ms, minute: stamp, behind_ms: u64::MAX, trial_until: 0 }
    }

    const fn on_trial(stamp: u64, now_ms: u64) -> Self {
        Self { trial_until: stamp.saturating_add(TRIAL_MS), ..Self::begin(stamp, now_ms) }
    }

    fn go_on(&mut self, stamp: u64, target: u64, now_ms: u64) {
        (self.stamp, self.at_ms) = (stamp, target);
        self.behind_ms = self.behind_ms.min(now_ms.saturating_sub(target));
        if stamp.saturating_sub(self.minute) < MINUTE_MS {
            return;
        }
        if self.behind_ms > TOLERATED_MS {
            self.at_ms = self.at_ms.saturating_add(self.behind_ms);
        }
        (self.minute, self.behind_ms) = (stamp, u64::MAX);
    }
}

/// How long a node must have been behind to be put forward.
const MINUTE_MS: u64 = 60_000;

/// How long a node that is new to the clock does not move it: as long as it takes until the leader's
/// tick comes, if nobody else is heard.
const TRIAL_MS: u64 = limits::LIMIT_TICK_MS;

/// Being behind by so little is put down to the way that entries take.
const TOLERATED_MS: u64 = 250;

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const HOUR_MS: u64 = 3_600_000;

    fn advance(clock: &mut LimitClock, node: NodeId, stamp: u64) -> u64 {
        clock.advance(node, Millis(stamp))
    }

    /// A clock on which `nodes` have passed their trial, each of them showing a million.
    fn tried(nodes: &[NodeId]) -> LimitClock {
        let mut clock = LimitClock::default();
        for stamp in [1_000_000 - TRIAL_MS, 1_000_000] {
            for node in nodes {
                advance(&mut clock, *node, stamp);
            }
        }
        clock
    }

    #[test]
    fn time_passes_as_the_proposer_counts_it() {
        let mut clock = LimitClock::default();
        assert_eq!(advance(&mut clock, A, 1_000_000), 0, "the first stamp only says where it is");
        assert_eq!(advance(&mut clock, A, 1_000_007), 7);
        assert_eq!(advance(&mut clock, A, 1_000_007), 0);
        assert_eq!(advance(&mut clock, A, 1_000_005), 0, "late, not back");
        assert_eq!(advance(&mut clock, A, 1_000_010), 3);
    }

    #[test]
    fn a_takeover_by_a_node_an_hour_ahead_lets_no_time_pass() {
        let mut clock = tried(&[A]);
        assert_eq!(advance(&mut clock, B, 1_000_000 + HOUR_MS), 0);
        assert_eq!(advance(&mut clock, B, 1_000_400 + HOUR_MS), 0, "it is on trial");
        assert_eq!(advance(&mut clock, B, 1_001_000 + HOUR_MS), 1_000, "and nothing is lost");
        assert_eq!(advance(&mut clock, A, 1_001_000), 0, "both count the same time");
        assert_eq!(advance(&mut clock, A, 1_001_010), 10);
    }

    #[test]
    fn a_first_entry_that_was_long_on_its_way_mints_nothing() {
        let mut clock = tried(&[A]);
        advance(&mut clock, A, 1_000_700);
        assert_eq!(advance(&mut clock, B, 1_000_000), 0, "it was 700 ms on its way");
        assert_eq!(advance(&mut clock, B, 1_000_710), 0, "this one was not");
        assert_eq!(advance(&mut clock, A, 1_000_711), 11);
        assert_eq!(advance(&mut clock, B, 1_001_000), 290, "it is a millisecond ahead");
        assert_eq!(advance(&mut clock, A, 1_001_002), 1);
    }

    #[test]
    fn an_entry_is_as_late_as_its_proposers_clock_says() {
        let mut clock = tried(&[A, B]);
        assert_eq!(clock.late_ms(A, Millis(1_000_000)), 0);
        advance(&mut clock, A, 1_000_600);
        assert_eq!(advance(&mut clock, B, 1_000_010), 0);
        assert_eq!(clock.late_ms(B, Millis(1_000_010)), 590, "an outage lay between");
        assert_eq!(clock.late_ms(B, Millis(1_000_005)), 595, "and it was overtaken");
        assert_eq!(clock.late_ms(B, Millis(1_000_700)), 0);
        assert_eq!(clock.late_ms(NodeId(3), Millis(5)), 0, "nobody knows it");
    }

    #[test]
    fn a_clock_set_forward_and_back_neither_mints_nor_freezes() {
        let mut clock = tried(&[A]);
        assert_eq!(advance(&mut clock, A, 1_000_000 + HOUR_MS), 0, "nothing is minted");
        assert_eq!(advance(&mut clock, A, 1_000_100 + HOUR_MS), 100, "and it goes on");
        assert_eq!(advance(&mut clock, A, 1_000_200), 0, "back again");
        assert_eq!(advance(&mut clock, A, 1_000_300), 100, "and it goes on");
    }

    #[test]
    fn a_restarted_node_may_have_another_time() {
        let mut clock = tried(&[A]);
        clock.forget(A);
        assert_eq!(advance(&mut clock, A, 1_002_000), 0);
    }

    #[test]
    fn a_slow_clock_is_put_forward_once_it_was_behind_for_a_minute() {
        let mut clock = LimitClock::default();
        advance(&mut clock, A, 0);
        advance(&mut clock, B, 0);
        // B counts 990 ms where A counts 1,000.
        for second in 1..=121_u64 {
            advance(&mut clock, A, second * 1_000);
            advance(&mut clock, B, second * 990);
        }
        assert_eq!(clock.now_ms(), 121_000);
        assert_eq!(advance(&mut clock.clone(), B, 122 * 990), 0, "it was 1,220 ms behind");
        advance(&mut clock, A, 122_000);
        advance(&mut clock, B, 122 * 990);
        assert!(advance(&mut clock, B, 123 * 990) > 300, "it was put forward by 620 ms");
    }

    #[test]
    fn stamps_that_jump_about_let_no_more_time_pass_than_the_true_clock_counts() {
        let mut clock = LimitClock::default();
        let mut passed = 0;
        for tick in 0..10_000_u64 {
            let wild = if tick % 3 == 0 { HOUR_MS * (tick % 7) } else { 0 };
            passed += advance(&mut clock, A, 10 * HOUR_MS + tick + wild);
            passed += advance(&mut clock, B, 5 * HOUR_MS + tick);
        }
        assert!(passed <= 10_000, "{passed}");
        // A second of trial beside a clock that jumps costs what the jumps do.
        assert!(passed >= 9_000, "{passed}");
    }
}
