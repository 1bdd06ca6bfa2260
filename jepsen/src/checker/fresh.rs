//! Liveness: calls placed after everything is healed all succeed.

use super::ledgers::{judged, lines_of};
use super::{Checker, Finding, Opinion};
use crate::history::History;

/// The phase of calls placed after healing.
pub const PHASE: &str = "fresh";

pub(super) const CHECKER: Checker =
    Checker { name: "liveness", about: "calls placed after healing succeed", check };

fn check(history: &History) -> Opinion {
    let fresh: Vec<_> = judged(history).into_iter().filter(|it| it.call.phase == PHASE).collect();
    if fresh.is_empty() {
        return Opinion::idle(CHECKER.name, "no fresh calls");
    }
    let lost = fresh.iter().filter_map(|judged| {
        let (number, loss) = judged.verdict.lost.first()?;
        let lines = lines_of(history, number, judged.invoke);
        Some(Finding::new(format!("fresh call {number}: {loss}"), &lines))
    });
    Opinion::of(CHECKER.name, format!("{} fresh calls", fresh.len()), lost.collect())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;
    use crate::fact::Call;
    use crate::history::OpType;

    #[test]
    fn a_fresh_call_that_fails_is_found() {
        let call = Call {
            number: "100".into(),
            phase: PHASE.into(),
            via: 1,
            expect: "answered".into(),
            under: None,
        };
        let with = |without: &[&str]| {
            let forge = Forge::default().op(OpType::Invoke, 1, "call", &call);
            check(&forge.ledgers("100", 5, without).cdr("1.0", "100", 5).done()).verdict
        };
        assert_eq!(with(&[]), Verdict::Valid);
        assert_eq!(with(&["caller over"]), Verdict::Invalid);
        assert_eq!(check(&Forge::default().done()).verdict, Verdict::Idle);
    }
}
