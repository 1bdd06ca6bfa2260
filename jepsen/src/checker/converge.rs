//! Convergence: once everything is healed, all nodes have the same state, in time.

use super::{Checker, Finding, Opinion};
use crate::fact::{Converged, Final};
use crate::history::History;

pub(super) const CHECKER: Checker = Checker {
    name: "converge",
    about: "after healing, all nodes are up and have the same state",
    check,
};

fn check(history: &History) -> Opinion {
    let mut findings = Vec::new();
    let mut slowest = 0;
    let mut times = 0;
    for (op, converged) in history.facts::<Converged>("converged") {
        times += 1;
        slowest = slowest.max(converged.ms);
        if !converged.ok {
            let after = converged.after.map_or("the end".to_owned(), |id| format!("fault {id}"));
            let what =
                format!("after {after}: not within {} ms: {}", converged.ms, converged.missing);
            findings.push(Finding::new(what, &[op]));
        }
    }
    let finals: Vec<_> = history.facts::<Final>("final").collect();
    if let Some(((first_op, first), others)) = finals.split_first() {
        for (op, other) in others {
            for (what, same) in [
                ("applied entries", first.applied == other.applied),
                ("slots", first.slots == other.slots),
                ("calls that are remembered", first.calls_kept == other.calls_kept),
                ("call detail records", first.cdrs == other.cdrs),
                ("content of the call detail records", first.digest == other.digest),
                ("drained nodes", first.drained == other.drained),
            ] {
                if !same {
                    let what = format!("nodes {} and {} differ: {what}", first.node, other.node);
                    findings.push(Finding::new(what, &[first_op, op]));
                }
            }
        }
    }
    if times == 0 && finals.is_empty() {
        return Opinion::idle(CHECKER.name, "nothing was healed");
    }
    let summary =
        format!("{times} times, the slowest in {slowest} ms; {} final states", finals.len());
    Opinion::of(CHECKER.name, summary, findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    fn state(node: u64, applied: u64) -> Final {
        Final {
            node,
            applied,
            calls_up: 0,
            calls_kept: 0,
            slots: vec![(0, 1, 1)],
            cdrs: vec!["1.0".into()],
            digest: "d".into(),
            drained: Vec::new(),
        }
    }

    #[test]
    fn different_states_and_late_ones_are_found() {
        let with = |second: &Final, ok| {
            let converged = Converged { after: None, ok, ms: 5, missing: String::new() };
            let forge = Forge::default().fact("converged", &converged);
            check(&forge.fact("final", &state(1, 9)).fact("final", second).done()).verdict
        };
        assert_eq!(with(&state(2, 9), true), Verdict::Valid);
        assert_eq!(with(&state(2, 9), false), Verdict::Invalid);
        assert_eq!(with(&state(2, 8), true), Verdict::Invalid);
        assert_eq!(with(&Final { calls_kept: 1, ..state(2, 9) }, true), Verdict::Invalid);
        assert_eq!(with(&Final { digest: "e".into(), ..state(2, 9) }, true), Verdict::Invalid);
        assert_eq!(check(&Forge::default().done()).verdict, Verdict::Idle);
    }
}
