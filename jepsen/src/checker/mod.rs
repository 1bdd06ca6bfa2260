//! Judges of a history. Pure: a history in, an opinion out, so that a history can be judged again
//! later, and a judge can be judged by a history with a known fault.
//!
//! An opinion is `Valid`, `Invalid` (with the lines that prove it), `Unknown` (it could not tell)
//! or `Idle` (there is nothing of its kind in the history). A run passes if no opinion is invalid
//! or unknown, and every checker that the run names has an opinion: unknown is not passed.

mod acting;
mod cdr_cursor;
mod cdr_once;
mod converge;
mod duration;
mod effect;
mod fresh;
mod immortal;
mod known;
mod ledgers;
mod linear;
mod log_index;
mod one_owner;
mod protocol;
mod resources;
mod rule_one;
mod window;

pub use fresh::PHASE as FRESH;
pub use ledgers::{Losses, losses};
pub use rule_one::{FAULT as MAJORITY_GONE, PHASE as EXPIRING, TIMER_FAULT};

use crate::history::{History, Op};

/// What a checker thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Valid,
    /// Not as it should be.
    Invalid,
    /// It could not tell.
    Unknown,
    /// Nothing of its kind happened.
    Idle,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// The lines of the history that show it.
    pub lines: Vec<u64>,
}

/// What a checker says of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Who says it.
    pub checker: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// In a few words.
    pub summary: String,
    /// Everything wrong.
    pub findings: Vec<Finding>,
}

/// A checker.
#[derive(Clone, Copy, Debug)]
pub struct Checker {
    /// Its name.
    pub name: &'static str,
    /// What it looks for.
    pub about: &'static str,
    check: fn(&History) -> Opinion,
}

/// All checkers.
pub const ALL: [Checker; 17] = [
    effect::CHECKER,
    ledgers::CHECKER,
    known::CHECKER,
    protocol::CHECKER,
    rule_one::CHECKER,
    cdr_once::CHECKER,
    cdr_cursor::CHECKER,
    duration::CHECKER,
    one_owner::CHECKER,
    acting::CHECKER,
    linear::CHECKER,
    log_index::CHECKER,
    converge::CHECKER,
    fresh::CHECKER,
    immortal::CHECKER,
    resources::CHECKER,
    window::CHECKER,
];

impl Checker {
    /// Judges a history.
    #[must_use]
    pub fn check(&self, history: &History) -> Opinion {
        (self.check)(history)
    }
}

/// Everybody's opinion. A checker that the run counts on and that has none is unknown.
#[must_use]
pub fn check_all(history: &History) -> Vec<Opinion> {
    let run = crate::fact::Run::of(history).unwrap_or_default();
    let judge = |checker: &Checker| {
        let mut opinion = checker.check(history);
        if opinion.verdict == Verdict::Idle && run.checkers.iter().any(|n| n == checker.name) {
            opinion.verdict = Verdict::Unknown;
            opinion.summary = format!("{}, although the run was to show it", opinion.summary);
        }
        opinion
    };
    ALL.iter().map(judge).collect()
}

/// Whether a run passed.
#[must_use]
pub fn passed(opinions: &[Opinion]) -> bool {
    opinions.iter().all(|o| matches!(o.verdict, Verdict::Valid | Verdict::Idle))
}

impl Opinion {
    /// Nothing to judge.
    fn idle(checker: &'static str, why: &str) -> Self {
        Self { checker, verdict: Verdict::Idle, summary: why.to_owned(), findings: Vec::new() }
    }

    /// Valid if nothing was found.
    fn of(checker: &'static str, summary: String, findings: Vec<Finding>) -> Self {
        let verdict = if findings.is_empty() { Verdict::Valid } else { Verdict::Invalid };
        Self { checker, verdict, summary, findings }
    }
}

impl Finding {
    fn new(what: impl Into<String>, ops: &[&Op]) -> Self {
        Self { what: what.into(), lines: ops.iter().map(|op| op.index).collect() }
    }
}

/// Milliseconds of a time in a history.
const fn ms(nanos: u64) -> u64 {
    nanos / 1_000_000
}

#[cfg(test)]
mod forge;
