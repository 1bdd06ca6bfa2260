//! Time passes: tokens are made at the roots, handed down by assured rates, and what does not fit
//! rises.

use super::Levels;
use crate::plan::{Class, Plan};

impl Levels {
    /// Lets `passed_ms` pass, up to `now_ms`.
    pub(crate) fn fill(&mut self, plan: &Plan, passed_ms: u64, now_ms: u64) {
        if passed_ms == 0 || self.is_at_rest() {
            return;
        }
        let mut risen = vec![0_u64; plan.classes.len()];
        // Children come after their parents: backwards, each is done before its parent.
        for (at, class) in plan.classes.iter().enumerate().rev() {
            let own = class.own_rate.saturating_mul(passed_ms);
            let came = own.saturating_add(risen.get(at).copied().unwrap_or(0));
            let stays = self.pour(at, came);
            if let Some(above) = class.parent.and_then(|parent| risen.get_mut(parent)) {
                *above = above.saturating_add(came - stays);
            }
            self.set_aside(plan, class, stays, now_ms);
            if let Some(ceiling) = class.ceiling {
                let grown = ceiling.rate.saturating_mul(passed_ms);
                self.level_mut(at, |level| {
                    let room = level.ceiling_missing.saturating_sub(level.ceiling_leased);
                    level.ceiling_missing -= room.min(grown);
                });
            }
        }
    }

    /// Pours into a class's bucket; returns what stays.
    fn pour(&mut self, class: usize, came: u64) -> u64 {
        let mut stays = 0;
        self.level_mut(class, |level| {
            stays = came.min(level.missing.saturating_sub(level.leased));
            level.missing -= stays;
        });
        stays
    }

    /// One round: what came is set aside for the children that borrow, the highest priority first, in
    /// proportion to their weights, as far as each has room for it. The rest is anybody's.
    fn set_aside(&mut self, plan: &Plan, class: &Class, came: u64, now_ms: u64) {
        let mut left = came;
        let mut below: Option<u8> = None;
        for child in &class.children {
            self.level_mut(*child, |level| {
                if level.borrows_until_ms < now_ms {
                    level.reserved = 0;
                }
            });
        }
        while left > 0 {
            let borrowers = || {
                let children = class.children.iter().copied();
                children.filter(|child| self.level(*child).borrows_until_ms >= now_ms)
            };
            let priority_of = |child: usize| plan.classes.get(child).map(|class| class.priority);
            let next = borrowers().filter_map(priority_of).filter(|p| below.is_none_or(|b| *p > b));
            let Some(priority) = next.min() else { return };
            below = Some(priority);
            let sharers: Vec<usize> =
                borrowers().filter(|child| priority_of(*child) == Some(priority)).collect();
            let weights: u64 = sharers.iter().map(|child| weight(plan, *child)).sum();
            let round = left;
            for child in sharers {
                let part = |whole| share(whole, weight(plan, child), weights);
                let room_for = part(class.size).max(plan.dearest());
                self.level_mut(child, |level| {
                    let given = part(round).min(room_for.saturating_sub(level.reserved));
                    level.reserved += given;
                    left -= given;
                });
            }
        }
    }
}

fn weight(plan: &Plan, class: usize) -> u64 {
    plan.classes.get(class).map_or(1, |class| class.weight)
}

/// `whole` × `weight` / `weights`, rounded down.
fn share(whole: u64, weight: u64, weights: u64) -> u64 {
    let part = u128::from(whole) * u128::from(weight) / u128::from(weights.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}
