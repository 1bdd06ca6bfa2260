//! The circuit breaker of one trunk: it opens when calls fail, and then spares callers the wait and the
//! trunk the calls; after a while a few calls are sent on trial, and their outcome closes it or opens
//! it again, for longer.
//!
//! | state | calls | leaves it |
//! |---|---|---|
//! | closed | all | so many failures in a row, or a 503 that says when to come back |
//! | open | none | when its time is over, or when a probe is answered |
//! | half open | so many on trial | one that gets through closes it; one that fails opens it |
//!
//! What comes of calls sent before it opened changes nothing that is newer than they are.

use std::time::Duration;

use holdline_model::Millis;

use super::view::Gate;
use super::{BreakerOptions, Heard, Trials};
use crate::nonce::Nonces;
use crate::options::millis;

#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// How often it opened without having closed between.
    openings: u32,
    /// Until when it was open last: a neighbour that still says so tells nothing new.
    last_until: Millis,
}

#[derive(Clone, Debug)]
enum State {
    Closed {
        /// Failed calls in a row.
        failures: u32,
    },
    Open {
        since: Millis,
        until: Millis,
        /// The trunk itself named the time: no probe shortens it.
        is_by_request: bool,
    },
    HalfOpen {
        since: Millis,
        trials: Trials,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Takes the outcome of a call into account; true if the breaker has opened by it.
    pub(super) fn heard(
        &mut self,
        now: Millis,
        options: &BreakerOptions,
        tried_at: Millis,
        heard: Heard,
        dice: &mut Nonces,
    ) -> bool {
        match heard {
            Heard::First { .. } | Heard::OtherPlace => false,
            Heard::Progress => self.worked(tried_at),
            Heard::Failed { status, retry_after_s } if options.statuses.contains(&status) => {
                match retry_after_s.filter(|seconds| *seconds > 0) {
                    Some(seconds) => self.asked_to_wait(now, options, seconds),
                    None => self.failed(now, options, tried_at, dice),
                }
            }
            // The trunk works: it is the callee that is busy, gone or unknown.
            Heard::Failed { .. } => self.worked(tried_at),
            Heard::Silent | Heard::Unreachable => self.failed(now, options, tried_at, dice),
        }
    }

    fn worked(&mut self, tried_at: Millis) -> bool {
        match &self.state {
            // A call that was under way when it opened says nothing of how the trunk is now.
            State::Open { since, .. } | State::HalfOpen { since, .. } if tried_at < *since => {}
            State::Open { is_by_request: true, .. } => {}
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => self.close(),
        }
        false
    }

    fn close(&mut self) {
        self.state = State::default();
        self.openings = 0;
    }

    fn failed(
        &mut self,
        now: Millis,
        options: &BreakerOptions,
        tried_at: Millis,
        dice: &mut Nonces,
    ) -> bool {
        if !options.is_on {
            return false;
        }
        match &mut self.state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < options.failures.get() {
                    return false;
                }
            }
            State::HalfOpen { since, .. } if *since <= tried_at => {}
            State::HalfOpen { .. } | State::Open { .. } => return false,
        }
        let doublings = self.openings.min(MAX_DOUBLINGS);
        let wait = millis(options.open).saturating_mul(1 << doublings);
        let wait = wait.min(millis(options.open_max));
        // A fifth more or less, so that not all nodes and trunks come back in the same moment.
        let wait = wait - wait / 5 + dice.draw() % (wait * 2 / 5 + 1);
        self.open(now, now.plus_ms(wait), false);
        true
    }

    fn asked_to_wait(&mut self, now: Millis, options: &BreakerOptions, seconds: u32) -> bool {
        if !options.is_on {
            return false;
        }
        let wait = Duration::from_secs(seconds.into()).min(options.open_max);
        let until = now + wait;
        if let State::Open { until: before, is_by_request, .. } = &mut self.state {
            *before = until.max(*before);
            *is_by_request = true;
            return false;
        }
        self.open(now, until, true);
        true
    }

    fn open(&mut self, now: Millis, until: Millis, is_by_request: bool) {
        self.openings = self.openings.saturating_add(1);
        self.last_until = until;
        self.state = State::Open { since: now, until, is_by_request };
    }

    /// Another node of the site opened its breaker for this trunk: ours opens with it.
    pub(super) fn adopt(&mut self, now: Millis, options: &BreakerOptions, until: Millis) {
        let is_news = until > now && until > self.last_until;
        if options.is_on && is_news && matches!(self.state, State::Closed { .. }) {
            self.last_until = until;
            let until = until.min(now + options.open_max);
            self.state = State::Open { since: now, until, is_by_request: false };
        }
    }

    /// A probe was answered: trial calls may begin at once.
    pub(super) fn probe_answered(&mut self, now: Millis, options: &BreakerOptions) {
        if matches!(self.state, State::Open { is_by_request: false, .. }) {
            self.half_open(now, options);
        }
    }

    fn half_open(&mut self, now: Millis, options: &BreakerOptions) {
        let trials = Trials::new(options.trials.get());
        self.state = State::HalfOpen { since: now, trials };
    }

    pub(super) fn tick(&mut self, now: Millis, options: &BreakerOptions) {
        if self.next_timer(options).is_some_and(|at| at <= now) {
            self.half_open(now, options);
        }
    }

    pub(super) fn next_timer(&self, options: &BreakerOptions) -> Option<Millis> {
        match &self.state {
            State::Closed { .. } => None,
            State::Open { until, .. } => Some(*until),
            // The trials were taken, and nothing was heard of them.
            State::HalfOpen { since, .. } => Some(*since + options.trial_timeout),
        }
    }

    /// Until when it is open, if it is.
    pub(super) const fn open_until(&self) -> Option<Millis> {
        match &self.state {
            State::Open { until, .. } => Some(*until),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }

    pub(super) fn gate(&self) -> Gate {
        match &self.state {
            State::Closed { .. } => Gate::Open,
            State::Open { until, .. } => Gate::Shut { until: Some(*until) },
            State::HalfOpen { trials, .. } => Gate::Trial(trials.clone()),
        }
    }
}

const MAX_DOUBLINGS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Heard = Heard::Failed { status: 503, retry_after_s: None };
    const BUSY: Heard = Heard::Failed { status: 486, retry_after_s: None };

    struct Bench {
        breaker: Breaker,
        options: BreakerOptions,
        dice: Nonces,
        now: Millis,
    }

    impl Bench {
        fn new() -> Self {
            let options = BreakerOptions::default();
            Self { breaker: Breaker::default(), options, dice: Nonces::new(7), now: Millis(1_000) }
        }

        fn hear(&mut self, heard: Heard) -> bool {
            self.hear_of(self.now, heard)
        }

        fn hear_of(&mut self, tried_at: Millis, heard: Heard) -> bool {
            self.breaker.heard(self.now, &self.options, tried_at, heard, &mut self.dice)
        }

        fn open(&mut self) -> u64 {
            while !self.hear(FAILED) {}
            self.breaker.open_until().unwrap().since(self.now)
        }

        fn pass(&mut self, ms: u64) {
            self.now = self.now.plus_ms(ms);
            self.breaker.tick(self.now, &self.options);
        }

        fn gate(&self) -> &'static str {
            self.breaker.gate().as_str()
        }
    }

    #[test]
    fn opens_after_failures_in_a_row_and_not_before() {
        let mut bench = Bench::new();
        for heard in [FAILED, Heard::Silent, Heard::Unreachable, FAILED, BUSY] {
            assert!(!bench.hear(heard));
        }
        for _ in 0..4 {
            assert!(!bench.hear(FAILED), "a busy callee means that the trunk works");
        }
        assert_eq!(bench.gate(), "open");
        assert!(bench.hear(FAILED));
        assert_eq!(bench.gate(), "shut");
    }

    #[test]
    fn one_trial_that_gets_through_closes_it() {
        let mut bench = Bench::new();
        let wait = bench.open();
        assert!((8_000..=12_000).contains(&wait), "{wait}");
        bench.pass(wait - 1);
        assert_eq!(bench.gate(), "shut");
        bench.pass(1);
        assert_eq!(bench.gate(), "trial");
        bench.hear(Heard::Progress);
        assert_eq!(bench.gate(), "open");
    }

    #[test]
    fn a_trial_that_fails_opens_it_for_twice_as_long_up_to_a_limit() {
        let mut bench = Bench::new();
        let mut wait = bench.open();
        for least in [16_000, 32_000, 64_000, 128_000, 240_000, 240_000] {
            bench.pass(wait);
            assert!(bench.hear(FAILED));
            wait = bench.breaker.open_until().unwrap().since(bench.now);
            assert!((least..=least * 3 / 2).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn news_of_calls_sent_before_it_opened_change_nothing() {
        let mut bench = Bench::new();
        let before = bench.now;
        bench.pass(1);
        let wait = bench.open();
        bench.hear_of(before, Heard::Progress);
        assert_eq!(bench.gate(), "shut");
        bench.pass(wait);
        bench.hear_of(before, Heard::Silent);
        assert_eq!(bench.gate(), "trial");
    }

    #[test]
    fn retry_after_is_honoured_at_once_and_to_the_end() {
        let mut bench = Bench::new();
        let heard = Heard::Failed { status: 503, retry_after_s: Some(60) };
        assert!(bench.hear(heard));
        assert_eq!(bench.breaker.open_until(), Some(bench.now.plus_ms(60_000)));
        bench.breaker.probe_answered(bench.now, &bench.options);
        bench.pass(59_999);
        assert_eq!(bench.gate(), "shut", "no probe shortens what the trunk asked for");
        bench.pass(1);
        assert_eq!(bench.gate(), "trial");
        let mut longest = Bench::new();
        longest.hear(Heard::Failed { status: 503, retry_after_s: Some(86_400) });
        assert_eq!(longest.breaker.open_until(), Some(longest.now.plus_ms(300_000)));
    }

    #[test]
    fn an_answered_probe_begins_the_trials() {
        let mut bench = Bench::new();
        bench.open();
        bench.breaker.probe_answered(bench.now, &bench.options);
        assert_eq!(bench.gate(), "trial");
    }

    #[test]
    fn trials_that_nothing_is_heard_of_are_made_again() {
        let mut bench = Bench::new();
        let wait = bench.open();
        bench.pass(wait);
        let Gate::Trial(trials) = bench.breaker.gate() else { panic!("not on trial") };
        assert!(trials.take() && !trials.take());
        bench.pass(35_000);
        let Gate::Trial(trials) = bench.breaker.gate() else { panic!("not on trial") };
        assert!(trials.take());
    }

    #[test]
    fn a_neighbours_breaker_is_followed_once() {
        let mut bench = Bench::new();
        let until = bench.now.plus_ms(5_000);
        bench.breaker.adopt(bench.now, &bench.options, until);
        assert_eq!(bench.breaker.open_until(), Some(until));
        bench.breaker.probe_answered(bench.now, &bench.options);
        bench.hear(Heard::Progress);
        bench.breaker.adopt(bench.now, &bench.options, until);
        assert_eq!(bench.gate(), "open", "the neighbour has not heard yet that it works again");
        bench.breaker.adopt(bench.now, &bench.options, until.plus_ms(1));
        assert_eq!(bench.gate(), "shut");
    }

    #[test]
    fn stays_closed_when_it_is_turned_off() {
        let mut bench = Bench::new();
        bench.options.is_on = false;
        for _ in 0..20 {
            assert!(!bench.hear(FAILED));
        }
        assert!(!bench.hear(Heard::Failed { status: 503, retry_after_s: Some(60) }));
        assert_eq!(bench.gate(), "open");
    }
}
