//! One owner per slot and epoch, whoever is asked, and whatever the bills say.

use std::collections::BTreeMap;

use holdline_cluster_tests::cluster::CdrView;

use super::{Checker, Finding, Opinion};
use crate::fact::{Final, Slots};
use crate::history::{History, Op};

pub(super) const CHECKER: Checker =
    Checker { name: "one-owner", about: "a slot has one owner in each epoch", check };

fn check(history: &History) -> Opinion {
    let mut owners: BTreeMap<(u64, u64), (u64, &Op)> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut note = |op, slot: u64, owner: u64, epoch: u64| {
        let (known, first) = *owners.entry((slot, epoch)).or_insert((owner, op));
        if known != owner {
            let what = format!("slot {slot}, epoch {epoch}: owned by node {known} and by {owner}");
            findings.push(Finding::new(what, &[first, op]));
        }
    };
    for (op, seen) in history.facts::<Slots>("slots") {
        for (slot, owner, epoch) in seen.slots {
            note(op, slot, owner, epoch);
        }
    }
    for (op, seen) in history.facts::<Final>("final") {
        for (slot, owner, epoch) in seen.slots {
            note(op, slot, owner, epoch);
        }
    }
    for (op, cdr) in history.facts::<CdrView>("cdr") {
        // A call's id begins with its slot, four hexadecimal digits.
        let Some(slot) = cdr.call.get(..4).and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
            continue;
        };
        for owner in cdr.owners {
            note(op, slot, owner.node, owner.epoch);
        }
    }
    if owners.is_empty() {
        return Opinion::idle(CHECKER.name, "no slots seen");
    }
    Opinion::of(CHECKER.name, format!("{} pairs of slot and epoch", owners.len()), findings)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    #[test]
    fn two_owners_of_one_epoch_are_found() {
        let seen = |node, owner, epoch| Slots { node, slots: vec![(7, owner, epoch)] };
        let history = |second: Slots| {
            Forge::default().fact("slots", &seen(1, 1, 3)).fact("slots", &second).done()
        };
        assert_eq!(check(&history(seen(2, 2, 4))).verdict, Verdict::Valid);
        assert_eq!(check(&history(seen(2, 2, 3))).verdict, Verdict::Invalid);
    }
}
