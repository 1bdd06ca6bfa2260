//! A limited class over every window of time: never more calls than rate × time + burst, whatever
//! broke meanwhile. Judged by the records of its calls alone.
//!
//! A record says when its call was admitted, by the clock of the node that proposed it, so this judges
//! only runs in which no clock was touched.

use holdline_cluster_tests::cluster::CdrView;
use holdline_cluster_tests::ua::Role;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Checker, Finding, Opinion, Verdict};
use crate::fact::{Inject, Limit};
use crate::history::{History, Op, entries};

pub(super) const CHECKER: Checker = Checker {
    name: "limits",
    about: "over every window of time a class admits at most rate x time + burst",
    check,
};

fn check(history: &History) -> Opinion {
    let Some((set, limit)) = history.facts::<Limit>("limit").next() else {
        return Opinion::idle(CHECKER.name, "no limits");
    };
    let clocks = |inject: &Inject| inject.fault.starts_with("clock");
    if history.facts::<Inject>("inject").any(|(_, inject)| clocks(&inject)) {
        return Opinion::idle(CHECKER.name, "clocks were touched: records do not tell the time");
    }
    let of_class = |cdr: &CdrView| cdr.number().starts_with(&limit.prefix);
    let mut admitted: Vec<(u64, &Op)> = history
        .facts::<CdrView>("cdr")
        .filter(|(_, cdr)| of_class(cdr))
        .filter_map(|(op, cdr)| Some((ms(&cdr.admitted_at)?, op)))
        .collect();
    admitted.sort_by_key(|(at, _)| *at);
    let refused = entries(history, Role::Caller)
        .filter(|entry| entry.number.starts_with(&limit.prefix))
        .filter(|entry| entry.first(false, "503 INVITE").is_some())
        .count();
    let summary = format!("{} admitted, {refused} refused", admitted.len());
    if admitted.is_empty() || refused == 0 {
        let summary = format!("{summary}: the limit was never reached");
        let verdict = Verdict::Unknown;
        return Opinion { checker: CHECKER.name, verdict, summary, findings: Vec::new() };
    }
    let findings = worst(&limit, &admitted).map(|(excess, from, to)| {
        let span = to.0 - from.0;
        let what = format!(
            "{excess} calls more than {}/s x {span} ms + {} were admitted within {span} ms",
            limit.rate, limit.burst
        );
        Finding::new(what, &[set, from.1, to.1])
    });
    Opinion::of(CHECKER.name, summary, findings.into_iter().collect())
}

/// So far two nodes may be apart on the limits' clock, by the way that their first entries took: a window
/// of records may be longer than it seems by as much.
const APART_MS: u64 = 250;

/// By how many calls there are too many, from where to where.
type Window<'a> = (u64, (u64, &'a Op), (u64, &'a Op));

/// The window with the most calls above what may be, if there is one.
fn worst<'a>(limit: &Limit, admitted: &[(u64, &'a Op)]) -> Option<Window<'a>> {
    let mut worst: Option<Window<'a>> = None;
    for (place, from) in admitted.iter().enumerate() {
        for (count, to) in (1_u64..).zip(admitted.iter().skip(place)) {
            // In thousandths of a call, so that nothing is rounded.
            let allowed = limit.rate * (to.0 - from.0 + APART_MS) + limit.burst * 1_000;
            let excess = (count * 1_000).saturating_sub(allowed).div_ceil(1_000);
            if excess > worst.as_ref().map_or(0, |(most, ..)| *most) {
                worst = Some((excess, *from, *to));
            }
        }
    }
    worst
}

/// A time of a record in milliseconds.
fn ms(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::super::forge::Forge;
    use super::*;
    use crate::history::{EntryRecord, EventRecord};

    fn forge(rate: u64, burst: u64, times_ms: &[u64]) -> Forge {
        let limit = Limit { prefix: "102".into(), rate, burst };
        let mut forge = Forge::default().fact("limit", &limit);
        let event = EventRecord { at: 1, sent: false, kind: "503 INVITE".into(), again: false };
        let refused = EntryRecord {
            number: "102900".into(),
            call_id: "r".into(),
            over: true,
            anomalies: Vec::new(),
            events: vec![event],
        };
        forge = forge.fact("caller-call", &refused);
        for (place, at) in times_ms.iter().enumerate() {
            let started = format!("2026-01-01T00:00:{:02}.{:03}Z", at / 1_000, at % 1_000);
            forge = forge.cdr_admitted(&format!("{place}.0"), &format!("102{place:03}"), &started);
        }
        forge
    }

    fn verdict(rate: u64, burst: u64, times_ms: &[u64]) -> Verdict {
        check(&forge(rate, burst, times_ms).done()).verdict
    }

    #[test]
    fn as_much_as_may_be_is_well_and_one_more_is_found() {
        assert_eq!(verdict(1, 2, &[0, 0, 1_000, 2_000]), Verdict::Valid);
        assert_eq!(verdict(1, 2, &[0, 0, 750, 2_000]), Verdict::Valid, "two nodes may be apart");
        assert_eq!(verdict(1, 2, &[0, 0, 749, 2_000]), Verdict::Invalid);
        assert_eq!(
            verdict(1, 2, &[0, 1_000, 2_000, 2_000, 2_000]),
            Verdict::Invalid,
            "in any window"
        );
    }

    #[test]
    fn a_bucket_that_is_filled_again_is_found_with_its_window() {
        let mut times: Vec<u64> = (0..10).collect();
        times.extend((0..10).map(|n| 3_000 + n));
        let opinion = check(&forge(1, 10, &times).done());
        assert_eq!(opinion.verdict, Verdict::Invalid);
        let finding = &opinion.findings[0];
        assert!(
            finding.what.starts_with("7 calls more than 1/s x 3009 ms + 10"),
            "{}",
            finding.what
        );
        assert_eq!(finding.lines.len(), 3);
    }

    #[test]
    fn other_calls_do_not_count_and_without_refusals_it_cannot_tell() {
        let free = forge(1, 1, &[0]).cdr("9.0", "101001", 10).cdr("9.1", "101002", 10).done();
        assert_eq!(check(&free).verdict, Verdict::Valid);
        let limit = Limit { prefix: "102".into(), rate: 1, burst: 1 };
        let calm = Forge::default().fact("limit", &limit).cdr("1.0", "102001", 10).done();
        assert_eq!(check(&calm).verdict, Verdict::Unknown);
        assert_eq!(check(&Forge::default().done()).verdict, Verdict::Idle);
        let touched = forge(1, 1, &[0, 0]).inject(1, "clock-jump").done();
        assert_eq!(check(&touched).verdict, Verdict::Idle);
    }
}
