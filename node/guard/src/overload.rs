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
            queue_target_ns: 50_000_000,
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
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::Gate;

    const MS: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MS;

    /// A server with one queue, on virtual time: an admitted call costs 1/capacity, a refusal a
    /// twentieth of that, and a call that waited longer than half a second is no good any more.
    struct Server {
        gate: Gate,
        control: Overload,
        capacity: u64,
        /// When each came, and whether it is an emergency.
        queue: VecDeque<(u64, bool)>,
        free_at: u64,
        /// The least wait within the interval.
        least: Option<u64>,
        decided: u64,
        good: u64,
        emergencies: u64,
        worst: u64,
    }

    impl Server {
        fn new(capacity: u64) -> Self {
            Self {
                gate: Gate::new(2, 3),
                control: Overload::new(OverloadOptions::default()),
                capacity,
                queue: VecDeque::new(),
                free_at: 0,
                least: None,
                decided: 0,
                good: 0,
                emergencies: 0,
                worst: 0,
            }
        }

        /// Offers calls evenly for so long; one in `emergency_every` is one.
        fn offer(&mut self, from: u64, to: u64, per_second: u64, emergency_every: u64) {
            (self.good, self.emergencies, self.worst) = (0, 0, 0);
            let mut next_interval = from;
            for n in 0..(to - from) * per_second / SECOND {
                let now = from + n * SECOND / per_second;
                while next_interval <= now {
                    self.serve(next_interval);
                    self.interval(next_interval);
                    next_interval += 100 * MS;
                }
                self.serve(now);
                let emergency = emergency_every > 0 && n % emergency_every == 0;
                self.queue.push_back((now, emergency));
            }
            self.serve(to);
        }

        /// Does what can be begun by then.
        fn serve(&mut self, until: u64) {
            while self.free_at <= until
                && let Some((came, emergency)) = self.queue.pop_front()
            {
                let begun = self.free_at.max(came);
                let waited = begun - came;
                self.least = Some(self.least.map_or(waited, |least| least.min(waited)));
                let cost = SECOND / self.capacity;
                if self.gate.enter(begun, emergency).is_ok() {
                    self.free_at = begun + cost;
                    self.decided += 1;
                    self.worst = self.worst.max(waited);
                    self.good += u64::from(waited <= 500 * MS);
                    self.emergencies += u64::from(emergency && waited <= 500 * MS);
                } else {
                    self.free_at = begun + cost / 20;
                }
            }
        }

        fn interval(&mut self, now: u64) {
            let decided = std::mem::take(&mut self.decided);
            let load =
                Load { queue_ns: self.least.take().unwrap_or(0), decided, ..Load::default() };
            match self.control.interval(now, load, self.gate.counts()) {
                OverloadState::Open => self.gate.set(None),
                OverloadState::Limited { per_second } => self.gate.set(Some(per_second)),
            }
        }
    }

    #[test]
    fn goodput_at_twice_the_capacity_stays_above_nine_tenths_of_the_peak() {
        for capacity in [50, 500, 5_000] {
            let mut server = Server::new(capacity);
            server.offer(0, 10 * SECOND, capacity * 95 / 100, 0);
            let peak = server.good / 10;
            server.offer(10 * SECOND, 20 * SECOND, capacity * 2, 0);
            server.offer(20 * SECOND, 40 * SECOND, capacity * 2, 0);
            let good = server.good / 20;
            assert!(good * 100 >= peak * 90, "{good} of {peak} at capacity {capacity}");
            assert!(server.worst <= 200 * MS, "admitted calls waited {} ms", server.worst / MS);
        }
    }

    #[test]
    fn without_the_gate_nothing_would_be_good() {
        let mut server = Server::new(500);
        server.control = Overload::new(OverloadOptions {
            queue_target_ns: u64::MAX,
            ..OverloadOptions::default()
        });
        server.offer(0, 20 * SECOND, 1_000, 0);
        assert!(server.good < 20 * 500 / 10, "{} were: the test would not notice", server.good);
    }

    #[test]
    fn five_times_the_capacity_is_borne_too_and_the_rise_is_sudden() {
        let mut server = Server::new(500);
        server.offer(0, 5 * SECOND, 400, 0);
        server.offer(5 * SECOND, 7 * SECOND, 2_500, 0);
        assert!(server.worst <= 1_100 * MS, "{} ms", server.worst / MS);
        server.offer(7 * SECOND, 27 * SECOND, 2_500, 0);
        // Refusing 2,000 calls a second costs a fifth of the capacity in this model.
        assert!(server.good / 20 >= 500 * 4 / 5 * 9 / 10, "{} a second", server.good / 20);
    }

    #[test]
    fn emergencies_pass_at_twice_the_capacity() {
        let mut server = Server::new(500);
        server.offer(0, 10 * SECOND, 1_000, 50);
        server.offer(10 * SECOND, 20 * SECOND, 1_000, 50);
        assert_eq!(server.emergencies, 200, "every one of them, in time");
    }

    #[test]
    fn no_call_is_refused_below_the_capacity_and_the_gate_opens_after_the_rush() {
        let mut server = Server::new(500);
        server.offer(0, 20 * SECOND, 490, 0);
        assert_eq!(server.gate.counts().refused, 0);
        server.offer(20 * SECOND, 25 * SECOND, 1_000, 0);
        assert!(server.gate.counts().refused > 1_000);
        server.offer(25 * SECOND, 35 * SECOND, 300, 0);
        assert_eq!(server.control.state(), OverloadState::Open);
        let before = server.gate.counts().refused;
        server.offer(35 * SECOND, 40 * SECOND, 490, 0);
        assert_eq!(server.gate.counts().refused, before);
    }

    #[test]
    fn each_of_the_three_delays_counts_and_so_does_what_was_dropped() {
        let control = Overload::new(OverloadOptions::default());
        let most =
            Load { queue_ns: 50 * MS, dropped: 0, lag_ns: 50 * MS, commit_ns: 60 * MS, decided: 0 };
        assert!(!control.is_over(most));
        assert!(control.is_over(Load { dropped: 1, ..Load::default() }));
        assert!(control.is_over(Load { queue_ns: 51 * MS, ..Load::default() }));
        assert!(control.is_over(Load { lag_ns: 51 * MS, ..Load::default() }));
        assert!(control.is_over(Load { commit_ns: 61 * MS, ..Load::default() }));
    }

    /// A second of intervals in which commits take so long and all calls are decided about.
    fn second(control: &mut Overload, counts: &mut GateCounts, from: u64, commit_ms: u64) {
        for interval in 0..10 {
            counts.admitted += 50;
            counts.refused += u64::from(control.state() != OverloadState::Open);
            let load = Load { commit_ns: commit_ms * MS, decided: 50, ..Load::default() };
            control.interval(from + interval * 100 * MS, load, *counts);
        }
    }

    #[test]
    fn commits_over_a_long_way_are_not_slow_but_those_that_wait_are() {
        for base_ms in [2, 120, 400] {
            let mut control = Overload::new(OverloadOptions::default());
            let mut counts = GateCounts::default();
            second(&mut control, &mut counts, SECOND, base_ms);
            second(&mut control, &mut counts, 2 * SECOND, base_ms + 50);
            assert_eq!(control.state(), OverloadState::Open, "{base_ms} ms");
            second(&mut control, &mut counts, 3 * SECOND, base_ms + 80);
            assert_ne!(control.state(), OverloadState::Open, "{base_ms} ms");
        }
    }

    #[test]
    fn commits_that_are_slow_whatever_is_let_in_do_not_keep_calls_out() {
        let mut control = Overload::new(OverloadOptions::default());
        let mut counts = GateCounts::default();
        second(&mut control, &mut counts, 0, 2);
        // The leader is far away now.
        let mut least = u64::MAX;
        for n in 1..60 {
            second(&mut control, &mut counts, n * SECOND, 150);
            if let OverloadState::Limited { per_second } = control.state() {
                least = least.min(per_second);
            }
        }
        assert!(least < 500 && least > 50, "{least} of 500 a second at worst");
        let OverloadState::Limited { per_second } = control.state() else { return };
        assert!(per_second > 500, "{per_second}: it has to rise again");
    }

    /// A cluster that decides in order: a call costs one decision when it comes and two when it ends, a second
    /// later; so too many are let in for a second before it is seen.
    struct Decider {
        gate: Gate,
        control: Overload,
        /// When each was proposed, and whether it is a call that comes.
        waiting: VecDeque<(u64, bool)>,
        /// When those that are up end.
        up: VecDeque<u64>,
        free_at: u64,
    }

    impl Decider {
        /// Offers calls for so long to one that decides about so much per second. Returns how many began in
        /// the second half, and how long one waited at most then, in milliseconds.
        /// Now and then, and for so many milliseconds, it decides about nothing.
        fn offer(capacity: u64, per_second: u64, seconds: u64, stop_ms: u64) -> (u64, u64) {
            let control = Overload::new(OverloadOptions::default());
            let (waiting, up) = (VecDeque::new(), VecDeque::new());
            let mut this = Self { gate: Gate::new(2, 3), control, waiting, up, free_at: 0 };
            let (mut begun, mut worst, mut next) = (0, 0, 0);
            let half = seconds * SECOND / 2;
            for interval in 0..seconds * 10 {
                let (from, until) = (interval * 100 * MS, (interval + 1) * 100 * MS);
                while next < until {
                    if this.gate.enter(next, false).is_ok() {
                        this.waiting.push_back((next, true));
                    }
                    next += SECOND / per_second;
                }
                while this.up.front().is_some_and(|at| *at < until) {
                    let at = this.up.pop_front().unwrap().max(from);
                    this.waiting.extend([(at, false); 2]);
                }
                if interval % 50 == 49 {
                    this.free_at = this.free_at.max(from) + stop_ms * MS;
                }
                let (mut least, mut decided) = (None, 0);
                while this.free_at < until
                    && let Some((at, comes)) = this.waiting.pop_front()
                {
                    this.free_at = this.free_at.max(at) + SECOND / capacity;
                    let waited = this.free_at - at;
                    least = Some(least.map_or(waited, |least: u64| least.min(waited)));
                    if comes {
                        decided += 1;
                        this.up.push_back(this.free_at + SECOND);
                    }
                    if comes && from >= half {
                        begun += 1;
                        worst = worst.max(waited / MS);
                    }
                }
                let load = Load { commit_ns: least.unwrap_or(0), decided, ..Load::default() };
                match this.control.interval(until, load, this.gate.counts()) {
                    OverloadState::Open => this.gate.set(None),
                    OverloadState::Limited { per_second } => this.gate.set(Some(per_second)),
                }
            }
            (begun / (seconds / 2), worst)
        }
    }

    #[test]
    fn a_cluster_that_decides_late_about_what_it_let_in_finds_its_pace() {
        for capacity in [300, 3_000, 15_000] {
            let most = capacity / 3;
            for (times, share) in [(2, 90), (4, 90)] {
                let (begun, worst) = Decider::offer(capacity, most * times, 60, 0);
                assert!(
                    begun * 100 >= most * share,
                    "{begun} of {most}, offered {times} times that"
                );
                assert!(worst < 1_000, "{worst} ms at {times} times {most}");
            }
        }
    }

    #[test]
    fn a_cluster_that_stops_now_and_then_goes_on_where_it_was() {
        for (times, share) in [(8, 90), (20, 80)] {
            let (begun, _) = Decider::offer(3_000, 100 * times, 60, 300);
            let most = 100 * times.min(10);
            assert!(begun * 100 >= most * share, "{begun} of {most}");
        }
    }

    #[test]
    fn the_pace_begins_with_what_is_decided_about_not_with_what_is_let_in() {
        let mut control = Overload::new(OverloadOptions::default());
        let mut counts = GateCounts::default();
        let mut now = 0;
        while control.state() == OverloadState::Open {
            now += 100 * MS;
            counts.admitted += 1_000;
            let load = Load { commit_ns: now.min(SECOND), decided: 300, ..Load::default() };
            control.interval(now, load, counts);
            assert!(now < SECOND, "it is never overloaded");
        }
        let OverloadState::Limited { per_second } = control.state() else { return };
        assert!((1_500..3_000).contains(&per_second), "{per_second} of 3,000 that were decided");
    }

    #[test]
    fn the_rate_never_falls_below_the_floor() {
        let mut control = Overload::new(OverloadOptions::default());
        let mut now = 0;
        for _ in 0..1_000 {
            now += 100 * MS;
            control.interval(
                now,
                Load { queue_ns: SECOND, ..Load::default() },
                GateCounts::default(),
            );
        }
        assert_eq!(control.state(), OverloadState::Limited { per_second: 10 });
    }
}
