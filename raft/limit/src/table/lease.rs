//! Leasing tokens to a node.

use std::sync::Arc;

use holdline_model::Rejection;
use holdline_model::limit::{LeaseTokens, LimitFault, TokenGrant, Tokens};

use super::LimitTable;
use crate::change::Record;
use crate::lease::{Lease, LeaseKey, SILENT_TIMES};
use crate::tree::Taking;

impl LimitTable {
    /// Settles what a node says of its lease, and grants what there is of what it wants. That the
    /// run is the node's last one is for the caller to check.
    ///
    /// # Errors
    /// [`Rejection::Limits`] if there is no such class.
    pub fn lease(&mut self, command: &LeaseTokens) -> Result<TokenGrant, Rejection> {
        let Some(at) = self.plan.class_named(&command.class) else {
            let fault = LimitFault::UnknownClass { class: command.class.clone() };
            return Err(Rejection::Limits(Box::new(fault)));
        };
        self.pass(command.node, command.at);
        self.end_silent_leases();
        let key = LeaseKey { node: command.node, class: command.class.clone() };
        let known = self.leases.get(&key);
        let mut lease = match known.filter(|lease| lease.incarnation == command.incarnation) {
            Some(lease) => lease.clone(),
            None => {
                self.drop_lease(&key);
                Lease::new(command.incarnation)
            }
        };
        if command.request <= lease.request {
            return Ok(self.grant(lease.granted, lease.granted, at));
        }
        let plan = Arc::clone(&self.plan);
        lease.spend(&plan, &mut self.levels, command.spent.0);
        lease.give_back(&plan, &mut self.levels, command.returned.0);
        let granted = self.lend(at, command.want, &mut lease);
        let now_ms = self.clock.now_ms();
        lease.request = command.request;
        lease.granted = granted;
        lease.until_ms = now_ms.saturating_add(plan.lease_ms.saturating_mul(SILENT_TIMES));
        self.leases.insert(key.clone(), lease);
        self.dirty.extend([Record::Levels, Record::Lease(key)]);
        Ok(self.grant(granted, command.want, at))
    }

    /// As much as there is, in steps of half of what is left to try.
    fn lend(&mut self, class: usize, want: Tokens, lease: &mut Lease) -> Tokens {
        let (plan, now_ms) = (Arc::clone(&self.plan), self.clock.now_ms());
        let mut granted = 0_u64;
        let (mut step, least) = (want.0, plan.cheapest());
        while step > 0 && granted < want.0 {
            let amount = step.min(want.0 - granted);
            match self.levels.look(&plan, class, amount, now_ms) {
                Ok(taking) if is_whole(&taking) => {
                    self.levels.draw(&taking);
                    lease.add(&plan, &mut self.levels, &taking);
                    granted += amount;
                }
                Ok(_) | Err(_) if step <= least => break,
                Ok(_) | Err(_) => step /= 2,
            }
        }
        Tokens(granted)
    }

    fn grant(&self, granted: Tokens, want: Tokens, class: usize) -> TokenGrant {
        let rate = self.plan.classes.get(class).map_or(0, |class| class.assured);
        let missing = want.0.saturating_sub(granted.0);
        TokenGrant {
            granted,
            valid_ms: self.plan.lease_ms,
            retry_after_ms: if missing == 0 { 0 } else { crate::tree::retry_ms(missing, rate) },
            version: self.settings.version,
        }
    }

    pub(super) fn end_silent_leases(&mut self) {
        let now_ms = self.clock.now_ms();
        let silent = self.leases.iter().filter(|(_, lease)| lease.until_ms <= now_ms);
        for key in silent.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.drop_lease(&key);
        }
    }

    /// What is leased is spent.
    pub(super) fn drop_lease(&mut self, key: &LeaseKey) {
        if let Some(mut lease) = self.leases.remove(key) {
            let plan = Arc::clone(&self.plan);
            lease.spend(&plan, &mut self.levels, u64::MAX);
            self.dirty.extend([Record::Levels, Record::Lease(key.clone())]);
        }
    }
}

/// Leased is only what there is: a class that marks or delays lends nothing that is not there.
fn is_whole(taking: &Taking) -> bool {
    taking.marks.is_empty() && taking.hold_ms == 0
}
