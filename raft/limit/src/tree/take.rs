//! Who may take: first everything is looked at, then everything is taken, or nothing.

use holdline_model::limit::{Borrow, Shortage};

use super::{BORROWS_MS, Levels, Short, Taking, retry_ms};
use crate::bucket::wait_ms;
use crate::plan::{Class, Penalty, Plan};

/// What was found on the way from a class to its root.
#[derive(Debug)]
struct Search {
    taking: Taking,
    missing: u64,
    /// The class that had the last word: whose bucket was the last, or whose ceiling was in the way.
    last: usize,
    /// What may still be borrowed through the ceilings on the way, and whose is the lowest.
    allowed: u64,
    lowest: Option<usize>,
}

impl Levels {
    /// Where `amount` for a request of the class `leaf` would come from. Notes who asks to borrow, and
    /// takes nothing.
    pub(crate) fn look(
        &mut self,
        plan: &Plan,
        leaf: usize,
        amount: u64,
        now_ms: u64,
    ) -> Result<Taking, Short> {
        let mut search = self.gather(plan, leaf, amount, now_ms);
        if search.missing == 0 {
            return Ok(search.taking);
        }
        if let Some(delayed) = self.delay(plan, leaf, &mut search) {
            return delayed.map(|()| search.taking);
        }
        let ceiling = search.lowest.filter(|_| search.allowed == 0);
        let class = ceiling.unwrap_or(search.last);
        let (shortage, rate) = match ceiling.and_then(|at| plan.classes.get(at)?.ceiling) {
            Some(ceiling) => (Shortage::Ceiling, ceiling.rate),
            None => (Shortage::Tokens, lending_rate(plan, leaf, class)),
        };
        match plan.classes.get(class).map(|class| &class.penalty) {
            Some(Penalty::Drop { status } | Penalty::Delay { status, .. }) => {
                let (retry_after_ms, status) = (retry_ms(search.missing, rate), *status);
                Err(Short { class, shortage, retry_after_ms, status })
            }
            Some(Penalty::Mark { .. }) | None => {
                // Marked requests take nothing: they are beside the limits.
                Ok(Taking { marks: vec![class], ..Taking::default() })
            }
        }
    }

    /// Goes from bucket to bucket, as far as each class may borrow, until there is enough.
    fn gather(&mut self, plan: &Plan, leaf: usize, amount: u64, now_ms: u64) -> Search {
        let mut search = Search {
            taking: Taking::default(),
            missing: amount,
            last: leaf,
            allowed: u64::MAX,
            lowest: None,
        };
        let mut child = None;
        let mut only_siblings = false;
        while let Some(class) = plan.classes.get(search.last) {
            let at = search.last;
            let part = search.missing.min(search.allowed).min(self.available(plan, at, child));
            if part > 0 {
                search.taking.buckets.push((at, part, child));
                search.missing -= part;
                search.allowed -= part;
            }
            let may_borrow = class.borrow != Borrow::Never && !only_siblings;
            let Some(parent) = class.parent.filter(|_| search.missing > 0 && may_borrow) else {
                break;
            };
            self.level_mut(at, |level| level.borrows_until_ms = now_ms + BORROWS_MS);
            self.pass_ceiling(class, at, &mut search);
            only_siblings = class.borrow == Borrow::Sibling;
            (child, search.last) = (Some(at), parent);
        }
        borrowed_through(plan, leaf, &mut search.taking);
        search
    }

    /// What is borrowed passes the ceilings of all classes on its way down.
    fn pass_ceiling(&self, class: &Class, at: usize, search: &mut Search) {
        let Some(ceiling) = class.ceiling else { return };
        let left = ceiling.size.saturating_sub(self.level(at).ceiling_missing);
        if left < search.allowed {
            (search.allowed, search.lowest) = (left, Some(at));
        }
    }

    /// A class that delays overdraws its own bucket, as far as it fills up again in time.
    fn delay(&self, plan: &Plan, leaf: usize, search: &mut Search) -> Option<Result<(), Short>> {
        let class = plan.classes.get(leaf)?;
        let Penalty::Delay { max_wait_ms, status } = class.penalty else { return None };
        let taken = search.taking.buckets.iter().find(|(at, ..)| *at == leaf);
        let taken = taken.map_or(0, |(_, part, _)| *part);
        let missing = self.level(leaf).missing.saturating_add(taken);
        let owed = missing.saturating_add(search.missing).saturating_sub(class.size);
        let wait = wait_ms(owed, class.own_rate);
        if wait > max_wait_ms {
            let (class, shortage) = (leaf, Shortage::Queue);
            let retry_after_ms = wait - max_wait_ms;
            return Some(Err(Short { class, shortage, retry_after_ms, status }));
        }
        search.taking.buckets.push((leaf, search.missing, None));
        search.taking.hold_ms = wait;
        Some(Ok(()))
    }

    /// What a class's bucket has for one of its children, or for requests of its own: not what is set
    /// aside for others. Only the class itself may overdraw it.
    fn available(&self, plan: &Plan, at: usize, child: Option<usize>) -> u64 {
        let Some(class) = plan.classes.get(at) else { return 0 };
        let others = class.children.iter().filter(|other| Some(**other) != child);
        let reserved: u64 = others.map(|other| self.level(*other).reserved).sum();
        if child.is_some() || class.debt == 0 || class.assured == 0 {
            return self.in_bucket(at, class).saturating_sub(reserved);
        }
        (class.size + class.debt).saturating_sub(self.level(at).missing).saturating_sub(reserved)
    }

    /// Takes what [`Levels::look`] has found, for a request.
    pub(crate) fn take(&mut self, plan: &Plan, leaf: usize, taking: &Taking) {
        self.draw(taking);
        for (at, _) in upwards(plan, leaf) {
            self.level_mut(at, |level| level.admitted += 1);
        }
        for at in &taking.marks {
            self.level_mut(*at, |level| level.marked += 1);
        }
    }

    /// Takes what [`Levels::look`] has found, and counts no request.
    pub(crate) fn draw(&mut self, taking: &Taking) {
        for (at, part, child) in &taking.buckets {
            self.level_mut(*at, |level| level.missing += part);
            if let Some(child) = child {
                self.level_mut(*child, |level| level.reserved -= level.reserved.min(*part));
            }
        }
        for (at, part) in &taking.ceilings {
            self.level_mut(*at, |level| level.ceiling_missing += part);
        }
    }
}

/// Notes what passes each ceiling: what comes from above its class.
fn borrowed_through(plan: &Plan, leaf: usize, taking: &mut Taking) {
    let mut borrowed: u64 = taking.buckets.iter().map(|(_, part, _)| part).sum();
    for (at, class) in upwards(plan, leaf) {
        let own = taking.buckets.iter().find(|(from, ..)| *from == at);
        borrowed -= own.map_or(0, |(_, part, _)| *part);
        if borrowed > 0 && class.ceiling.is_some() {
            taking.ceilings.push((at, borrowed));
        }
    }
}

/// A class and its ancestors.
pub(crate) fn upwards(plan: &Plan, leaf: usize) -> impl Iterator<Item = (usize, &Class)> {
    let class = |at: usize| plan.classes.get(at).map(|class| (at, class));
    std::iter::successors(class(leaf), move |(_, below)| below.parent.and_then(class))
}

/// What fills the buckets from `leaf` up to `last`, at least.
fn lending_rate(plan: &Plan, leaf: usize, last: usize) -> u64 {
    let mut rate = 0_u64;
    for (at, class) in upwards(plan, leaf) {
        rate = rate.saturating_add(class.own_rate);
        if at == last {
            break;
        }
    }
    rate
}
