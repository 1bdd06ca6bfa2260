//! Tokens that this node has leased, for what rides on no admission: REGISTER, OPTIONS, MESSAGE,
//! SUBSCRIBE and requests of the management API.
//!
//! There is a purse for each class of the limits in force, spent from by any task, in nanoseconds; the
//! task in `lender` fills them. A class that had one keeps it when the limits change, and has it back
//! when it comes back after it was gone, so that what it holds is always accounted for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use holdline_call::{Allowance, Allowed, Throttled};
use holdline_guard::{Purse, PurseCounts, Take, Tokens};
use holdline_limit::{LimitTable, Plan};
use holdline_model::Name;
use holdline_model::limit::Request;
use metrics::counter;
use tokio::sync::Notify;

use super::Protection;
use crate::clock::Clock;

/// The leased tokens of this node.
#[derive(Debug)]
pub(crate) struct Allowances {
    clock: Clock,
    book: ArcSwap<Book>,
    /// All purses there were, by class. At most [`MAX_PURSES`].
    purses: Mutex<BTreeMap<Name, Arc<Purse>>>,
    /// Somebody wants tokens that are not here.
    pub(super) wanted: Notify,
}

/// The limits in force, with what is leased of each class.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// `None` before the first limits.
    plan: Option<Arc<Plan>>,
    /// In the order of the plan.
    pub(super) classes: Vec<Leased>,
}

/// A class of which tokens can be leased.
#[derive(Clone, Debug)]
pub(crate) struct Leased {
    pub(super) name: Name,
    pub(super) purse: Arc<Purse>,
    /// What is leased at least.
    pub(super) least: Tokens,
    /// The status of refusals; `None`: it passes all the same.
    status: Option<u16>,
}

/// What is leased of a class, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFacts {
    /// The class.
    pub class: Name,
    /// Since the start of this process.
    pub counts: PurseCounts,
    /// Whether what is left may be spent.
    pub is_valid: bool,
}

impl Allowances {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, book: ArcSwap::default(), purses: Mutex::default(), wanted: Notify::new() }
    }

    /// Takes the classes of the limits in force.
    pub(super) fn follow(&self, table: &LimitTable) {
        if table.settings().version == 0 {
            return;
        }
        let plan = Arc::clone(table.plan());
        let mut purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
        let classes: Vec<Leased> = plan
            .lendings()
            .map(|lending| Leased {
                name: lending.name.clone(),
                purse: Arc::clone(purses.entry(lending.name.clone()).or_default()),
                least: Tokens(lending.least.0),
                status: lending.status,
            })
            .collect();
        if purses.len() > MAX_PURSES {
            // What those that are gone hold counts as spent when nothing was heard of them for long.
            *purses = classes.iter().map(|one| (one.name.clone(), one.purse.clone())).collect();
        }
        drop(purses);
        self.book.store(Arc::new(Book { plan: Some(plan), classes }));
    }

    pub(super) fn book(&self) -> Arc<Book> {
        self.book.load_full()
    }

    /// What is leased of each class of which anything ever was, or was wanted.
    pub(crate) fn facts(&self) -> Vec<LeaseFacts> {
        let now_ns = self.clock.elapsed_ns();
        let book = self.book.load();
        let facts = book.classes.iter().map(|class| LeaseFacts {
            class: class.name.clone(),
            counts: class.purse.counts(),
            is_valid: class.purse.is_valid(now_ns),
        });
        let used = |counts: &PurseCounts| counts.granted.0 + counts.refused.0 > 0;
        facts.filter(|facts| used(&facts.counts)).collect()
    }

    /// Spends what a request costs, in one class of each tree.
    pub(crate) fn take(&self, request: &Request<'_>, again: bool) -> Allowed {
        let book = self.book.load();
        let Some(plan) = &book.plan else { return Allowed::Pass };
        let cost = Tokens(plan.cost(request.operation).0);
        if cost.0 == 0 || plan.is_emergency(request.called) {
            return Allowed::Pass;
        }
        let now_ns = self.clock.elapsed_ns();
        let mut first: Option<&Leased> = None;
        let mut more: Vec<&Leased> = Vec::new();
        for class in plan.classes_of(request).filter_map(|at| book.classes.get(at)) {
            let short = match again {
                true => class.purse.take_again(now_ns, cost),
                false => class.purse.take(now_ns, cost),
            };
            if short == Take::Taken {
                if first.is_none() {
                    first = Some(class);
                } else {
                    more.push(class);
                }
                continue;
            }
            if short == Take::NotYet {
                self.wanted.notify_one();
            }
            let Some(status) = class.status else { continue };
            for taken in first.into_iter().chain(more) {
                taken.purse.put_back(cost);
            }
            let throttled =
                |retry_after_ms| Throttled { class: class.name.clone(), status, retry_after_ms };
            return match short {
                Take::Empty { retry_after_ms } => Allowed::Refused(throttled(retry_after_ms)),
                Take::NotYet | Take::Taken => Allowed::Wait(throttled(UNKNOWN_RETRY_MS)),
            };
        }
        Allowed::Pass
    }
}

impl Allowance for Protection {
    fn take(&self, request: &Request<'_>, again: bool) -> Allowed {
        self.allowances.take(request, again)
    }
}

/// Counts a request that is refused because there are no leased tokens for it.
pub(crate) fn refused(operation: holdline_model::limit::Operation, status: u16) {
    counter!("holdline_limit_throttled_total", "operation" => operation.as_str(), "status" => status.to_string())
        .increment(1);
}

/// Purses kept at the same time, those of classes that are gone included.
pub(super) const MAX_PURSES: usize = 4 * holdline_model::limits::MAX_LIMIT_CLASSES;

/// When to come again if the cluster has not said how it stands.
const UNKNOWN_RETRY_MS: u64 = 1_000;

#[cfg(test)]
mod tests;
