//! Overload control: how many new calls a saturated node lets in (RFC 6357 in spirit: local
//! control, by the receiver, with a loss that the sender can see).
//!
//! What is measured is delay, not utilisation: as in `CoDel` (RFC 8289), the *least* delay within
//! an interval, because a queue that is empty once per interval only evens out bursts, and one that never is, is
//! standing. The delays are those of the shards' and the dispatcher's queues, of commits, and the lateness of a
//! timer, and of the kernel's queue; what a queue has no room for counts, too. A commit takes its time also when
//! nothing waits, and how long depends on where the voters are: there, what counts is how much longer it takes
//! than at its best. What is controlled is the rate of new calls, not their share: when offered load doubles
//! again, the rate stays right. It begins with what is really decided, not with what is let in. It falls by a
//! factor, no more often than its effect can be seen, and rises by a step while calls are refused (AIMD);
//! when none have been for a while, the gate opens.
//!
//! Calls up are not touched: their messages are never refused, and what they cost is why fewer new
//! calls are let in.

use crate::GateCounts;

/// Targets and steps of an [`Overload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadOptions {
    /// A queue that is never shorter than this within an interval is standing.
    pub queue_target_ns: u64,
    /// A timer that is always this late means that the processors do not keep up.
    pub lag_target_ns: u64,
    /// Commits that all take so much longer than they do at their best mean that the cluster or its disks do
    /// not keep up.
    pub commit_target_ns: u64,
    /// How much of the rate is left after a decrease, in thousandths, if little waits.
    pub decrease_permille: u64,
    /// By how much the rate rises in an interval, in thousandths of itself.
    pub increase_permille: u64,
    /// The rate never falls below this.
    pub floor_per_second: u64,
    /// So long after a decrease, and after what waited then is served, its effect can be seen.
    pub settle_ns: u64,
    /// So long without a refusal, and the gate opens.
    pub calm_ns: u64,
}

impl Default for OverloadOptions {
    fn default() -> Self {
        Self {
            queue_target_ns: 20_000_000,
            lag_target_ns: 50_000_000,
            commit_target_ns: 60_000_000,
            decrease_permille: 900,
            increase_permille: 10,
            floor_per_second: 10,
            settle_ns: 300_000_000,
            calm_ns: 3_000_000_000,
        }
    }
}

/// The least delays seen within an interval; 0 where nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Of a message in this node's queues, the kernel's among them; the highest of all queues.
    pub queue_ns: u64,
    /// Messages for which a queue had no room.
    pub dropped: u64,
    /// Of a timer.
    pub lag_ns: u64,
    /// From proposing to the reply.
    pub commit_ns: u64,
    /// New calls that were decided about within the interval.
    pub decided: u64,
}

/// What the gate is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverloadState {
    /// All new calls are let in.
    Open,
    /// So many per second are.
    Limited {
        /// The rate.
        per_second: u64,
    },
}

/// The controller. Told once an interval; does not act by itself.
#[derive(Clone, Debug)]
pub struct Overload {
    options: OverloadOptions,
    state: OverloadState,
    /// Calls decided about per second in the last intervals, in thousandths. A short stop says nothing about
    /// how many can be: the most counts.
    decided: [u64; MEMORY],
    /// How long a commit takes at its best.
    base_ns: u64,
    /// The rate that turned out to be too much last.
    too_much: u64,
    /// Whether the rate has risen since it fell last.
    has_risen: bool,
    /// How long what came then had to wait.
    waited_ns: u64,
    /// By how much commits took longer at the last decrease.
    excess_before_ns: u64,
    /// Decreases in a row that have changed nothing.
    in_vain: u32,
    last: Option<(u64, GateCounts)>,
    /// Intervals in a row with delays above their targets.
    over: u32,
    /// When the effect of the last decrease can be seen.
    settled_at_ns: u64,
    refused_at_ns: u64,
}

impl Overload {
    /// A controller that has seen nothing yet.
    #[must_use]
    pub const fn new(options: OverloadOptions) -> Self {
        let state = OverloadState::Open;
        Self {
            options,
            state,
            decided: [0; MEMORY],
            base_ns: 0,
            too_much: 0,
            has_risen: true,
            waited_ns: 0,
            excess_before_ns: 0,
            in_vain: 0,
            last: None,
            over: 0,
            settled_at_ns: 0,
            refused_at_ns: 0,
        }
    }

    /// What the gate is to do.
    #[must_use]
    pub const fn state(&self) -> OverloadState {
        self.state
    }

    /// Whether delays are above their targets.
    #[must_use]
    pub const fn is_over(&self, load: Load) -> bool {
        load.dropped > 0
            || load.queue_ns > self.options.queue_target_ns
            || load.lag_ns > self.options.lag_target_ns
            || self.excess_ns(load) > self.options.commit_target_ns
    }

    /// How much longer commits take than at their best.
    const fn excess_ns(&self, load: Load) -> u64 {
        load.commit_ns.saturating_sub(self.base_ns)
    }

    /// An interval has passed, with this load; `counts` are the gate's. Intervals of 50 to 200 ms
    /// suit the default options.
    pub fn interval(&mut self, now_ns: u64, load: Load, counts: GateCounts) -> OverloadState {
        let Some((before_ns, before)) = self.last.replace((now_ns, counts)) else {
            return self.state;
        };
        let span_ns = now_ns.saturating_sub(before_ns).max(1);
        self.decided.rotate_right(1);
        self.decided[0] = per_second_milli(load.decided, span_ns);
        self.learn(load.commit_ns);
        let refused = counts.refused > before.refused;
        if refused {
            self.refused_at_ns = now_ns;
        }
        self.over = if self.is_over(load) { self.over.saturating_add(1) } else { 0 };
        self.state = if self.over > 0 {
            self.decreased(now_ns, load)
        } else {
            self.relaxed(now_ns, refused)
        };
        self.state
    }

    /// How long commits take at their best; slowly forgotten, because a leader moves, and so may a disk.
    const fn learn(&mut self, commit_ns: u64) {
        if commit_ns == 0 {
            return;
        }
        let older = self.base_ns.saturating_add(self.base_ns / FORGET + 1);
        self.base_ns = if self.base_ns == 0 || commit_ns < older { commit_ns } else { older };
    }

    fn decreased(&mut self, now_ns: u64, load: Load) -> OverloadState {
        let decided = self.decided_per_s();
        let (from, most_permille) = match self.state {
            // One slow interval may be somebody else's doing.
            OverloadState::Open if self.over < PATIENCE => return self.state,
            // Of the calls that were let in, nothing is seen of what they will need later.
            OverloadState::Open => (decided, FIRST_PERMILLE),
            // What waited already when the rate fell is served first: until then nothing can be seen.
            OverloadState::Limited { .. } if now_ns < self.settled_at_ns => return self.state,
            OverloadState::Limited { per_second } => {
                (per_second.min(decided.max(1)), self.options.decrease_permille)
            }
        };
        let waits_ns = load.queue_ns.max(self.excess_ns(load)).max(load.lag_ns);
        let waited_ns = std::mem::replace(&mut self.waited_ns, waits_ns);
        self.refused_at_ns = now_ns;
        if !self.has_risen && waits_ns < waited_ns / 10 * 9 && load.dropped == 0 {
            // It is being worked off.
            self.settled_at_ns = now_ns.saturating_add(self.options.settle_ns);
            return self.state;
        }
        self.settled_at_ns = now_ns.saturating_add(self.options.settle_ns).saturating_add(waits_ns);
        if self.has_risen {
            // Further decreases would say how much waits, not how much is too much.
            self.too_much = from;
        }
        self.has_risen = false;
        // What waits must be worked off, too.
        let drain = 1000_u64.saturating_sub(waits_ns / (DRAIN_NS / 1000));
        let permille = drain.clamp(LEAST_PERMILLE, most_permille);
        if self.is_in_vain(load) {
            self.base_ns = load.commit_ns;
        }
        let left = from.saturating_mul(permille) / 1000;
        OverloadState::Limited { per_second: left.max(self.options.floor_per_second) }
    }

    /// The most calls per second that were decided about in any of the last intervals.
    fn decided_per_s(&self) -> u64 {
        self.decided.iter().copied().max().unwrap_or(0) / 1000
    }

    /// Whether commits take as long as before the last decreases, each of which could be seen by then: it is
    /// not these calls that make them slow.
    fn is_in_vain(&mut self, load: Load) -> bool {
        let (before_ns, now_ns) = (self.excess_before_ns, self.excess_ns(load));
        self.excess_before_ns = now_ns;
        let only_commits = load.queue_ns <= self.options.queue_target_ns
            && load.lag_ns <= self.options.lag_target_ns
            && load.dropped == 0;
        let is_same = now_ns.abs_diff(before_ns) < before_ns / 4;
        self.in_vain = if only_commits && is_same { self.in_vain.saturating_add(1) } else { 0 };
        self.in_vain >= IN_VAIN
    }

    fn relaxed(&mut self, now_ns: u64, refused: bool) -> OverloadState {
        let OverloadState::Limited { per_second } = self.state else { return self.state };
        if now_ns.saturating_sub(self.refused_at_ns) >= self.options.calm_ns {
            self.has_risen = true;
            return OverloadState::Open;
        }
        // A pace that is not made use of says nothing about a higher one.
        if !refused || per_second > self.decided_per_s().saturating_mul(2) {
            return self.state;
        }
        self.has_risen = true;
        let permille = match per_second < self.too_much / 10 * 9 {
            // Far from where it became too much, there is time to lose by being careful.
            true => self.options.increase_permille.saturating_mul(FAST),
            false => self.options.increase_permille,
        };
        let step = per_second.saturating_mul(permille) / 1000;
        OverloadState::Limited { per_second: per_second.saturating_add(step.max(1)) }
    }
}

fn per_second_milli(count: u64, span_ns: u64) -> u64 {
    let scaled = u128::from(count) * 1_000_000_000_000 / u128::from(span_ns.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// In each interval the best time of a commit grows by this part of itself.
const FORGET: u64 = 1_000;

/// How much faster the rate rises while it is far below what was too much.
const FAST: u64 = 10;

/// Intervals that are remembered.
const MEMORY: usize = 10;

/// In about so long what waits is worked off.
const DRAIN_NS: u64 = 2_000_000_000;

/// How much of the rate is left at most when the gate is used first, in thousandths.
const FIRST_PERMILLE: u64 = 600;

/// So much of the rate is left at least after a decrease, in thousandths.
const LEAST_PERMILLE: u64 = 500;

/// So many decreases in a row that change nothing are in vain.
const IN_VAIN: u32 = 4;

/// Intervals in a row before the gate is used.
const PATIENCE: u32 = 2;

#[cfg(test)]
mod tests;
