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
        let load = Load { queue_ns: self.least.take().unwrap_or(0), decided, ..Load::default() };
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
    server.control =
        Overload::new(OverloadOptions { queue_target_ns: u64::MAX, ..OverloadOptions::default() });
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
        Load { queue_ns: 20 * MS, dropped: 0, lag_ns: 50 * MS, commit_ns: 60 * MS, decided: 0 };
    assert!(!control.is_over(most));
    assert!(control.is_over(Load { dropped: 1, ..Load::default() }));
    assert!(control.is_over(Load { queue_ns: 21 * MS, ..Load::default() }));
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
            assert!(begun * 100 >= most * share, "{begun} of {most}, offered {times} times that");
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
        control.interval(now, Load { queue_ns: SECOND, ..Load::default() }, GateCounts::default());
    }
    assert_eq!(control.state(), OverloadState::Limited { per_second: 10 });
}
