//! Three witnesses compared: the caller's ledger, the callee's ledger, the call detail records.
//!
//! A call is lost if either side did not get what it was due, whatever the switch says. The
//! comparison knows nothing of how the switch works.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::CdrView;
use crate::ua::{Anomaly, Entry, Kind, Ledger, Method, Role, Way};

/// What was to become of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Answered, then hung up by one side.
    Answered,
    /// Taken back by the caller before an answer.
    Canceled,
}

/// Calls that are judged together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The numbers dialled.
    pub numbers: Vec<String>,
    /// What was to become of them.
    pub expect: Expect,
    /// The kill that they lived through, if there was one.
    pub kill: Option<Kill>,
    /// Calls of which a node said something that it could not know.
    pub spoke_too_soon: Vec<String>,
    /// Whether the switch writes call detail records.
    pub records: bool,
}

impl Batch {
    /// Calls that live through no kill.
    #[must_use]
    pub const fn new(numbers: Vec<String>, expect: Expect) -> Self {
        Self { numbers, expect, kill: None, spoke_too_soon: Vec::new(), records: true }
    }
}

/// A kill.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// Just before the signal.
    pub at: Instant,
    /// When the dead node could not be heard any more: later messages are its successor's.
    pub silent_from: Instant,
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Calls in the batch.
    pub calls: usize,
    /// Why calls were lost, by number.
    pub lost: Vec<(String, Loss)>,
    /// 481 answers that either side got.
    pub not_found: usize,
    /// What must not happen although the call may have survived it, by number.
    pub anomalies: Vec<(String, Anomaly)>,
    /// From the kill to the first answer of the successor, per call that waited for one; sorted.
    pub takeover: Vec<Duration>,
    /// Call detail records that there should be.
    pub cdrs_expected: usize,
    /// Calls that have at least one record.
    pub cdrs_found: usize,
    /// Records too many.
    pub cdr_duplicates: usize,
    /// Calls of which a node said something that it could not know.
    pub spoke_too_soon: usize,
    /// Largest difference between a record's duration and the caller's watch.
    pub duration_error: Duration,
}

/// How a call was lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The caller never placed it.
    #[error("was not placed")]
    NotPlaced,
    /// The callee never heard of it.
    #[error("did not reach the callee")]
    NotReached,
    /// The callee was called more than once.
    #[error("reached the callee {0} times")]
    ReachedAgain(usize),
    /// The final answer was another.
    #[error("{side}: final answer {found:?}, expected {expected}")]
    WrongAnswer {
        /// Whose.
        side: Side,
        /// What came.
        found: Option<u16>,
        /// What was due.
        expected: u16,
    },
    /// A side was never told the end.
    #[error("{0}: the call never ended")]
    NotEnded(Side),
    /// The callee never got its ACK.
    #[error("the callee got no ACK")]
    NoAck,
    /// There is no call detail record.
    #[error("has no CDR")]
    NoCdr,
    /// The call detail record says something else.
    #[error("its CDR says {0}")]
    WrongCdr(String),
}

/// A side of a call, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who called.
    Caller,
    /// Who was called.
    Callee,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        })
    }
}

impl Verdict {
    /// Nothing lost, nothing odd, every call billed once.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.lost.is_empty()
            && self.not_found == 0
            && self.anomalies.is_empty()
            && self.spoke_too_soon == 0
            && self.cdr_duplicates == 0
            && self.cdrs_found == self.cdrs_expected
    }

    /// The takeover time that `percent` of the calls that waited did not exceed (nearest rank).
    #[must_use]
    pub fn takeover_percentile(&self, percent: usize) -> Option<Duration> {
        percentile(&self.takeover, percent)
    }
}

/// The value that `percent` of sorted values do not exceed (nearest rank).
#[must_use]
pub fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Compares what the three witnesses say of a batch.
#[must_use]
pub fn reconcile(batch: &Batch, caller: &Ledger, callee: &Ledger, cdrs: &[CdrView]) -> Verdict {
    let mut by_number: HashMap<&str, Vec<&CdrView>> = HashMap::new();
    for cdr in cdrs {
        by_number.entry(cdr.number()).or_default().push(cdr);
    }
    let calls = batch.numbers.len();
    let spoke_too_soon = batch.spoke_too_soon.len();
    let mut verdict = Verdict { calls, cdrs_expected: calls, spoke_too_soon, ..Verdict::default() };
    for number in &batch.numbers {
        let records = by_number.get(number.as_str()).map_or(&[][..], Vec::as_slice);
        verdict.cdrs_found += usize::from(!records.is_empty());
        verdict.cdr_duplicates += records.len().saturating_sub(1);
        if let Err(loss) = judge(batch, number, caller, callee, records) {
            verdict.lost.push((number.clone(), loss));
        }
        let entries: Vec<&Entry> = caller.calls(number).chain(callee.calls(number)).collect();
        verdict.note_anomalies(number, &entries);
        if let Some(kill) = batch.kill
            && let Some(answer) = entries.first().and_then(|e| e.answered_after(kill.silent_from))
        {
            verdict.takeover.push(answer - kill.at);
        }
        if let (Some(talk), Some(record)) = (talk(&entries), records.first()) {
            let billed = Duration::from_millis(record.duration_ms);
            verdict.duration_error = verdict.duration_error.max(talk.abs_diff(billed));
        }
    }
    verdict.takeover.sort_unstable();
    verdict
}

impl Verdict {
    fn note_anomalies(&mut self, number: &str, entries: &[&Entry]) {
        for anomaly in entries.iter().flat_map(|entry| &entry.anomalies) {
            self.not_found += usize::from(matches!(anomaly, Anomaly::DoesNotExist(_)));
            self.anomalies.push((number.to_owned(), anomaly.clone()));
        }
    }
}

fn judge(
    batch: &Batch,
    number: &str,
    caller: &Ledger,
    callee: &Ledger,
    records: &[&CdrView],
) -> Result<(), Loss> {
    let (expected, disposition) = match batch.expect {
        Expect::Answered => (200, "ANSWERED"),
        Expect::Canceled => (487, "CANCELED"),
    };
    let placed = caller.call(number).ok_or(Loss::NotPlaced)?;
    check_side(Side::Caller, placed, expected)?;
    let mut reached = callee.calls(number);
    let answered = reached.next().ok_or(Loss::NotReached)?;
    match reached.count() {
        0 => {}
        more => return Err(Loss::ReachedAgain(more + 1)),
    }
    check_side(Side::Callee, answered, expected)?;
    if answered.received(Kind::Request(Method::Ack)).is_none() {
        return Err(Loss::NoAck);
    }
    if !batch.records {
        return Ok(());
    }
    let record = records.first().ok_or(Loss::NoCdr)?;
    if record.disposition == disposition {
        Ok(())
    } else {
        Err(Loss::WrongCdr(record.disposition.clone()))
    }
}

fn check_side(side: Side, entry: &Entry, expected: u16) -> Result<(), Loss> {
    let found = entry.final_status();
    if found != Some(expected) {
        return Err(Loss::WrongAnswer { side, found, expected });
    }
    if entry.over { Ok(()) } else { Err(Loss::NotEnded(side)) }
}

/// How long the call was up by the watch of whoever hung up: from the answer, as the caller got
/// it, to the first BYE.
fn talk(entries: &[&Entry]) -> Option<Duration> {
    let caller = entries.iter().find(|entry| entry.role == Role::Caller)?;
    let answered = caller.received(Kind::Response(200, Method::Invite))?;
    let bye = |entry: &&Entry| {
        let sent =
            |e: &&crate::ua::Event| e.way == Way::Sent && e.kind == Kind::Request(Method::Bye);
        entry.events.iter().find(sent).map(|event| event.at)
    };
    entries.iter().filter_map(bye).min().map(|bye| bye - answered)
}

#[cfg(test)]
mod tests;
