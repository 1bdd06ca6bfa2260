//! At most one node acts for a slot: the slots that nodes with a lease act for at one moment are
//! never more than there are.
//!
//! A node that acts before and after another one was asked has acted meanwhile: it would have to
//! be caught up and up for a while to get its slots back in between. That does not hold while an
//! operator drains and undrains, nor in a planned move, in which both may act for some
//! milliseconds (`docs/architecture.md`, section 4): answers of such times are passed over.

use super::{Checker, Finding, Opinion};
use crate::fact::{Acting, Converged, Inject, Slots};
use crate::history::{History, Op, OpType, pairs};

/// Two answers of one node so far apart say nothing of the time between them.
const GAP_NS: u64 = 400_000_000;

/// A drain goes on for so long after it was asked for: slots move, and come back.
const MOVING_NS: u64 = 1_500_000_000;

pub(super) const CHECKER: Checker =
    Checker { name: "acting", about: "no two nodes act for the same slot at one time", check };

fn check(history: &History) -> Opinion {
    let total = history.facts::<Slots>("slots").map(|(_, seen)| seen.slots.len() as u64).max();
    let all: Vec<(&Op, Acting)> = history.facts("acting").collect();
    let Some(total) = total.filter(|_| !all.is_empty()) else {
        return Opinion::idle(CHECKER.name, "nobody was asked");
    };
    let mut nodes: Vec<u64> = all.iter().map(|(_, acting)| acting.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let planned = planned_moves(history);
    let mut findings = Vec::new();
    for (place, (op, one)) in all.iter().enumerate() {
        let moving = planned.iter().any(|(from, to)| (*from..=*to).contains(&op.time));
        if !one.lease || one.slots == 0 || moving {
            continue;
        }
        let mut sum = one.slots;
        let mut lines = vec![*op];
        for node in nodes.iter().filter(|node| **node != one.node) {
            let of_node = |(other_op, other): &&(&Op, Acting)| {
                other.node == *node && other_op.time.abs_diff(op.time) < GAP_NS
            };
            let before = all[..place].iter().rev().find(of_node);
            let before = before.filter(|(other_op, _)| other_op.time <= one.asked);
            let after =
                all[place..].iter().find(|entry| of_node(entry) && entry.1.asked >= op.time);
            if let (Some((first, a)), Some((last, b))) = (before, after)
                && a.lease
                && b.lease
            {
                sum += a.slots.min(b.slots);
                lines.extend([*first, *last]);
            }
        }
        if sum > total {
            let what = format!("{sum} slots are acted for, and there are {total}");
            findings.push(Finding::new(what, &lines));
        }
    }
    Opinion::of(CHECKER.name, format!("{} answers", all.len()), findings)
}

/// Times in which slots move because somebody wants them to.
fn planned_moves(history: &History) -> Vec<(u64, u64)> {
    let mut moves: Vec<(u64, u64)> = pairs(history, &["write"])
        .iter()
        .map(|pair| {
            // A drain of which nobody knows when it happened may happen late.
            let end = pair.end.map_or(pair.invoke.time, |end| end.time);
            let late = if pair.outcome() == OpType::Ok { MOVING_NS } else { 4 * MOVING_NS };
            (pair.invoke.time, end + late)
        })
        .collect();
    for (op, inject) in history.facts::<Inject>("inject") {
        if PLANNED.contains(&inject.fault.as_str()) {
            let back = history
                .facts::<Converged>("converged")
                .find(|(_, it)| it.after == Some(inject.id))
                .map_or(u64::MAX, |(op, _)| op.time);
            moves.push((op.time, back));
        }
    }
    moves
}

/// Faults that are planned moves.
const PLANNED: [&str; 2] = ["drain", "rolling-restart"];

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    fn history(samples: &[(u64, bool, u64)]) -> History {
        let mut forge =
            Forge::default().fact("slots", &Slots { node: 1, slots: vec![(0, 1, 1), (1, 1, 1)] });
        for (place, (node, lease, slots)) in samples.iter().enumerate() {
            let asked = (place as u64 + 1) * 1_000_000;
            let acting = Acting { node: *node, lease: *lease, slots: *slots, asked };
            forge = forge.fact("acting", &acting);
        }
        forge.done()
    }

    #[test]
    fn two_that_act_at_once_are_found() {
        let at_once = [(1, true, 2), (2, true, 2), (1, true, 2)];
        assert_eq!(check(&history(&at_once)).verdict, Verdict::Invalid);
        let deposed = [(1, true, 2), (2, true, 2), (1, false, 2)];
        assert_eq!(check(&history(&deposed)).verdict, Verdict::Valid);
        let shared = [(1, true, 1), (2, true, 1), (1, true, 1)];
        assert_eq!(check(&history(&shared)).verdict, Verdict::Valid);
    }
}
