//! One trunk asked by OPTIONS whether it is there: when, and what its answers and silences amount to.
//!
//! ```text
//!          missed                missed down_after times
//! active ─────────▶ probing ─────────────────────────────▶ greylisted
//!    ▲                 │                                        │
//!    ├─────────────────┘ answered                               │
//!    └──────────────────────────────────────────────────────────┘ answered up_after times in a row
//! ```

use bytes::Bytes;
use holdline_model::Millis;
use holdline_sip::transaction::{
    NonInviteClient, NonInviteClientInput, NonInviteClientOutput, ResponseClass, TimerConfig,
};

use super::{ProbeOptions, Standing};
use crate::nonce::Nonces;
use crate::options::millis;

/// The probing of one trunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Probe {
    standing: Standing,
    /// Probes missed in a row.
    missed: u32,
    /// Probes answered in a row since it was greylisted.
    answered: u32,
    /// When it is asked next; `None` if another node asks it, or nobody does.
    next_at: Option<Millis>,
    flight: Option<Box<Flight>>,
}

/// A probe that waits for its answer.
#[derive(Clone, Debug)]
struct Flight {
    number: u64,
    sent_at: Millis,
    give_up_at: Millis,
    client: NonInviteClient,
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The trunk is there; it took so long.
    Answered {
        /// From the first sending to the answer, in milliseconds.
        after_ms: u64,
    },
    /// It is not, or wants no calls.
    Missed,
}

impl Probe {
    pub(super) const fn standing(&self) -> Standing {
        self.standing
    }

    /// This node asks the trunk from now on: soon, but not all trunks in the same moment.
    pub(super) fn begin(&mut self, now: Millis, options: &ProbeOptions, dice: &mut Nonces) {
        if self.next_at.is_none() && self.flight.is_none() {
            let spread = millis(options.doubt_interval).max(1);
            self.next_at = Some(now.plus_ms(dice.draw() % spread));
        }
    }

    /// Another node asks it, or nobody does.
    pub(super) fn cease(&mut self) {
        self.next_at = None;
        self.flight = None;
    }

    /// What the node says that asks it. Our own count begins anew should we ask again.
    pub(super) const fn adopt(&mut self, standing: Standing) {
        self.standing = standing;
        self.missed = 0;
        self.answered = 0;
    }

    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.flight.is_none() && self.next_at.is_some_and(|at| at <= now)
    }

    /// Sends a probe; drain [`Probe::poll`] afterwards.
    pub(super) fn ask(
        &mut self,
        now: Millis,
        options: &ProbeOptions,
        timers: TimerConfig,
        is_reliable: bool,
        number: u64,
        message: Bytes,
    ) {
        self.flight = Some(Box::new(Flight {
            number,
            sent_at: now,
            give_up_at: now + options.timeout,
            client: NonInviteClient::new(now, timers, is_reliable, message),
        }));
    }

    /// The next datagram to send.
    pub(super) fn poll(&mut self) -> Option<Bytes> {
        let flight = self.flight.as_mut()?;
        while let Some(output) = flight.client.poll() {
            match output {
                NonInviteClientOutput::Send(bytes) => return Some(bytes),
                // Time and answers are looked at here: a probe is given up long before timer F.
                NonInviteClientOutput::Event(_) => {}
            }
        }
        None
    }

    /// An answer to the probe of that number, if it is the one that is waited for.
    pub(super) fn answer(
        &mut self,
        now: Millis,
        options: &ProbeOptions,
        number: u64,
        status: u16,
        dice: &mut Nonces,
    ) -> Option<Outcome> {
        let flight = self.flight.as_mut().filter(|flight| flight.number == number)?;
        let class = ResponseClass::of(status);
        if class == ResponseClass::Provisional {
            flight.client.handle(now, NonInviteClientInput::Response(class));
            return None;
        }
        let outcome = if options.down_statuses.contains(&status) {
            Outcome::Missed
        } else {
            Outcome::Answered { after_ms: now.since(flight.sent_at) }
        };
        self.settle(now, options, outcome, dice);
        Some(outcome)
    }

    /// Time has passed.
    pub(super) fn tick(
        &mut self,
        now: Millis,
        options: &ProbeOptions,
        dice: &mut Nonces,
    ) -> Option<Outcome> {
        let flight = self.flight.as_mut()?;
        if flight.give_up_at <= now {
            self.settle(now, options, Outcome::Missed, dice);
            return Some(Outcome::Missed);
        }
        if flight.client.next_timer().is_some_and(|at| at <= now) {
            flight.client.handle(now, NonInviteClientInput::Timer);
        }
        None
    }

    pub(super) fn next_timer(&self) -> Option<Millis> {
        match &self.flight {
            Some(flight) => Some(
                flight
                    .client
                    .next_timer()
                    .map_or(flight.give_up_at, |at| at.min(flight.give_up_at)),
            ),
            None => self.next_at,
        }
    }

    fn settle(&mut self, now: Millis, options: &ProbeOptions, of: Outcome, dice: &mut Nonces) {
        self.flight = None;
        match of {
            Outcome::Answered { .. } => {
                self.missed = 0;
                self.answered = self.answered.saturating_add(1);
                let is_settled = self.answered >= options.up_after.get();
                if self.standing != Standing::Greylisted || is_settled {
                    self.standing = Standing::Active;
                }
            }
            Outcome::Missed => {
                self.answered = 0;
                self.missed = self.missed.saturating_add(1);
                self.standing = match self.standing {
                    Standing::Greylisted => Standing::Greylisted,
                    _ if self.missed >= options.down_after.get() => Standing::Greylisted,
                    Standing::Active | Standing::Probing => Standing::Probing,
                };
            }
        }
        let pause = self.pause(options);
        // A tenth more or less, so that trunks are not all asked in the same moment for ever.
        self.next_at = Some(now.plus_ms(pause - pause / 10 + dice.draw() % (pause / 5 + 1)));
    }

    fn pause(&self, options: &ProbeOptions) -> u64 {
        let (doubt, usual) = (millis(options.doubt_interval), millis(options.interval));
        match self.standing {
            Standing::Active => usual,
            Standing::Probing => doubt,
            Standing::Greylisted if self.answered > 0 => doubt,
            // Twice as long for each further silence, up to the usual interval.
            Standing::Greylisted => {
                let doublings = self.missed.saturating_sub(options.down_after.get()).min(16);
                doubt.saturating_mul(1 << doublings).min(usual.max(doubt))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        probe: Probe,
        options: ProbeOptions,
        dice: Nonces,
        now: Millis,
        number: u64,
    }

    impl Bench {
        fn new() -> Self {
            let mut bench = Self {
                probe: Probe::default(),
                options: ProbeOptions::default(),
                dice: Nonces::new(3),
                now: Millis(10_000),
                number: 0,
            };
            bench.probe.begin(bench.now, &bench.options, &mut bench.dice);
            bench
        }

        /// Asks when it is due; how long that took.
        fn ask(&mut self) -> u64 {
            let due = self.probe.next_timer().unwrap();
            let waited = due.since(self.now);
            self.now = due;
            assert!(self.probe.is_due(self.now));
            self.number += 1;
            let message = Bytes::from_static(b"OPTIONS");
            let timers = TimerConfig::default();
            self.probe.ask(self.now, &self.options, timers, false, self.number, message);
            assert!(self.probe.poll().is_some());
            waited
        }

        fn answered(&mut self, status: u16) -> u64 {
            let waited = self.ask();
            self.now = self.now.plus_ms(20);
            self.probe
                .answer(self.now, &self.options, self.number, status, &mut self.dice)
                .unwrap();
            waited
        }

        /// Lets a probe pass without an answer; how often it was resent.
        fn missed(&mut self) -> (u64, usize) {
            let waited = self.ask();
            let mut resent = 0;
            loop {
                self.now = self.probe.next_timer().unwrap();
                let outcome = self.probe.tick(self.now, &self.options, &mut self.dice);
                resent += std::iter::from_fn(|| self.probe.poll()).count();
                if outcome.is_some() {
                    return (waited, resent);
                }
            }
        }
    }

    #[test]
    fn a_trunk_that_answers_is_asked_at_the_interval_give_or_take_a_tenth() {
        let mut bench = Bench::new();
        assert!(bench.answered(200) < 2_000);
        let waits: Vec<u64> = (0..50).map(|_| bench.answered(404)).collect();
        assert!(waits.iter().all(|wait| (27_000..=33_000).contains(wait)), "{waits:?}");
        assert!(waits.iter().max().unwrap() - waits.iter().min().unwrap() > 3_000);
        assert_eq!(bench.probe.standing(), Standing::Active);
    }

    #[test]
    fn is_greylisted_after_misses_in_a_row_and_back_after_answers_in_a_row() {
        let mut bench = Bench::new();
        let mut seen = Vec::new();
        for status in [0, 200, 0, 0, 0, 200, 0, 200, 200] {
            if status == 0 {
                bench.missed();
            } else {
                bench.answered(status);
            }
            seen.push(bench.probe.standing().as_str());
        }
        let (active, probing, grey) = ("active", "probing", "greylisted");
        assert_eq!(seen, [probing, active, probing, probing, grey, grey, grey, grey, active]);
    }

    #[test]
    fn a_probe_is_resent_and_given_up_in_time() {
        let mut bench = Bench::new();
        let before = bench.probe.next_timer().unwrap();
        let (_, resent) = bench.missed();
        assert_eq!(bench.now, before.plus_ms(4_000));
        assert_eq!(resent, 3, "after 500, 1500 and 3500 ms");
    }

    #[test]
    fn answers_that_count_as_none_are_misses() {
        let mut bench = Bench::new();
        for status in [503, 408, 504] {
            bench.answered(status);
        }
        assert_eq!(bench.probe.standing(), Standing::Greylisted);
    }

    #[test]
    fn a_dead_trunk_is_asked_ever_more_rarely_until_the_usual_interval() {
        let mut bench = Bench::new();
        let waits: Vec<u64> = (0..9).map(|_| bench.missed().0).collect();
        for (wait, about) in waits[1..].iter().zip([2, 2, 2, 4, 8, 16, 30, 30]) {
            let about = about * 1_000;
            assert!((about * 9 / 10..=about * 11 / 10).contains(wait), "{waits:?}");
        }
    }

    #[test]
    fn late_answers_and_strangers_change_nothing() {
        let mut bench = Bench::new();
        bench.missed();
        let number = bench.number;
        let late = bench.probe.answer(bench.now, &bench.options, number, 200, &mut bench.dice);
        assert_eq!(late, None);
        bench.ask();
        let other = bench.probe.answer(bench.now, &bench.options, 99, 200, &mut bench.dice);
        assert_eq!(other, None);
        assert_eq!(bench.probe.standing(), Standing::Probing);
    }

    #[test]
    fn what_another_node_found_out_is_believed() {
        let mut bench = Bench::new();
        bench.probe.cease();
        assert_eq!(bench.probe.next_timer(), None);
        bench.probe.adopt(Standing::Greylisted);
        assert_eq!(bench.probe.standing(), Standing::Greylisted);
    }
}
