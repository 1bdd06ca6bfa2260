//! Whether the run was what it was to be: every planned fault happened, was seen to work, struck
//! calls in every phase, and was healed. A run of which that cannot be said proves nothing.

use std::collections::HashMap;

use super::{Checker, Finding, Opinion};
use crate::fact::{Call, Effect, Heal, Inject, Run};
use crate::history::{History, Process, edn, pairs};

pub(super) const CHECKER: Checker = Checker {
    name: "effect",
    about: "every planned fault took effect and struck something in every phase",
    check,
};

fn check(history: &History) -> Opinion {
    let Some(run) = Run::of(history) else {
        let what = Finding::new("the history does not say what was run", &[]);
        return Opinion::of(CHECKER.name, "nothing known of the run".into(), vec![what]);
    };
    let injects: Vec<_> = history.facts::<Inject>("inject").collect();
    let effects: HashMap<u64, Effect> =
        history.facts("effect").map(|(_, effect): (_, Effect)| (effect.id, effect)).collect();
    let healed: Vec<u64> = history.facts("healed").map(|(_, heal): (_, Heal)| heal.id).collect();
    let calls: Vec<Call> = pairs(history, &["call"])
        .iter()
        .filter_map(|p| edn::from_value(&p.invoke.value).ok())
        .collect();
    let mut findings = Vec::new();
    let happened: Vec<&str> = injects.iter().map(|(_, inject)| inject.fault.as_str()).collect();
    for fault in &run.planned {
        let planned = run.planned.iter().filter(|other| *other == fault).count();
        let seen = happened.iter().filter(|other| **other == fault.as_str()).count();
        let known = findings.iter().any(|f: &Finding| f.what.starts_with(&format!("{fault}:")));
        if seen < planned && !known {
            findings.push(Finding::new(format!("{fault}: planned {planned}, begun {seen}"), &[]));
        }
    }
    for (op, inject) in &injects {
        let mut wrong = |what: String| {
            findings.push(Finding::new(
                format!("{} (fault {}): {what}", inject.fault, inject.id),
                &[op],
            ));
        };
        match effects.get(&inject.id) {
            None => wrong("nobody looked whether it took effect".into()),
            Some(effect) if !effect.took_effect => {
                wrong(format!("took no effect: {}", effect.evidence));
            }
            Some(_) => {}
        }
        if !healed.contains(&inject.id) {
            wrong("was not healed".into());
        }
        for phase in &run.phases {
            let struck = |call: &&Call| call.under == Some(inject.id) && call.phase == *phase;
            if !calls.iter().any(|call| struck(&call)) {
                wrong(format!("struck no call in phase {phase}"));
            }
        }
    }
    let attempts = history.ops.iter().filter(|op| matches!(op.process, Process::Client(_))).count();
    if attempts == 0 {
        findings.push(Finding::new("nothing was attempted", &[]));
    }
    let summary = format!("{} of {} planned faults", injects.len(), run.planned.len());
    Opinion::of(CHECKER.name, summary, findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    fn run() -> Forge {
        let run =
            Run { planned: vec!["pause".into()], phases: vec!["talking".into()], ..Run::default() };
        Forge::default().fact("run", &run)
    }

    fn effect(took_effect: bool) -> Effect {
        Effect { id: 1, took_effect, evidence: "seen".into() }
    }

    #[test]
    fn a_run_in_which_everything_happened_is_valid() {
        let forge = run().inject(1, "pause").fact("effect", &effect(true));
        let history = forge.call(1, "1", Some(1)).fact("healed", &Heal { id: 1 }).done();
        assert_eq!(check(&history).verdict, Verdict::Valid, "{:?}", check(&history));
    }

    #[test]
    fn whatever_is_missing_makes_it_invalid() {
        let healed = Heal { id: 1 };
        let bad = [
            run().call(1, "1", None).done(),
            run().inject(1, "pause").call(1, "1", Some(1)).fact("healed", &healed).done(),
            run()
                .inject(1, "pause")
                .fact("effect", &effect(false))
                .call(1, "1", Some(1))
                .fact("healed", &healed)
                .done(),
            run().inject(1, "pause").fact("effect", &effect(true)).call(1, "1", Some(1)).done(),
            run()
                .inject(1, "pause")
                .fact("effect", &effect(true))
                .call(1, "1", None)
                .fact("healed", &healed)
                .done(),
            Forge::default().call(1, "1", None).done(),
        ];
        for history in bad {
            assert_eq!(check(&history).verdict, Verdict::Invalid, "{history:?}");
        }
    }
}
