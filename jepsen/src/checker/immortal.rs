//! No immortal calls: when both sides of every call are done, no node has any.

use super::{Checker, Finding, Opinion};
use crate::fact::Final;
use crate::history::History;

pub(super) const CHECKER: Checker =
    Checker { name: "immortal", about: "no call stays up when both sides have ended it", check };

fn check(history: &History) -> Opinion {
    let finals: Vec<_> = history.facts::<Final>("final").collect();
    if finals.is_empty() {
        return Opinion::idle(CHECKER.name, "no final state");
    }
    let still = finals.iter().filter(|(_, last)| last.calls_up > 0).map(|(op, last)| {
        Finding::new(format!("node {} still has {} calls", last.node, last.calls_up), &[op])
    });
    Opinion::of(CHECKER.name, format!("{} nodes", finals.len()), still.collect())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    #[test]
    fn a_call_that_stays_is_found() {
        let with = |calls_up| {
            let last = Final {
                node: 1,
                applied: 1,
                calls_up,
                calls_kept: calls_up,
                slots: Vec::new(),
                cdrs: Vec::new(),
                digest: String::new(),
                drained: Vec::new(),
            };
            check(&Forge::default().fact("final", &last).done()).verdict
        };
        assert_eq!(with(0), Verdict::Valid);
        assert_eq!(with(1), Verdict::Invalid);
    }
}
