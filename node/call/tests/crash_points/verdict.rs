//! What a run led to, and what is wrong with it: by itself, and against the undisturbed run.

use holdline_model::{Disposition, HangupBy};

use super::caller::Ended;
use super::limit::Limit;
use super::node::Counts;
use super::point::Point;
use super::rule_one;
use super::trace::Seen;
use super::within::WithinOutcome;
use super::world::{START, World};

/// What the far ends and the biller know in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) caller: (Option<u16>, Option<Ended>),
    pub(crate) early_sdp: bool,
    pub(crate) pracked: bool,
    pub(crate) within: WithinOutcome,
    pub(crate) callees: Vec<CalleeOutcome>,
    pub(crate) bills: Vec<(Disposition, u16, HangupBy)>,
}

/// What one callee knows in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CalleeOutcome {
    pub(crate) invited: bool,
    pub(crate) status: Option<u16>,
    pub(crate) acked: bool,
    pub(crate) ended: Option<Ended>,
    pub(crate) within: WithinOutcome,
    /// It rings, and nothing that it said has come through: nobody may cancel it (RFC 3261 section
    /// 9.1), and it is left to its own patience.
    pub(crate) unheard: bool,
}

impl Outcome {
    /// Whether both are the same, as far as it does not hang on a message that nobody repeats: where
    /// datagrams are lost, or the owner is away for long, a provisional answer may be, and the ACK of a 2xx whose dialog ended.
    fn agrees_with(&self, expected: &Self, lossy: bool) -> bool {
        let core = |outcome: &Self| {
            let mut outcome = outcome.clone();
            if lossy {
                outcome.early_sdp = false;
                for callee in &mut outcome.callees {
                    callee.acked |= callee.ended.is_some();
                }
            }
            outcome
        };
        core(self) == core(expected)
    }
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) point: Point,
    pub(crate) outcome: Outcome,
    pub(crate) duration_ms: u64,
    pub(crate) counts: Counts,
    pub(crate) second_counts: Counts,
    pub(crate) takeovers: u32,
    pub(crate) faults: Vec<String>,
    pub(crate) trace: Vec<Seen>,
}

/// Runs a point and judges it by itself.
pub(crate) fn run(point: &Point) -> Run {
    let mut world = World::new(point);
    world.run();
    let outcome = outcome(&world);
    let mut faults = std::mem::take(&mut world.complaints);
    faults.extend(rule_one::faults(&world.trace));
    faults.extend(contradictions(&outcome, point.script.limit));
    faults.extend(bad_bills(&world));
    // If all ACKs of a caller are lost before its BYE comes, nobody has the SDP.
    if !world.is_lossy() && world.callees.iter().any(|callee| callee.bare_ack) {
        faults.push("the ACK of a late offer came without SDP".to_owned());
    }
    let mut within = world.callees.iter().map(|callee| &callee.within);
    if !world.is_lossy()
        && (world.caller.within.bare_ack() || within.any(|within| within.bare_ack()))
    {
        faults.push("the ACK of a late change came without SDP".to_owned());
    }
    let mut within = world.callees.iter().map(|callee| &callee.within);
    // With a seed datagrams take different times.
    let in_order = !world.is_lossy() && point.seed == 0;
    if in_order && (world.caller.within.overtaken() || within.any(|within| within.overtaken())) {
        faults.push("a request of the switch's own has a number that is too low".to_owned());
    }
    if !world.consensus.tables.expiry.is_empty() || !world.consensus.tables.calls.is_empty() {
        faults.push("the tables are not swept".to_owned());
    }
    Run {
        point: point.clone(),
        outcome,
        duration_ms: world.consensus.tables.cdrs.first().map_or(0, |cdr| cdr.duration_ms),
        counts: world.counts(),
        second_counts: world.second_counts(),
        takeovers: world.takeovers,
        faults,
        trace: std::mem::take(&mut world.trace),
    }
}

/// What is wrong with a run, the undisturbed run being right. In a race the log's order decides, so
/// that each consistent result is right.
pub(crate) fn against(run: &Run, undisturbed: &Run) -> Vec<String> {
    let mut faults = run.faults.clone();
    if run.point.script.race {
        return faults;
    }
    let (got, expected) = (&run.outcome, &undisturbed.outcome);
    let lossy = run.point.loss > 0 || run.point.takeover_ms > 600;
    if !got.agrees_with(expected, lossy) {
        faults.push(format!("{got:?}\n      instead of {expected:?}"));
    }
    let error_ms = run.duration_ms.abs_diff(undisturbed.duration_ms);
    let allowed_ms = allowed_duration_error_ms(run);
    if error_ms > allowed_ms {
        faults.push(format!(
            "{} ms are billed instead of {}: {error_ms} ms off, {allowed_ms} allowed",
            run.duration_ms, undisturbed.duration_ms
        ));
    }
    faults
}

/// One takeover: its time, and a second. What a far end repeats with doubling waits comes through at
/// the latest when twice the outage has passed, and perhaps into the next outage, which counts after
/// several takeovers or a slow one; lost
/// datagrams may cost a few repetitions more, and unknown outcomes a commit each.
fn allowed_duration_error_ms(run: &Run) -> u64 {
    let outage_ms = run.point.takeover_ms * u64::from(run.takeovers);
    let is_long = run.takeovers > 1 || run.point.takeover_ms > 600;
    let takeovers_ms = if is_long { 4 * outage_ms } else { outage_ms };
    let loss_ms = if run.point.loss > 0 { 12_000 } else { 0 };
    takeovers_ms + 1_000 + 2 * run.point.commit_ms + loss_ms
}

fn outcome(world: &World) -> Outcome {
    let callees = world.callees.iter().map(|callee| CalleeOutcome {
        invited: callee.invited(),
        status: callee.status,
        acked: callee.acked,
        ended: callee.ended,
        within: callee.within.outcome(),
        unheard: world.is_lossy() && callee.invited() && callee.status.is_none() && !callee.heard,
    });
    let cdrs = world.consensus.tables.cdrs.iter();
    Outcome {
        caller: (world.caller.status, world.caller.ended),
        early_sdp: world.caller.early_sdp,
        pracked: world.caller.pracked,
        within: world.caller.within.outcome(),
        callees: callees.collect(),
        bills: cdrs.map(|cdr| (cdr.disposition, cdr.cause.status, cdr.hangup_by)).collect(),
    }
}

/// What cannot be true together, whatever the script is.
fn contradictions(outcome: &Outcome, limit: Limit) -> Vec<String> {
    let mut faults = Vec::new();
    if limit.may_refuse() && outcome.bills.is_empty() {
        if outcome.caller != (Some(503), None) {
            faults.push(format!("refused, but the caller knows {:?}", outcome.caller));
        }
        if outcome.callees.iter().any(|callee| callee.invited) {
            faults.push("refused, but a callee was invited".to_owned());
        }
        return faults;
    }
    let [(disposition, status, _)] = outcome.bills.as_slice() else {
        return vec![format!("{} bills instead of one", outcome.bills.len())];
    };
    let (told, ended) = outcome.caller;
    let up = outcome.callees.iter().filter(|callee| callee.status == Some(200));
    for callee in up.clone() {
        if callee.ended.is_none() {
            faults.push(format!("a callee is left up: {callee:?}"));
        }
    }
    if *disposition == Disposition::Answered {
        if told != Some(200) || ended.is_none() {
            faults.push(format!("billed as answered, but the caller knows {:?}", outcome.caller));
        }
        if up.count() == 0 {
            faults.push("billed as answered, but no callee has answered".to_owned());
        }
    } else if told != Some(*status) || ended.is_some() {
        faults.push(format!("billed with {status}, but the caller knows {:?}", outcome.caller));
    }
    for callee in &outcome.callees {
        let silenced = callee.acked || callee.ended.is_some();
        let is_settled = callee.unheard || (callee.status.is_some() && silenced);
        if callee.invited && !is_settled {
            faults.push(format!("a callee is left ringing: {callee:?}"));
        }
    }
    faults
}

fn bad_bills(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for cdr in &world.consensus.tables.cdrs {
        if cdr.owners.len() != cdr.takeovers as usize + 1 || cdr.takeovers > world.takeovers {
            faults.push(format!("{} takeovers, owners {:?}", cdr.takeovers, cdr.owners));
        }
        if cdr.caller_call_id != "first-leg@10.2.0.1"
            || cdr.callee_call_id != format!("hl{}c", cdr.call)
            || cdr.tenant.as_str() != "acme"
            || cdr.started_at.0 < START
        {
            faults.push(format!("the CDR is wrong: {cdr:?}"));
        }
    }
    faults
}
