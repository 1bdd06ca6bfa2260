//! Which points are run.

use super::point::{Fault, InFlight, Point, REPLAY};
use super::script::{FLAVOURS, Flavour, SCRIPTS, Script, script};
use super::verdict::{Run, against, run};
use super::world::START;

/// How many failing points are printed; one fault fails many.
const MAX_PRINTED: usize = 3;

macro_rules! sweeps {
    ($($name:ident),+ $(,)?) => {
        /// One test per script, so that they run side by side.
        const SWEPT: &[&str] = &[$(stringify!($name)),+];

        mod every_point {
            $(#[test]
            fn $name() {
                super::sweep(super::script(stringify!($name)));
            })+
        }

        mod lost_datagrams {
            $(#[test]
            fn $name() {
                super::lose(super::script(stringify!($name)));
            })+
        }

        mod slow_takeover {
            $(#[test]
            fn $name() {
                super::wait_long(super::script(stringify!($name)));
            })+
        }

        mod two_owners_die {
            $(#[test]
            fn $name() {
                super::strike_twice(super::script(stringify!($name)));
            })+
        }
    };
}

sweeps!(
    caller_hangs_up,
    callee_hangs_up,
    answered_at_once,
    busy,
    declined,
    no_answer,
    cancel,
    failover_503,
    failover_exhausted,
    failover_silent,
    failover_twice,
    cancel_after_failover,
    late_offer,
    early_media,
    max_duration,
    admin_hangs_up,
    admin_while_ringing,
    callee_hangs_up_at_once,
    cancel_ignored,
    no_route,
    race_no_ack,
    race_first_target_late,
    race_cancel_200,
    race_bye_bye,
    reinvite_by_caller,
    reinvite_by_callee,
    reinvite_late_offer,
    reinvite_late_offer_by_callee,
    reinvite_slow,
    reinvite_refused,
    update_both_ways,
    info_refer_notify,
    reliable_early_media,
    race_reinvite_glare,
    race_reinvite_cancelled,
    limit_refuses,
    race_limit_refuses,
    limit_holds,
    limit_holds_cancelled,
    limit_first_target_full,
    limit_second_target_full,
    fork_first_answers,
    fork_second_answers,
    fork_all_fail,
    fork_declined,
    fork_cancel,
    fork_early_media,
    fork_next_round,
    fork_silent,
    fork_dead_loser,
    fork_no_answer,
    race_fork_both_answer,
    race_fork_cancel_200,
    challenged,
    challenged_then_failover,
    redirected,
    session_expires,
    alive,
    refreshed,
);

#[test]
fn every_script_is_swept() {
    let names: Vec<&str> = SCRIPTS.iter().map(|script| script.name).collect();
    assert_eq!(SWEPT, names);
}

/// Replays the point in the environment with its trace; without one, checks that runs replay.
#[test]
fn replay() {
    if let Ok(text) = std::env::var(REPLAY) {
        let point = Point::parse(&text).unwrap_or_else(|| panic!("{REPLAY}={text}: no such point"));
        let (struck, undisturbed) = (run(&point), run(&point.undisturbed()));
        for seen in &struck.trace {
            println!("{}", seen.line(START));
        }
        println!("{:?}", struck.outcome);
        let faults = against(&struck, &undisturbed);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        return;
    }
    let mut point = Point::new(script("early_media"), Flavour::Proxied);
    point.faults = vec![Fault::AfterSend(3), Fault::BeforeInput(2)];
    (point.loss, point.seed) = (100, 7);
    let again = Point::parse(&point.text()).expect("our own text");
    let lines = |run: &Run| run.trace.iter().map(|seen| seen.line(START)).collect::<Vec<_>>();
    assert_eq!(lines(&run(&point)), lines(&run(&again)));
}

/// Every point at which the owner can be struck once.
fn sweep(script: &'static Script) {
    let mut found = Found::default();
    for flavour in FLAVOURS {
        for commit_ms in [3, 700] {
            let mut point = Point::new(script, flavour);
            point.commit_ms = commit_ms;
            let undisturbed = run(&point);
            found.judge(&undisturbed, &undisturbed);
            for (fault, in_flight) in single_faults(&undisturbed) {
                let struck = Point { faults: vec![fault], in_flight, ..point.clone() };
                found.judge(&run(&struck), &undisturbed);
            }
        }
    }
    found.report(script.name);
}

/// All single faults that an undisturbed run has room for.
fn single_faults(undisturbed: &Run) -> Vec<(Fault, InFlight)> {
    let counts = undisturbed.counts;
    let mut faults = Vec::new();
    for k in 1..=counts.inputs {
        faults.push((Fault::BeforeInput(k), InFlight::Lost));
        faults.push((Fault::BeforeInput(k), InFlight::Kept));
        faults.push((Fault::Handover(k), InFlight::Kept));
        faults.push((Fault::Suspended(k), InFlight::Kept));
        faults.push((Fault::CutOff(k), InFlight::Kept));
    }
    for k in 1..=counts.sends {
        faults.push((Fault::AfterSend(k), InFlight::Lost));
        faults.push((Fault::AfterSend(k), InFlight::Kept));
    }
    for k in 1..=counts.decisions {
        faults.push((Fault::BeforeDecision(k), InFlight::Lost));
        faults.push((Fault::UnknownCommitted(k), InFlight::Kept));
        faults.push((Fault::UnknownLost(k), InFlight::Kept));
    }
    faults
}

/// The owner dies, and nobody takes over for many seconds: the far ends' patience is what holds the
/// call. Also what a restart of the whole cluster looks like from outside.
fn wait_long(script: &'static Script) {
    let mut found = Found::default();
    for flavour in FLAVOURS {
        let point = Point { takeover_ms: 5_000, ..Point::new(script, flavour) };
        let undisturbed = run(&point);
        let counts = undisturbed.counts;
        let sends = (1..=counts.sends).map(Fault::AfterSend);
        let inputs = (1..=counts.inputs).map(Fault::BeforeInput);
        let decisions = (1..=counts.decisions).map(Fault::BeforeDecision);
        for fault in sends.chain(inputs).chain(decisions) {
            found.judge(&run(&Point { faults: vec![fault], ..point.clone() }), &undisturbed);
        }
    }
    found.report(script.name);
}

/// The next owner is struck too: early in its time, when it recovers.
fn strike_twice(script: &'static Script) {
    let mut found = Found::default();
    for flavour in [Flavour::Rfc, Flavour::Sipp] {
        let point = Point::new(script, flavour);
        let undisturbed = run(&point);
        // Whoever has sent a refusal has left nothing to do.
        let firsts: Vec<Fault> = match script.limit.may_refuse() {
            true => (1..=undisturbed.counts.decisions).map(Fault::BeforeDecision).collect(),
            false => (1..=undisturbed.counts.sends).map(Fault::AfterSend).collect(),
        };
        for first in firsts {
            let once = run(&Point { faults: vec![first], ..point.clone() });
            let counts = once.second_counts;
            let sends = (1..=counts.sends).map(Fault::AfterSend);
            let decisions = (1..=counts.decisions).map(Fault::BeforeDecision);
            let inputs = (1..=counts.inputs).step_by(2).map(Fault::BeforeInput);
            for second in sends.chain(decisions).chain(inputs) {
                let twice = Point { faults: vec![first, second], ..point.clone() };
                found.judge(&run(&twice), &undisturbed);
            }
        }
    }
    found.report(script.name);
}

/// One datagram of ten is lost, one of twenty comes twice, and they overtake one another; with and without a crash.
fn lose(script: &'static Script) {
    let mut found = Found::default();
    for flavour in FLAVOURS {
        let point = Point::new(script, flavour);
        let undisturbed = run(&point);
        for seed in 1..=12 {
            let k = usize::try_from(seed).expect("small");
            let lossy = Point { loss: 100, seed, ..point.clone() };
            let faults = [
                vec![],
                vec![Fault::AfterSend(k % undisturbed.counts.sends + 1)],
                vec![Fault::BeforeInput(k % undisturbed.counts.inputs + 1)],
            ];
            for faults in faults {
                found.judge(&run(&Point { faults, ..lossy.clone() }), &undisturbed);
            }
        }
    }
    found.report(script.name);
}

/// What the points of a sweep led to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    runs: usize,
    struck: usize,
    failing: Vec<String>,
}

impl Found {
    fn judge(&mut self, run: &Run, undisturbed: &Run) {
        self.note(run, &against(run, undisturbed));
    }

    /// Counts a run, and what is wrong with it.
    pub(crate) fn note(&mut self, run: &Run, faults: &[String]) {
        self.runs += 1;
        self.struck += usize::from(run.takeovers > 0);
        if !faults.is_empty() {
            let faults = faults.join("\n    ");
            self.failing.push(format!("{}\n    {faults}", run.point.replay()));
        }
    }

    /// Says how much was run, and fails if anything was wrong.
    pub(crate) fn report(&self, name: &str) {
        println!("{name}: {} runs, {} with a takeover", self.runs, self.struck);
        assert!(self.struck > 0, "no owner was ever struck: the sweep sweeps nothing");
        let printed: Vec<&str> =
            self.failing.iter().take(MAX_PRINTED).map(String::as_str).collect();
        assert!(
            self.failing.is_empty(),
            "{} of {} points fail, such as\n{}",
            self.failing.len(),
            self.runs,
            printed.join("\n")
        );
    }
}
