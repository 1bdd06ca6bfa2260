//! What became of the requests: by class, over time, and who was refused.

use std::collections::BTreeMap;

use holdline_limit::{LimitTable, Plan};
use holdline_model::Name;
use holdline_model::limit::{LimitRefusal, Verdict};
use serde::Serialize;
use std::sync::Arc;

use super::Offer;

/// What became of all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// From the first to the last, in milliseconds.
    pub(crate) span_ms: u64,
    pub(crate) offered: u64,
    /// Those that were held back or marked included.
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// The classes, parents before children.
    pub(crate) classes: Vec<ClassTally>,
    /// What refused, the class, set or cap by name, and how often.
    pub(crate) refused_by: BTreeMap<Name, u64>,
    /// The first that was refused.
    pub(crate) first_refused: Option<Victim>,
    /// Those that were refused most, the worst first.
    pub(crate) most_refused: Vec<Share>,
    /// The same numbers over time, in [`BINS`] equal parts.
    pub(crate) bins: Vec<Bin>,
}

/// What became of a class's requests, its children's included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ClassTally {
    pub(crate) class: Name,
    pub(crate) parent: Option<Name>,
    pub(crate) offered: u64,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// Held back before they went on.
    pub(crate) delayed: u64,
    /// The longest that one was held back.
    pub(crate) longest_delay_ms: u64,
    /// Admitted over the limit, by this class.
    pub(crate) marked: u64,
}

/// Somebody who was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Victim {
    pub(crate) at_ms: u64,
    pub(crate) operation: &'static str,
    pub(crate) tenant: Name,
    pub(crate) trunk: Name,
    pub(crate) caller: Name,
    pub(crate) called: Name,
    /// The class, set or cap that refused.
    pub(crate) by: Name,
    pub(crate) shortage: &'static str,
    pub(crate) status: u16,
    pub(crate) retry_after_ms: u64,
}

/// What became of a tenant's requests from one trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Share {
    pub(crate) tenant: Name,
    pub(crate) trunk: Name,
    pub(crate) offered: u64,
    pub(crate) refused: u64,
}

/// A part of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Bin {
    pub(crate) offered: u64,
    pub(crate) refused: u64,
}

/// Counts.
pub(super) struct Tally {
    plan: Arc<Plan>,
    parents: Vec<Option<usize>>,
    outcome: Outcome,
    shares: BTreeMap<(Name, Name), (u64, u64)>,
}

impl Tally {
    pub(super) fn new(table: &LimitTable, span_ms: u64) -> Self {
        let view = table.view();
        let places: BTreeMap<&Name, usize> =
            view.classes.iter().enumerate().map(|(at, class)| (&class.name, at)).collect();
        let place = |parent: &Option<Name>| places.get(parent.as_ref()?).copied();
        let parents = view.classes.iter().map(|class| place(&class.parent)).collect();
        let classes = view.classes.iter().map(|class| ClassTally {
            class: class.name.clone(),
            parent: class.parent.clone(),
            ..ClassTally::default()
        });
        let bins = vec![Bin::default(); BINS];
        let outcome = Outcome { span_ms, classes: classes.collect(), bins, ..Outcome::default() };
        Self { plan: Arc::clone(table.plan()), parents, outcome, shares: BTreeMap::new() }
    }

    pub(super) fn count(&mut self, offer: &Offer, verdict: &Verdict) {
        let hold_ms = match verdict {
            Verdict::Admitted(passage) => Some(passage.hold_ms),
            Verdict::Refused(refusal) => {
                self.refused(offer, refusal);
                None
            }
        };
        let outcome = &mut self.outcome;
        outcome.offered += 1;
        outcome.admitted += u64::from(hold_ms.is_some());
        outcome.refused += u64::from(hold_ms.is_none());
        let request = offer.request();
        for leaf in self.plan.classes_of(&request) {
            let mut at = Some(leaf);
            while let Some(class) = at.and_then(|at| outcome.classes.get_mut(at)) {
                class.offered += 1;
                class.admitted += u64::from(hold_ms.is_some());
                class.refused += u64::from(hold_ms.is_none());
                let held_ms = hold_ms.unwrap_or(0);
                class.delayed += u64::from(held_ms > 0);
                class.longest_delay_ms = class.longest_delay_ms.max(held_ms);
                at = at.and_then(|at| self.parents.get(at).copied().flatten());
            }
        }
        let share = self.shares.entry((offer.tenant.clone(), offer.trunk.clone())).or_default();
        share.0 += 1;
        share.1 += u64::from(hold_ms.is_none());
        if let Some(bin) = outcome.bins.get_mut(bin_of(offer.at_ms, outcome.span_ms)) {
            bin.offered += 1;
            bin.refused += u64::from(hold_ms.is_none());
        }
    }

    fn refused(&mut self, offer: &Offer, refusal: &LimitRefusal) {
        *self.outcome.refused_by.entry(refusal.class.clone()).or_default() += 1;
        self.outcome.first_refused.get_or_insert_with(|| Victim {
            at_ms: offer.at_ms,
            operation: offer.operation.as_str(),
            tenant: offer.tenant.clone(),
            trunk: offer.trunk.clone(),
            caller: offer.caller.clone(),
            called: offer.called.clone(),
            by: refusal.class.clone(),
            shortage: refusal.shortage.as_str(),
            status: refusal.status,
            retry_after_ms: refusal.retry_after_ms,
        });
    }

    pub(super) fn finish(mut self, table: &LimitTable) -> Outcome {
        // Which class has marked, only the limits know.
        for (class, view) in self.outcome.classes.iter_mut().zip(&table.view().classes) {
            class.marked = view.marked;
        }
        let shares = self.shares.into_iter().filter(|(_, (_, refused))| *refused > 0);
        let mut most: Vec<Share> = shares
            .map(|((tenant, trunk), (offered, refused))| Share { tenant, trunk, offered, refused })
            .collect();
        most.sort_by(|a, b| b.refused.cmp(&a.refused).then_with(|| a.tenant.cmp(&b.tenant)));
        most.truncate(SHARES);
        self.outcome.most_refused = most;
        self.outcome
    }
}

fn bin_of(at_ms: u64, span_ms: u64) -> usize {
    let at = u128::from(at_ms) * BINS as u128 / u128::from(span_ms.max(1));
    usize::try_from(at).unwrap_or(BINS).min(BINS - 1)
}

/// Parts of the time that are counted by themselves.
pub(crate) const BINS: usize = 60;

/// Of those that were refused most, how many are told.
const SHARES: usize = 10;
