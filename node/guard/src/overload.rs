//! Overload control: how many new calls a saturated node lets in (RFC 6357 in spirit: local
//! control, by the receiver, with a loss that the sender can see).
//!
//! What is measured is delay, not utilisation: as in `CoDel` (RFC 8289), the *least* delay within
//! an interval, because a queue that is empty once per interval only evens out bursts, and one that never is, is
//! standing. The delays are those of the shards' and the dispatcher's queues, of commits, and the lateness of a
//! timer, and of the kernel's queue; what that has no room for counts too. What is controlled is the rate of new calls, not their share: when offered load doubles
//! again, the rate stays right. It falls by a factor, no more often than its effect can be seen, and
//! rises by a step while calls are refused (AIMD); when none have been for a while, the gate opens.
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
    /// Commits that all take longer mean that the cluster or its disks do not keep up.
    pub commit_target_ns: u64,
    /// How much of the rate is left after a decrease, in thousandths.
    pub decrease_permille: u64,
    /// By how much the rate rises in an interval, in thousandths of itself.
    pub increase_permille: u64,
    /// The rate never falls below this.
    pub floor_per_second: u64,
    /// So long after a decrease, its effect can be seen.
    pub settle_ns: u64,
    /// So long without a refusal, and the gate opens.
    pub calm_ns: u64,
}

impl Default for OverloadOptions {
    fn default() -> Self {
        Self {
            queue_target_ns: 20_000_000,
            lag_target_ns: 50_000_000,
            commit_target_ns: 500_000_000,
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
    /// Calls let in per second lately, in thousandths.
    admitted_milli: u64,
    last: Option<(u64, GateCounts)>,
    /// Intervals in a row with delays above their targets.
    over: u32,
    decreased_at_ns: u64,
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
            admitted_milli: 0,
            last: None,
            over: 0,
            decreased_at_ns: 0,
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
            || load.commit_ns > self.options.commit_target_ns
    }

    /// An interval has passed, with this load; `counts` are the gate's. Intervals of 50 to 200 ms
    /// suit the default options.
    pub fn interval(&mut self, now_ns: u64, load: Load, counts: GateCounts) -> OverloadState {
        let Some((before_ns, before)) = self.last.replace((now_ns, counts)) else {
            return self.state;
        };
        let span_ns = now_ns.saturating_sub(before_ns).max(1);
        let admitted = counts.admitted.saturating_sub(before.admitted);
        let rate_milli = per_second_milli(admitted, span_ns);
        // Over about four intervals, because one holds few calls.
        self.admitted_milli = match self.admitted_milli {
            0 => rate_milli,
            known => (known * 3).saturating_add(rate_milli) / 4,
        };
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

    fn decreased(&mut self, now_ns: u64, load: Load) -> OverloadState {
        let admitted = self.admitted_milli / 1000;
        let from = match self.state {
            // One slow interval may be somebody else's doing.
            OverloadState::Open if self.over < PATIENCE => return self.state,
            OverloadState::Open => admitted,
            OverloadState::Limited { .. }
                if now_ns.saturating_sub(self.decreased_at_ns) < self.options.settle_ns =>
            {
                return self.state;
            }
            // What was let in may be less, because fewer came.
            OverloadState::Limited { per_second } => per_second.min(admitted.max(1)),
        };
        self.decreased_at_ns = now_ns;
        self.refused_at_ns = now_ns;
        let mut left = from.saturating_mul(self.options.decrease_permille) / 1000;
        if self.is_far_over(load) {
            // A long queue must also be worked off.
            left = left.saturating_mul(self.options.decrease_permille) / 1000;
        }
        OverloadState::Limited { per_second: left.max(self.options.floor_per_second) }
    }

    fn relaxed(&self, now_ns: u64, refused: bool) -> OverloadState {
        let OverloadState::Limited { per_second } = self.state else { return self.state };
        if now_ns.saturating_sub(self.refused_at_ns) >= self.options.calm_ns {
            return OverloadState::Open;
        }
        if !refused {
            return self.state;
        }
        let step = per_second.saturating_mul(self.options.increase_permille) / 1000;
        OverloadState::Limited { per_second: per_second.saturating_add(step.max(1)) }
    }

    const fn is_far_over(&self, load: Load) -> bool {
        load.queue_ns > self.options.queue_target_ns.saturating_mul(FAR)
            || load.lag_ns > self.options.lag_target_ns.saturating_mul(FAR)
            || load.commit_ns > self.options.commit_target_ns.saturating_mul(FAR)
    }
}

fn per_second_milli(count: u64, span_ns: u64) -> u64 {
    let scaled = u128::from(count) * 1_000_000_000_000 / u128::from(span_ns.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Intervals in a row before the gate is used.
const PATIENCE: u32 = 2;

/// So many times the target is far over it.
const FAR: u64 = 5;

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
                    self.worst = self.worst.max(waited);
                    self.good += u64::from(waited <= 500 * MS);
                    self.emergencies += u64::from(emergency && waited <= 500 * MS);
                } else {
                    self.free_at = begun + cost / 20;
                }
            }
        }

        fn interval(&mut self, now: u64) {
            let load = Load { queue_ns: self.least.take().unwrap_or(0), ..Load::default() };
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
        let most = Load { queue_ns: 20 * MS, dropped: 0, lag_ns: 50 * MS, commit_ns: 500 * MS };
        assert!(!control.is_over(most));
        assert!(control.is_over(Load { dropped: 1, ..Load::default() }));
        assert!(control.is_over(Load { queue_ns: 21 * MS, ..Load::default() }));
        assert!(control.is_over(Load { lag_ns: 51 * MS, ..Load::default() }));
        assert!(control.is_over(Load { commit_ns: 501 * MS, ..Load::default() }));
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
